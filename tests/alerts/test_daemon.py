"""Every kind of alert through the real daemon, to a webhook that fails at first."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from mesh_defs.orchestration import prepare_home
from mesh_defs.store import lane
from tests.alerts.hook import Hook, listening
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder
from tests.orchestration.mesh_of_two import definitions, key, mesh_of_two, order

BOUND = 150.0
"""Seconds after which a wait fails: the daemon starts in a few, and the sensors look every 30 s."""

SECRET_RECORD = b'{"order_id": "canary-4711"}'

OPENED = {
    ("opened", "run_failed", "sales.totals"),
    ("opened", "check_failed", "shop.orders:ledger"),
    ("opened", "stream_stopped", "shop.returns"),
    ("opened", "asset_stale", "shop.orders"),
    ("opened", "location_broken", "broken"),
}
RESOLVED = {("resolved", kind, subject) for _, kind, subject in OPENED}

WORKSPACE = """load_from:
  - python_module: {module_name: mesh_defs.orchestration.location, working_directory: ., location_name: mesh-platform}
"""


class YesterdaysClock(dt.datetime):
    """A clock that is a day late."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
        """Return the instant a day ago."""
        return dt.datetime.now(tz) - dt.timedelta(days=1)


@pytest.fixture
def yesterday(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let the store date what it commits a day back, until the patch is undone."""
    monkeypatch.setattr(lane, "dt", SimpleNamespace(datetime=YesterdaysClock, UTC=dt.UTC))
    return monkeypatch


@pytest.mark.slow
def test_each_alert_is_posted_once_when_it_opens_and_once_when_it_ends(
    tmp_path: Path, kafka: KafkaServer, yesterday: pytest.MonkeyPatch
) -> None:
    """Failed run, red check, stopped stream, stale table, broken domain: a dead hook loses none of them."""
    with listening() as healthy, listening(500, 503) as failing:
        mesh = troubled_mesh(tmp_path / "mesh", kafka, [healthy, failing])
        yesterday.undo()
        home = prepare_home(mesh.open())
        with dg.DagsterInstance.from_config(str(home)) as instance:
            record_run(instance, mesh, dg.DagsterRunStatus.FAILURE)
            report_ledger(instance, passed=False)
            with daemon(mesh, home):
                wait_until(lambda: set(failing.told()) >= OPENED, failing)
                make_good(instance, mesh, kafka)
                wait_until(lambda: set(failing.told()) >= RESOLVED, failing)
                wait_until(lambda: set(healthy.told()) >= RESOLVED, healthy)
    assert failing.refused == 2
    for hook in (healthy, failing):
        assert sorted(hook.told()) == sorted(OPENED | RESOLVED)
        assert len({key_ for key_, _ in hook.taken}) == len(hook.taken)
        assert all("canary" not in str(m) and "s3cret" not in str(m) for _, m in hook.taken)
    assert {k for k, _ in healthy.taken} == {k for k, _ in failing.taken}


def troubled_mesh(root: Path, kafka: KafkaServer, hooks: list[Hook]) -> MeshFolder:
    """Write a mesh in which everything is wrong that needs no Dagster: stale, stopped, broken."""
    orders, returns = kafka.topic(), kafka.topic()
    mesh = mesh_of_two(root, kafka.bootstrap, orders, returns)
    mesh.stream("shop.returns", returns, onError="fail")
    mesh.stream("broken.orders", orders, envelopp="none")
    promise_a_frequency(root / "domains/shop/streams/orders.odcs.yaml")
    config = root / "mesh.toml"
    config.write_text(config.read_text() + f"\n[alerts]\nwebhooks = {[h.url for h in hooks]}\n")
    (root / "workspace.yaml").write_text(WORKSPACE)
    kafka.produce(orders, [order(0)])
    kafka.produce(returns, [SECRET_RECORD])
    mesh.ingest("shop")
    return mesh


def make_good(instance: dg.DagsterInstance, mesh: MeshFolder, kafka: KafkaServer) -> None:
    """End all of it."""
    project = mesh.open()
    shop = project.domain("shop")
    topics = {s.name: s.topic for s in shop.streams}
    kafka.produce(topics["orders"], [order(1)])
    mesh.stream("shop.returns", topics["returns"])
    mesh.stream("broken.orders", topics["orders"])
    mesh.ingest("shop")
    report_ledger(instance, passed=True)
    record_run(instance, mesh, dg.DagsterRunStatus.SUCCESS)


def record_run(instance: dg.DagsterInstance, mesh: MeshFolder, status: dg.DagsterRunStatus) -> None:
    """Record a run of the product that ended so."""
    job = definitions(mesh, "sales").resolve_implicit_global_asset_job_def()
    instance.create_run_for_job(job, status=status, asset_selection=frozenset({key("sales.totals")}))


def report_ledger(instance: dg.DagsterInstance, *, passed: bool) -> None:
    """Report what a recount found."""
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=key("shop.orders"), check_name="ledger", passed=passed, metadata={})
    )


def promise_a_frequency(path: Path) -> None:
    """Let a contract promise something every minute."""
    contract = json.loads(path.read_text())
    path.write_text(
        json.dumps(contract | {"slaProperties": [{"property": "frequency", "value": 1, "unit": "min"}]})
    )


@contextmanager
def daemon(mesh: MeshFolder, home: Path) -> Iterator[None]:
    """Run the daemon over the one location that looks after all domains; afterwards nothing of it is left."""
    environment = {
        **{k: v for k, v in os.environ.items() if not re.match("DAGSTER_|MESH_", k)},
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }
    with (home.parent / "daemon.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", "workspace.yaml"],
            cwd=mesh.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)


def wait_until(condition: Callable[[], object], hook: Hook) -> None:
    """Wait until the hook was told; fail with what it was told."""
    deadline = time.monotonic() + BOUND
    while not condition():
        assert time.monotonic() < deadline, f"in vain; told: {hook.told()}, refused: {hook.refused}"
        threading.Event().wait(0.2)
