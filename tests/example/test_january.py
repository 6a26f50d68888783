"""The example mesh as a person starts it: `mesh up`, the replay of January, and the CSV file as the judge."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pytest

from mesh_defs.broker import free_port
from tests.conftest import KafkaServer, wait_for
from tests.meshes import ROOT

sys.path.insert(0, str(ROOT / "domains"))
from replay import events, source_folder

BY_HOUR = """
SELECT time_hour AS hour, origin, count(*) AS flights, count(dep_delay) AS departed,
  count(*) - count(dep_delay) AS cancelled, avg(dep_delay) AS mean_delay
FROM flights GROUP BY ALL ORDER BY ALL
"""


class UpMesh:
    """The repository's own mesh, running on a data folder of its own.

    Args:
        data: Where its stores, logs and local Kafka go.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environment = os.environ | {"MESH_DATA": str(data), "PYTHONPATH": str(ROOT)}
        self.environment.pop("MESH_BOOTSTRAP_SERVERS", None)
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [*self._command, "up", "--no-replay", "--port", str(free_port())],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def _command(self) -> list[str]:
        return [sys.executable, "-m", "mesh_defs.cli", "--project", str(ROOT)]

    def wait_until_up(self) -> str:
        """Return the web server's address when it and the daemon answer."""
        assert self.process.stdout is not None
        while not (self._answers("webserver") and self._answers("daemon")):
            line = self.process.stdout.readline()
            assert line, "mesh up ended early"
            self.lines.append(line)
        return next(line.split()[-1] for line in self.lines if line.startswith("webserver"))

    def _answers(self, part: str) -> bool:
        return any(line.split()[:2] == [part, "running"] for line in self.lines)

    def cli(self, *arguments: str) -> str:
        """Run a command beside it and return its standard output."""
        done = subprocess.run(
            [*self._command, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sql(self, query: str) -> list[dict[str, Any]]:
        """Ask the stores."""
        rows: list[dict[str, Any]] = json.loads(self.cli("sql", query, "--json"))
        return rows

    def stop(self) -> list[psutil.Process]:
        """Send SIGTERM and return what is left of its processes."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        _, alive = psutil.wait_procs(family, timeout=15)
        return alive


@pytest.fixture
def up(tmp_path: Path) -> Iterator[UpMesh]:
    """The running mesh; nothing is left of it afterwards."""
    mesh = UpMesh(tmp_path / "data")
    yield mesh
    assert mesh.stop() == []


@pytest.fixture
def flights(tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """January of the CSV file, as `flights`."""
    with zipfile.ZipFile(source_folder() / "flights.csv.zip") as archive:
        path = archive.extract("flights.csv", tmp_path)
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(
        "CREATE TABLE flights AS SELECT * FROM read_csv(?, nullstr = 'NA') WHERE month = 1", [path]
    )
    return connection


@pytest.mark.timeout(900)
def test_january_equals_the_csv_file(up: UpMesh, flights: duckdb.DuckDBPyConnection) -> None:
    """By sensors alone: every event a row, the product row by row what the CSV file says."""
    up.wait_until_up()
    up.cli("process", "run", "replay", "--", "--months", "1", "--speed", "max")
    expected = [
        (hour.isoformat().replace("+00:00", "Z"), *rest) for hour, *rest in flights.sql(BY_HOUR).fetchall()
    ]

    def product() -> list[tuple[Any, ...]]:
        query = "SELECT * FROM punctuality.delay_by_hour ORDER BY hour, origin"
        return [tuple(row.values()) for row in up.sql(query)]

    wait_for(lambda: "delay_by_hour" in up.cli("sql", "show all tables", "--json"), "the product has a table")
    wait_for(
        lambda: [row[:5] for row in product()] == [row[:5] for row in expected], "the product is complete"
    )
    assert [row[5] for row in product()] == pytest.approx([row[5] for row in expected])
    counts = flights.sql(
        "SELECT count(*), count(dep_delay), count(arr_delay), count(*) - count(dep_delay) FROM flights"
    ).fetchone()
    names = ("scheduled", "departed", "arrived", "cancelled")
    found = up.sql("SELECT event, count(*) AS n FROM operations.flight_events GROUP BY ALL")
    assert {row["event"]: row["n"] for row in found} == dict(zip(names, counts or (), strict=True))
    up.cli("ledger", "verify")


def test_the_replay_is_deterministic_and_in_event_time_order() -> None:
    """The same months and seed give the same bytes; another seed other ids; months are the source's column."""
    first = list(events((2, 2), 7))
    again = list(events((2, 2), 7))
    assert first == again
    assert [e.at for e in first] == sorted(e.at for e in first)
    assert sum(b'"event":"scheduled"' in e.value for e in first) == 24_951
    other = next(events((2, 2), 8))
    assert other.value != first[0].value
    assert other.key == first[0].key


def test_a_second_replay_takes_over_from_the_first(tmp_path: Path, kafka: KafkaServer) -> None:
    """A slow one, as `mesh up` runs it, then a fast one: together each event once; a third finds nothing to do."""
    environment = os.environ | {
        "MESH_DATA": str(tmp_path),
        "MESH_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "PYTHONPATH": str(ROOT),
    }
    mesh = [sys.executable, "-m", "mesh_defs.cli", "--project", str(ROOT)]
    replay = [*mesh, "process", "run", "replay", "--", "--months", "1", "--speed"]
    subprocess.run([*mesh, "topics", "apply"], env=environment, check=True)
    topic = "operations.flight_events.v1"
    with subprocess.Popen([*replay, "100000"], env=environment) as slow:
        wait_for(lambda: kafka.high_watermark(topic, 0) > 0, "the slow replay has begun")
        subprocess.run([*replay, "max"], env=environment, check=True, timeout=300)
        assert slow.wait(timeout=60) == 0
    subprocess.run([*replay, "max"], env=environment, check=True, timeout=300)
    assert kafka.high_watermark(topic, 0) + kafka.high_watermark(topic, 1) == 80_406
    kafka.delete_topic(topic)
