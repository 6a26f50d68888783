"""A disk that is really full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.meshes import ROOT


@pytest.mark.slow
@pytest.mark.fault(37)
def test_a_full_file_system(tmp_path: Path) -> None:
    """Commits fill a small one: the error says so, what was committed is whole, and room lets it go on."""
    mount = tmp_path / "small"
    mount.mkdir()
    script = str(ROOT / "tests" / "faults" / "full_tmpfs.py")
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", sys.executable, script, str(mount)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full" in done.stdout
