"""`mesh up` with the resident ingester: what is produced reaches products by automation, without an ingest run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest

from mesh_defs.ingest.lease import lease_holder
from mesh_defs.orchestration import dagster_home
from mesh_defs.supervisor.family import family
from mesh_defs.supervisor.state import read_state
from tests.conftest import KafkaServer, wait_for
from tests.meshes import ROOT, MeshFolder
from tests.orchestration.mesh_of_two import key, mesh_of_two, order

LONG = 500.0

DEFINITIONS = """from pathlib import Path

from mesh_defs.orchestration import build_domain

defs = build_domain(Path(__file__).parent)
"""


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for several of the daemon's turns; each takes five seconds, and a run on a busy machine many more."""
    wait_for(condition, what, LONG)


class Up:
    """A running `mesh up` on a mesh of two domains.

    Args:
        mesh: The project.
        arguments: Of `mesh up`.
    """

    def __init__(self, mesh: MeshFolder, *arguments: str) -> None:
        self.mesh = mesh
        locations = []
        for name in ("shop", "sales"):
            (mesh.root / "domains" / name / "definitions.py").write_text(DEFINITIONS)
            location = {"relative_path": f"domains/{name}/definitions.py", "location_name": name}
            locations.append({"python_file": location})
        (mesh.root / "workspace.yaml").write_text(json.dumps({"load_from": locations}))
        environment = {n: v for n, v in os.environ.items() if not n.startswith(("MESH_", "DAGSTER_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mesh_defs.cli", "--project", str(mesh.root), "up", *arguments],
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._rest: threading.Thread | None = None

    def until_running(self, *parts: str) -> None:
        """Wait until these parts are well."""
        assert self.process.stdout is not None
        wanted = set(parts)
        while wanted:
            line = self.process.stdout.readline()
            assert line, "mesh up ended"
            report = json.loads(line)
            if report["state"] == "running":
                wanted.discard(report["part"])
        self._rest = threading.Thread(target=self.process.stdout.read, daemon=True)
        self._rest.start()

    def end(self) -> None:
        """Stop it; kill what is left."""
        state = read_state(self.mesh.root / "data" / "run" / "up.json")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(LONG)
        finally:
            self.process.kill()
            for left in list(family(state)) if state else []:
                left.kill()
            if self._rest is not None:
                self._rest.join(LONG)
            if self.process.stdout is not None:
                self.process.stdout.close()


@pytest.fixture
def topic(kafka: KafkaServer) -> str:
    """The topic of the orders."""
    return kafka.topic()


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer, topic: str) -> MeshFolder:
    """The mesh of two domains on real topics."""
    return mesh_of_two(tmp_path / "mesh", kafka.bootstrap, topic, kafka.topic())


@pytest.fixture
def up(mesh: MeshFolder) -> Iterator[Up]:
    """A `mesh up` of it."""
    made = Up(mesh, "--json", "--port", str(_free_port()))
    yield made
    made.end()


def _free_port() -> int:
    from mesh_defs.broker.ports import free_port  # noqa: PLC0415 - the only user

    return free_port()


@pytest.mark.slow
def test_products_follow_without_an_ingest_run(
    up: Up, mesh: MeshFolder, kafka: KafkaServer, topic: str
) -> None:
    """The real daemon computes a product of another domain after a report without a run; sensors leave ingest alone."""
    up.until_running("webserver", "daemon", "resident")
    totals = "SELECT sum(orders) FROM sales.totals"

    def total() -> int:
        there = mesh.rows("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'totals'")
        return int(mesh.rows(totals)[0][0] or 0) if there == [(1,)] else 0

    for produced in (3, 6):
        kafka.produce(topic, [order(n) for n in range(3)])
        until(lambda produced=produced: total() == produced, f"the product has seen {produced} orders")
    with dg.DagsterInstance.from_config(str(dagster_home(mesh.open()))) as instance:
        runs = instance.get_runs()
        assert runs
        assert {frozenset(run.asset_selection or ()) for run in runs} == {frozenset({key("sales.totals")})}
        assert instance.get_latest_materialization_event(key("shop.orders")) is not None
    first = lease_holder(mesh.root / "data" / "shop")
    assert first is not None
    parent = psutil.Process(first.pid).parent()
    assert parent is not None
    parent.kill()
    until(lambda: lease_holder(mesh.root / "data" / "shop") not in {None, first}, "mesh up starts it again")
    log = mesh.root / "data" / "logs" / "resident.log"
    until(lambda: log.read_text().count("ingests orders, returns") == 2, "it ingests again")
    assert "Traceback" not in log.read_text()
