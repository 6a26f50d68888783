"""A retry of dead letters that is killed at any step stores each of them once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from tests.conftest import KafkaServer
from tests.meshes import ORDERS, ROOT, MeshFolder

STEPS = tuple(range(1, 9))

LOOSE = ({**ORDERS[0], "required": False}, ORDERS[1])
"""The contract's columns, with no field required."""


def holds(mesh: MeshFolder) -> None:
    """Assert that the ledger holds."""
    project = mesh.open()
    for result in verify_domain(project, project.domain("shop"), full=True):
        assert result.violations == ()


@pytest.mark.parametrize(
    "steps",
    [pytest.param((1, 5, 8), id="some"), pytest.param(STEPS, id="each", marks=pytest.mark.slow)],
)
def test_sigkill_before_the_steps_of_a_retry(
    tmp_path: Path, kafka: KafkaServer, steps: tuple[int, ...]
) -> None:
    """The ledger holds after each kill; the last retry finds what is left, and nothing is there twice."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, maxDeadLetterRatio=1)
    records = [b"{" if n % 5 == 0 else json.dumps({"customer": f"c{n}"}).encode() for n in range(60)]
    kafka.produce(topic, records)
    mesh.ingest("shop")
    assert mesh.rows("SELECT count(*) FROM shop.dead_letters") == [(60,)]
    mesh.stream("shop.orders", topic, LOOSE, maxDeadLetterRatio=1)
    script = str(ROOT / "tests" / "faults" / "killed_retry.py")
    for step in steps:
        nth = str(1 + step % 2)
        done = subprocess.run(
            [sys.executable, script, str(mesh.root), "shop", "orders", str(step), nth],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            check=False,
            timeout=300,
        )
        assert done.returncode == -signal.SIGKILL
        holds(mesh)
    mesh.cli("dead-letters", "retry", "shop.orders")
    holds(mesh)
    good = [n for n in range(60) if n % 5]
    assert mesh.rows("SELECT _offset FROM shop.orders ORDER BY _offset") == [(n,) for n in good]
    assert mesh.rows("SELECT _offset FROM shop.dead_letters ORDER BY 1") == [(n,) for n in range(0, 60, 5)]
