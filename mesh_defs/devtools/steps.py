"""The steps of `mesh test` before pytest: each a program or a look at the contracts, each one line of result."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CONTRACTS: Final = "domains/*/*/*.odcs.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a step.

    Attributes:
        name: The step, as a person would run it.
        passed: Whether all is well.
        seconds: How long it took.
        output: What it said; shown when it did not pass.
    """

    name: str
    passed: bool
    seconds: float
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step.

    Attributes:
        name: As a person would run it.
        run: Returns whether all is well, and what was said.
    """

    name: str
    run: Callable[[], tuple[bool, str]]


def static_steps(root: Path) -> tuple[Step, ...]:
    """Return lint, format, types, import contracts, and our own and the reference tool's view of every contract."""
    programs = (
        ("ruff", "check"),
        ("ruff", "format", "--check"),
        ("mypy",),
        ("lint-imports",),
        ("python", "-m", "mesh_defs.cli", "contract", "lint"),
    )
    return (
        *(Step(name=" ".join(words), run=_program(root, words)) for words in programs),
        Step(name="datacontract lint", run=lambda: lint_by_reference(sorted(root.glob(CONTRACTS)))),
    )


def run_steps(steps: Sequence[Step]) -> Iterator[Outcome]:
    """Run steps, two at a time, and yield their outcomes in the steps' order."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(_run, steps)


def lint_by_reference(contracts: Sequence[Path]) -> tuple[bool, str]:
    """Let the standard's reference tool judge contracts, in this process: one start instead of one a file.

    Returns:
        Whether all are valid, and a line for each finding or how many there are.
    """
    from datacontract.data_contract import DataContract  # noqa: PLC0415 - a development package, slow to import

    findings = []
    for path in contracts:
        run = DataContract(data_contract_file=str(path)).lint()
        findings += [
            f"{path}: {check.name}: {check.reason}" for check in run.checks or () if check.result != "passed"
        ]
    return not findings, "\n".join(findings) or f"{len(contracts)} contracts"


def _run(step: Step) -> Outcome:
    started = time.monotonic()
    passed, output = step.run()
    return Outcome(name=step.name, passed=passed, seconds=time.monotonic() - started, output=output.strip())


def _program(root: Path, words: tuple[str, ...]) -> Callable[[], tuple[bool, str]]:
    def run() -> tuple[bool, str]:
        program = str(Path(sys.executable).with_name(words[0]))
        try:
            done = subprocess.run(
                [program, *words[1:]],
                cwd=root,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        except FileNotFoundError:
            return False, f"{program} is not installed: run ./mesh test, which brings the development tools"
        return done.returncode == 0, done.stdout

    return run
