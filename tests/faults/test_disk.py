"""A disk that is really full, or nearly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.ingest import room
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder


def in_a_namespace(script: str, *arguments: str) -> str:
    """Run a script of this folder where it may mount; return what it said."""
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, str(ROOT / "tests" / "faults" / script), *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def orders(folder: Path, kafka: KafkaServer, count: int) -> MeshFolder:
    """Return a project with a stream of so many records."""
    mesh = MeshFolder(folder / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [json.dumps({"order_id": n}).encode() for n in range(count)])
    return mesh


@pytest.mark.slow
@pytest.mark.fault(37)
def test_a_full_file_system(tmp_path: Path) -> None:
    """Commits fill a small one: the error says so, what was committed is whole, and room lets it go on."""
    mount = tmp_path / "small"
    mount.mkdir()
    assert "the disk is full" in in_a_namespace("full_tmpfs.py", str(mount))


@pytest.mark.slow
@pytest.mark.fault(37)
def test_a_file_system_with_little_room(tmp_path: Path, kafka: KafkaServer) -> None:
    """A pass and the resident ingester read nothing, and say so; with room the ingester goes on by itself."""
    mesh = orders(tmp_path, kafka, 50)
    in_a_namespace("small_room.py", str(mesh.root), "50")


@pytest.mark.fault(37)
def test_a_pass_where_little_room_is_left(
    tmp_path: Path, kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads nothing and says why, stream and data at rest alike; status says so; with room it goes on."""
    mesh = orders(tmp_path, kafka, 50)
    mesh.rest("shop.returns", "returns.csv")
    mesh.file("returns.csv", "order_id,customer\n1,c1\n")
    mesh.ingest("shop", "orders")
    monkeypatch.setattr(room, "LEAST_BYTES", 10**18)
    report = mesh.ingest("shop")
    assert [len(stream.troubles) for stream in report.streams] == [1, 1]
    for stream in report.streams:
        assert str(stream.troubles[0].error).startswith(f"cannot ingest shop.{stream.stream}: less than ")
    assert {(line["stream"], line["state"]) for line in mesh.cli_json("status")} == {
        ("orders", "stopped"),
        ("returns", "stopped"),
    }
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(50,)]
    monkeypatch.undo()
    assert mesh.ingest("shop").failed == ()
    assert {line["state"] for line in mesh.cli_json("status")} == {"current"}
    assert mesh.rows("SELECT count(*) FROM shop.returns") == [(1,)]
