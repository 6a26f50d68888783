"""Tests of what `mesh test` is made of."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.devtools.chromium import ensure_chromium
from mesh_defs.devtools.steps import Step, lint_by_reference, run_steps

ROOT = Path(__file__).parents[2]


def test_outcomes_come_in_order() -> None:
    """Steps run side by side, their outcomes keep the order and say what failed."""
    steps = [Step(name=f"step {n}", run=lambda n=n: (n != 1, f" said {n}\n")) for n in range(3)]
    outcomes = list(run_steps(steps))
    assert [(o.name, o.passed, o.output) for o in outcomes] == [
        ("step 0", True, "said 0"),
        ("step 1", False, "said 1"),
        ("step 2", True, "said 2"),
    ]


def test_reference_tool_judges_contracts(tmp_path: Path) -> None:
    """The reference tool accepts the repository's contracts and names the file and key of a wrong one."""
    contracts = sorted(ROOT.glob("domains/*/*/*.odcs.yaml"))
    assert contracts
    assert lint_by_reference(contracts) == (True, f"{len(contracts)} contracts")
    wrong = tmp_path / "wrong.odcs.yaml"
    wrong.write_text(
        "apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: 1.0.0\nstatus: [1]\n", encoding="utf-8"
    )
    passed, output = lint_by_reference([wrong])
    assert not passed
    assert str(wrong) in output


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("import pytest; pytest.skip('no broker')", 1),
        ("import pytest; pytest.xfail('known')", 0),
    ],
)
def test_ci_allows_no_skip(tmp_path: Path, body: str, code: int) -> None:
    """With the plugin of CI a skipped test fails the run and is named; an expected failure does not."""
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n", encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "mesh_defs.devtools.no_skips",
            "-p",
            "no:cacheprovider",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert ("left out, which CI does not allow" in done.stdout) == bool(code)


def test_browser_that_is_there_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser on the PATH is taken without a word."""
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    assert ensure_chromium(said.append) == program
    assert said == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """CI's script is executable and ends with the very command that the README gives."""
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    assert script.read_text(encoding="utf-8").rstrip().endswith("exec ./mesh test")
    assert "\n./mesh test " in (ROOT / "README.md").read_text(encoding="utf-8")
