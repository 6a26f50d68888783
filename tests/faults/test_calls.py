"""System calls that fail: the first of each thread, the second, and so on to the last of a kind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.store import verify_store
from tests.faults.commit_twice import REFUSED
from tests.meshes import ROOT
from tests.store import kit

SYNC = "fsync,fdatasync"


def commit_with_a_fault(folder: Path, calls: str, fault: str, log: Path) -> tuple[int, str, bool]:
    """Commit twice under a tracer; return the exit code, what was said, and whether a call was failed."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", log, "-e", f"trace={calls}", "-e", f"inject={calls}:{fault}",
         sys.executable, str(ROOT / "tests" / "faults" / "commit_twice.py"), str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr, "(INJECTED)" in log.read_text()


def whole(folder: Path, at_least: int) -> int:
    """Assert every invariant, and that the store takes a batch more; return how many rows there are now."""
    with kit.open_store(folder) as store:
        assert verify_store(store, deep=True) == ()
        assert len(kit.stored_offsets(store)) >= at_least
        kit.append(store, 20)
        assert verify_store(store, deep=True) == ()
        return len(kit.stored_offsets(store))


@pytest.mark.slow
@pytest.mark.fault(37)
def test_each_fsync_of_a_commit_fails(tmp_path: Path) -> None:
    """Whichever fails: a sentence or a whole commit, and afterwards everything holds."""
    folder = tmp_path / kit.DOMAIN
    with kit.open_store(folder) as store:
        kit.begin(store)
    rows, refused, injected, nth = 0, 0, True, 0
    while injected:
        nth += 1
        code, said, injected = commit_with_a_fault(folder, SYNC, f"error=EIO:when={nth}", tmp_path / "log")
        assert code in {0, REFUSED}, said
        refused += code == REFUSED
        rows = whole(folder, at_least=rows)
    assert nth > 2
    assert refused
