"""The repository's own mesh on a data folder and a Kafka of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import KafkaServer
from tests.meshes import ROOT

BOUND = 1_800.0


class ExampleMesh:
    """The example, driven by its command line.

    Args:
        data: Where its stores go.
        bootstrap: Of its Kafka; None lets it start its own.
    """

    def __init__(self, data: Path, bootstrap: str | None = None) -> None:
        self.data = data
        self.environment = os.environ | {"MESH_DATA": str(data), "PYTHONPATH": str(ROOT)}
        self.environment.pop("MESH_BOOTSTRAP_SERVERS", None)
        if bootstrap is not None:
            self.environment["MESH_BOOTSTRAP_SERVERS"] = bootstrap
        self.command = [sys.executable, "-m", "mesh_defs.cli", "--project", str(ROOT)]

    def cli(self, *arguments: str) -> bytes:
        """Run a command and return its standard output."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            capture_output=True,
            check=False,
            timeout=BOUND,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def replay(self, *arguments: str) -> list[str]:
        """Return the command of a replay."""
        return [*self.command, "process", "run", "replay", "--", *arguments]

    def ask(self, query: str) -> pa.Table:
        """Ask the stores."""
        with pa.ipc.open_stream(io.BytesIO(self.cli("sql", query, "--format", "arrow"))) as reader:
            return reader.read_all()


@pytest.fixture
def example_kafka(own_kafka: Callable[..., KafkaServer]) -> KafkaServer:
    """A Kafka for the example's topics alone: their names are fixed."""
    return own_kafka()


@pytest.fixture
def example(tmp_path: Path, example_kafka: KafkaServer) -> ExampleMesh:
    """The example with its topics, and nothing in them."""
    mesh = ExampleMesh(tmp_path / "data", example_kafka.bootstrap)
    mesh.cli("topics", "apply")
    return mesh
