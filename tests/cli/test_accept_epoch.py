"""Accepting a recreated topic: where the new epoch begins, and who is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import BOUND, KafkaServer
from tests.meshes import ROOT, MeshFolder

ACCEPT = ("stream", "accept-epoch", "shop.orders", "--reason", "test cluster rebuilt")


@pytest.fixture
def recreated(tmp_path: Path, kafka: KafkaServer) -> MeshFolder:
    """A stream from `latest` on whose topic was recreated, with other records."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, startFrom="latest")
    mesh.ingest("shop")
    kafka.produce(topic, [b'{"order_id":1}'])
    mesh.ingest("shop")
    kafka.delete_topic(topic)
    kafka.topic(partitions=2, name=topic)
    for partition in range(2):
        kafka.produce(topic, [b'{"order_id":%d}' % (7 + partition)], partition=partition)
    return mesh


def on_a_terminal(mesh: MeshFolder, answer: bytes) -> tuple[int, str]:
    """Run the command on a terminal, answer its question and return its exit code and what it showed."""
    terminal, end = os.openpty()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "mesh_defs.cli", "--project", str(mesh.root), *ACCEPT]
    with subprocess.Popen(
        command, stdin=end, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment
    ) as process:
        os.write(terminal, answer + b"\n")
        shown, _ = process.communicate(timeout=BOUND)
    os.close(terminal)
    os.close(end)
    return process.returncode, shown.decode()


def test_a_new_epoch_begins_at_the_low_watermarks(recreated: MeshFolder) -> None:
    """Whatever `startFrom` says; after it rows of both epochs are there, each of its own."""
    done = recreated.cli_json(*ACCEPT, "--yes")
    assert (done["epoch"], done["begins"]) == (1, {"0": 0, "1": 0})
    recreated.cli("ingest")
    rows = recreated.rows("SELECT _epoch, _partition, _offset, order_id FROM shop.orders ORDER BY ALL")
    assert rows == [(0, 0, 0, 1), (1, 0, 0, 7), (1, 1, 0, 8)]
    recreated.cli("ledger", "verify", "--full")


def test_nobody_is_there_to_be_asked(recreated: MeshFolder) -> None:
    """One line says how to decide without a terminal, and nothing has changed."""
    done = recreated.cli(*ACCEPT, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "nobody is there to be asked" in line
    assert "--yes" in line
    assert len(recreated.cli_json("stream", "epochs", "shop.orders")) == 1


@pytest.mark.parametrize(("answer", "code", "epochs"), [(b"n", 1, 1), (b"y", 0, 2)], ids=["no", "yes"])
def test_a_person_is_asked(recreated: MeshFolder, answer: bytes, code: int, epochs: int) -> None:
    """The question says what will happen; nothing happens without a yes."""
    returned, shown = on_a_terminal(recreated, answer)
    assert returned == code, shown
    assert "Begin a new epoch of shop.orders?" in shown
    assert len(recreated.cli_json("stream", "epochs", "shop.orders")) == epochs
