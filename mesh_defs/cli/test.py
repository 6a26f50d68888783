"""`mesh test`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import mesh_defs
from mesh_defs.cli.app import ERRORS, FAILED, say
from mesh_defs.devtools.chromium import ensure_chromium
from mesh_defs.devtools.steps import run_steps, static_steps
from mesh_defs.model.errors import ConfigError

ROOT = Path(mesh_defs.__file__).parents[1]


def test(
    context: typer.Context,
    *,
    run_all: Annotated[bool, typer.Option("--all", help="Run the slow tests too.")] = False,  # noqa: PT028
) -> None:
    """Check the mesh itself: lint, types, import contracts, every contract, then all tests on a real Kafka.

    What stands after `--` is handed to pytest. With CI=true in the environment nothing may be skipped. Exit
    code 1 if anything did not pass.
    """
    if not (ROOT / "tests").is_dir():
        raise ConfigError(
            cannot="test the mesh", why=f"{ROOT} is not its checkout", do="run ./mesh test in a clone of it"
        )
    failed = _static()
    ensure_chromium(lambda message: say(f"mesh: {message}"))
    code = _pytest(context.args, run_all=run_all)
    if not run_all:
        say("left out: the tests marked slow; ./mesh test --all runs them")
    if code != 0:
        failed.append(f"pytest (exit code {code})")
    if failed:
        say(f"mesh: failed: {', '.join(failed)}")
        raise typer.Exit(FAILED)


def _static() -> list[str]:
    """Run the steps before pytest, a line each, and return the names of those that failed."""
    failed = []
    with ERRORS.status("checking"):
        for outcome in run_steps(static_steps(ROOT)):
            result = "passed" if outcome.passed else "FAILED"
            _write(f"{outcome.name:<20} {result}  {outcome.seconds:5.1f} s")
            if not outcome.passed:
                _write(outcome.output)
                failed.append(outcome.name)
    return failed


def _pytest(arguments: list[str], *, run_all: bool) -> int:
    """Run pytest on this process's own streams, so that its closing line is seen by whoever reads them."""
    words = [
        sys.executable,
        "-m",
        "pytest",
        "--numprocesses",
        "2",
        "--dist",
        "loadfile",
        "--no-loadscope-reorder",
    ]
    if not run_all:
        words += ["-m", "not slow"]
    if os.environ.get("CI", "").lower() in {"true", "1"}:
        words += ["-p", "mesh_defs.devtools.no_skips"]
    return subprocess.run([*words, *arguments], cwd=ROOT, check=False).returncode


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
