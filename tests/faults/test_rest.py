"""Data at rest under SIGKILL: the table is the old snapshot or the new one, whole, and the ledger agrees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from tests.meshes import ROOT, MeshFolder

COLUMNS = ({"name": "id", "logicalType": "integer", "required": True},)
STEPS = range(9)
LANDED = 8
"""Before this step the commit has happened."""


@pytest.fixture
def mesh(tmp_path: Path) -> MeshFolder:
    """A mesh with a snapshot and an append, loaded once."""
    folder = MeshFolder(tmp_path / "mesh", "127.0.0.1:1")
    folder.rest("n.whole", "in/whole.csv", COLUMNS, maxDeadLetterRatio=1)
    write(folder, 1)
    folder.ingest("n")
    return folder


def write(mesh: MeshFolder, generation: int) -> None:
    """Write a file of which every row says which one it is, with a dead letter in it."""
    rows = [str(generation)] * (100 * generation)
    mesh.file("in/whole.csv", "\n".join(["id", *rows, "x"]))


def killed(mesh: MeshFolder, step: int) -> int:
    """Make a pass that dies before a step; return its exit code."""
    program = Path(__file__).with_name("killed_load.py")
    done = subprocess.run(
        [sys.executable, str(program), str(mesh.root), "n", str(step)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
        timeout=300,
    )
    return done.returncode


def check(mesh: MeshFolder) -> int:
    """Check every invariant; return which generation the table holds, whole."""
    project = mesh.open()
    (found,) = verify_domain(project, project.domain("n"), full=True)
    assert found.violations == ()
    ((generation, rows, kinds),) = mesh.rows("SELECT min(id), count(*), count(DISTINCT id) FROM n.whole")
    assert (rows, kinds) == (100 * generation, 1)
    ((letters,),) = mesh.rows("SELECT count(*) FROM n.dead_letters")
    assert letters == found.dead_letters
    return int(generation)


@pytest.mark.slow
def test_sigkill_at_each_step_of_a_load(mesh: MeshFolder) -> None:
    """Old or new, never half; what was killed is done by the next pass, once."""
    generation = 1
    for step in STEPS:
        write(mesh, generation + 1)
        assert killed(mesh, step) == -signal.SIGKILL
        landed = check(mesh)
        assert landed == generation + (step == LANDED)
        assert mesh.ingest("n").row_count == (0 if landed > generation else 100 * (generation + 1))
        generation += 1
        assert check(mesh) == generation
