"""The example mesh as a person starts it: `mesh up`, the replay of January, and the CSV files as the judge."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mesh_defs.broker import free_port
from tests.conftest import wait_for
from tests.example.conftest import ExampleMesh
from tests.example.judge import ASKED, Judge, disagreements

BOUND = 900.0


class UpMesh(ExampleMesh):
    """The repository's own mesh, running on a data folder and a Kafka of its own.

    Args:
        data: Where its stores, logs and local Kafka go.
        options: Of `mesh up`.
    """

    def __init__(self, data: Path, *options: str) -> None:
        super().__init__(data)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*self.command, "up", "--no-replay", "--port", str(free_port()), *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_up(self) -> None:
        """Wait until web server and daemon answer."""
        assert self.process.stdout is not None
        while not (self._answers("webserver") and self._answers("daemon")):
            line = self.process.stdout.readline()
            assert line, "mesh up ended early"
            self.lines.append(line)

    def _answers(self, part: str) -> bool:
        return any(line.split()[:2] == [part, "running"] for line in self.lines)

    def stop(self) -> list[psutil.Process]:
        """Send SIGTERM and return what is left of its processes."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        _, alive = psutil.wait_procs(family, timeout=15)
        return alive


def tables(mesh: ExampleMesh) -> set[str]:
    """Return the tables that the stores have, as `domain.table`."""
    return {
        f"{row['database']}.{row['name']}" for row in json.loads(mesh.cli("sql", "show all tables", "--json"))
    }


@pytest.fixture(
    params=[
        pytest.param((), id="resident"),
        pytest.param(("--no-resident",), id="sensors"),
    ]
)
def up(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UpMesh]:
    """The running mesh, ingesting by its resident ingester or by sensors; nothing is left of it afterwards."""
    mesh = UpMesh(tmp_path / "data", *request.param)
    yield mesh
    assert mesh.stop() == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_january_equals_the_csv_files(up: UpMesh, tmp_path: Path) -> None:
    """By itself, whoever ingests: every record a row, every answer row by row what the files say."""
    up.wait_until_up()
    up.cli("process", "run", "replay", "--", "--months", "1", "--speed", "max")
    judge = Judge(tmp_path, (1, 1))
    wait_for(lambda: tables(up) >= ASKED, "every table is there", bound=BOUND)
    wait_for(lambda: disagreements(judge, up.ask) == {}, "every product is complete", bound=BOUND)
    up.cli("ledger", "verify")
