"""Row 36 of the fault matrix, with the machine's clock itself: processes that live an hour ago, and a day ahead."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder

EARLIER, LATER = "-1h", "+1d"


@pytest.fixture(autouse=True)
def _need_faketime() -> None:
    if sys.platform != "linux" or shutil.which("faketime") is None:
        pytest.skip("there is no faketime (Debian's package faketime)")


def at(mesh: MeshFolder, clock: str, *arguments: str) -> str:
    """Run a command under another clock; time that only passes is left as it is."""
    command = ["faketime", "-f", clock, sys.executable, "-m", "mesh_defs.cli", "--project", str(mesh.root)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.fault(36)
def test_clocks_that_step_order_nothing(tmp_path: Path, kafka: KafkaServer) -> None:
    """Offsets order; leases, holds and what maintenance deletes do not go by who is early."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, maxDeadLetterRatio=1)
    expected = []
    for number, clock in enumerate(("+0", LATER, EARLIER, LATER, "+0")):
        kafka.produce(topic, [json.dumps({"order_id": number}).encode(), b"{"])
        at(mesh, clock, "ingest")
        at(mesh, clock, "store", "maintain")
        expected.append((number,))
        assert mesh.rows("SELECT order_id FROM shop.orders ORDER BY _offset") == expected
    days = mesh.rows("SELECT count(DISTINCT _ingested_at::DATE) FROM shop.orders")
    assert days == [(2,)], "the clock was another one"
    project = mesh.open()
    for result in verify_domain(project, project.domain("shop"), full=True):
        assert result.violations == ()
        assert (result.rows, result.dead_letters) == (5, 5)
