"""The self-test, with few kills; and that it would notice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mesh_defs.selftest.child import open_project
from mesh_defs.selftest.events import PARTITIONS, Produced, is_bad, is_tombstone
from mesh_defs.selftest.judge import judge
from tests.meshes import ROOT


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder with a short name: the path of a Unix socket below it may have 100 characters or so."""
    with tempfile.TemporaryDirectory(prefix="st-") as name:
        yield Path(name)


def selftest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `mesh selftest` with its scratch folders below a folder, in an environment that must not matter."""
    environment = {"TMPDIR": str(folder), "MESH_BOOTSTRAP_SERVERS": "127.0.0.1:1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "mesh_defs.cli", "selftest", *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )


def test_everything_holds_and_the_judge_would_notice(scratch: Path) -> None:
    """A few kills lose nothing; with other expectations the same store would be found wrong, record by record."""
    done = selftest(scratch, "--kills", "3", "--json", "--keep")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    wrong = {name: found[name] for name in ("lost", "twice", "altered", "foreign", "backwards")}
    assert wrong == dict.fromkeys(wrong, 0)
    assert (found["holds"], found["violations"], found["troubles"]) == (True, [], [])
    assert found["rows"] == found["good"] + found["tombstones"]
    assert found["kills"] >= 2
    assert found["commits"] > found["passes"]
    folder = Path(found["folder"])
    assert not [p.pid for p in psutil.process_iter() if str(folder) in " ".join(_words(p))]

    project = open_project(folder / "mesh")
    produced = Produced(numbers=_numbers(found["produced"]))
    verdict = judge(project, produced)
    assert verdict.violations, "the broker is gone, and that is said"
    assert verdict.lost + verdict.altered + verdict.foreign > 0, "these are not the coordinates"


@pytest.mark.slow
def test_without_keep_nothing_is_left(scratch: Path) -> None:
    """The page is for people, and the scratch folder is gone."""
    done = selftest(scratch, "--kills", "0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0  kills with SIGKILL" in done.stdout, (
        "a round of maintenance that nobody asked to kill comes to its end"
    )
    assert done.stdout.startswith("Self-test: everything holds.")
    assert [path.name for path in scratch.iterdir() if path.name.startswith("mesh-")] == []


def test_known_events_are_of_three_kinds() -> None:
    """No record is bad and a tombstone at once."""
    assert not [n for n in range(1_000) if is_bad(n) and is_tombstone(n)]


def _numbers(count: int) -> dict[tuple[int, int], int]:
    """Return coordinates that are plausible, but not those of the test."""
    return {(n % PARTITIONS, n // PARTITIONS): n for n in range(count)}


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
