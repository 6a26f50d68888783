"""`mesh run` as a process of its own, and what a test asks of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest.lease import lease_holder
from mesh_defs.query import Mesh
from tests import conftest
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder

LONG = 300.0
"""Seconds after which a wait fails: several processes start and commit meanwhile, on a busy machine."""


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds; fail the test where it never does."""
    conftest.wait_for(condition, what, LONG)


def order(number: int) -> bytes:
    """Return one good record."""
    return json.dumps({"order_id": number, "customer": f"c{number % 3}"}).encode()


class Run:
    """A running `mesh run`.

    Args:
        mesh: The project.
        arguments: Of `mesh run`.
    """

    def __init__(self, mesh: MeshFolder, *arguments: str) -> None:
        self.mesh = mesh
        self.log = mesh.root / f"run-{os.urandom(4).hex()}.log"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mesh_defs.cli", "--project", str(mesh.root), "run", *arguments],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdout=output,
                stderr=output,
            )

    def said(self) -> str:
        """Return what it wrote."""
        return self.log.read_text()

    def until_said(self, text: str) -> None:
        """Wait until it wrote something."""
        wait_for(lambda: text in self.said(), f"`mesh run` says {text!r}")

    def children(self) -> list[psutil.Process]:
        """Return the processes that it started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LONG)

    def end(self) -> None:
        """Kill what is left."""
        if self.process.poll() is None:
            left = self.children()
            self.process.kill()
            self.process.wait(LONG)
            psutil.wait_procs(left, LONG)


class Resident:
    """A mesh with `mesh run` on it.

    Args:
        mesh: The project.
        kafka: Its broker.
    """

    def __init__(self, mesh: MeshFolder, kafka: KafkaServer) -> None:
        self.mesh = mesh
        self.kafka = kafka
        self.runs: list[Run] = []

    def start(self, *arguments: str) -> Run:
        """Start `mesh run`."""
        self.runs.append(Run(self.mesh, *arguments))
        return self.runs[-1]

    def count(self, table: str = "shop.orders") -> int:
        """Return how many rows a table has; 0 where it is not there yet."""
        with Mesh.open(self.mesh.open()) as opened:
            if not opened.has_table(table):
                return 0
            return int(opened.query(f"FROM {table} SELECT count(*)").fetchall()[0][0])

    def until(self, rows: int, table: str = "shop.orders") -> None:
        """Wait until a table has so many rows."""
        wait_for(lambda: self.count(table) >= rows, f"{table} has {rows} rows")
        assert self.count(table) == rows

    def folder(self, domain: str = "shop") -> Path:
        """Return a domain's store."""
        return self.mesh.root / "data" / domain

    def holder(self, domain: str = "shop") -> int:
        """Return the process that ingests a domain, when there is one."""
        wait_for(lambda: lease_holder(self.folder(domain)), f"somebody ingests {domain}")
        found = lease_holder(self.folder(domain))
        assert found is not None
        return found.pid

    def status(self) -> list[dict[str, Any]]:
        """Return what `mesh status` says."""
        found: list[dict[str, Any]] = self.mesh.cli_json("status")
        return found

    def holds(self, domain: str = "shop") -> None:
        """Assert that the ledger holds, compared with the broker."""
        project = self.mesh.open()
        for result in verify_domain(project, project.domain(domain)):
            assert result.violations == ()


@pytest.fixture
def resident_on(tmp_path: Path) -> Iterator[Callable[[KafkaServer], Resident]]:
    """A factory of meshes with `mesh run`; at the end none of its processes is left."""
    made: list[Resident] = []

    def make(kafka: KafkaServer) -> Resident:
        made.append(Resident(MeshFolder(tmp_path / f"mesh{len(made)}", kafka.bootstrap), kafka))
        return made[-1]

    yield make
    for resident in made:
        for run in resident.runs:
            run.end()


@pytest.fixture
def resident(kafka: KafkaServer, resident_on: Callable[[KafkaServer], Resident]) -> Resident:
    """A mesh on the session's Kafka."""
    return resident_on(kafka)
