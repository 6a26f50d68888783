"""The soak in small: `bench/soak.py` with few kills. The long one is run by hand; docs/faults.md has its numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.meshes import ROOT


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.fault(1, 2, 3, 5, 6, 7, 14, 17, 18, 41)
def test_a_short_soak_finds_nothing_and_leaves_nothing_running() -> None:
    """Every column is 0, and the processes are gone."""
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "soak.py"), "6", "--seed", "3"],
            env=os.environ | {"TMPDIR": scratch},
            capture_output=True,
            text=True,
            check=False,
            timeout=1_700,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        total = next(line for line in done.stdout.splitlines() if line.startswith("| total"))
        assert [int(cell) for cell in total.strip("| ").split("|")[1:]] == [0] * 6
        assert not [p.pid for p in psutil.process_iter() if scratch in " ".join(_words(p))]
        assert list(Path(scratch).iterdir()) == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
