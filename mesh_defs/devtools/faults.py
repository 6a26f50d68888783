"""Writes docs/faults.md from the tests themselves: ``python -m mesh_defs.devtools.faults``. A test compares the two.

A test names the rows that it shows by ``@pytest.mark.fault(N, ...)``; what is in a row stands in ``faults.toml``, and
what the last long soak found in ``soak.md``.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

PAGE: Final = ROOT / "docs" / "faults.md"

_ROWS: Final = Path(__file__).with_name("faults.toml")

_SOAK: Final = Path(__file__).with_name("soak.md")

_HEAD: Final = """\
# The fault matrix

<!-- Written by `python -m mesh_defs.devtools.faults`; a test compares it with the tests. -->

What goes wrong with sinks of Kafka, what the mesh then does, and the tests that show it. What must hold whatever
happens: every offset is a row, a dead letter or a recorded gap, once; offsets never go back; no reader sees half a
batch; no message holds what a record said.

Tests of the lane `CI` run in `./mesh test`, with every change, and none of them may be skipped there: while CI is
green, they pass. Those of the lane `--all` run in `./mesh test --all` only. *In part* and *not yet* say what no test
shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A row of the matrix.

    Attributes:
        row: Its number, from 1.
        hazard: What goes wrong.
        expected: What the mesh then does.
        missing: What no test shows yet; None where the tests show all of it.
    """

    row: int
    hazard: str
    expected: str
    missing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A test that shows what the mesh does about some rows.

    Attributes:
        file: Below the root, with ``/``.
        name: The function's.
        rows: The rows that it names.
        slow: Whether it runs only in ``./mesh test --all``.
    """

    file: str
    name: str
    rows: tuple[int, ...]
    slow: bool


def faults() -> tuple[Fault, ...]:
    """Return the rows, in order."""
    return tuple(Fault(**entry) for entry in tomllib.loads(_ROWS.read_text(encoding="utf-8"))["fault"])


def evidence(root: Path = ROOT) -> tuple[Evidence, ...]:
    """Return every test below `root`/tests that names a row, by file and line."""
    found = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        file = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [test for node in tree.body if (test := _evidence(file, node)) is not None]
    return tuple(found)


def _evidence(file: str, node: ast.stmt) -> Evidence | None:
    if not isinstance(node, ast.FunctionDef):
        return None
    marks = [ast.unparse(decorator) for decorator in node.decorator_list]
    rows = [
        int(ast.literal_eval(argument))
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.fault"
        for argument in decorator.args
    ]
    if not rows:
        return None
    return Evidence(file=file, name=node.name, rows=tuple(rows), slow="pytest.mark.slow" in marks)


def soak() -> str:
    """Return what the last long soak found."""
    return _SOAK.read_text(encoding="utf-8")


def page(rows: Sequence[Fault], tests: Sequence[Evidence], soaked: str = "") -> str:
    """Return the text of docs/faults.md.

    Raises:
        ValueError: A test names a row that is not there, or a row has neither a test nor a word about what is missing.
    """
    known = {fault.row for fault in rows}
    for test in tests:
        if not known.issuperset(test.rows):
            raise ValueError(f"{test.file}::{test.name} names a row that the matrix does not have")
    return "\n".join([_HEAD, "", *_table(rows, tests)]) + "\n" + (f"\n{soaked}" if soaked else "")


def _table(rows: Sequence[Fault], tests: Sequence[Evidence]) -> Iterator[str]:
    yield "| # | Hazard | What the mesh does | Tests | Lane | Result |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for fault in rows:
        own = [test for test in tests if fault.row in test.rows]
        cells = (str(fault.row), fault.hazard, fault.expected, *_shown(own), _result(fault, own))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(tests: Sequence[Evidence]) -> tuple[str, str]:
    links = "<br>".join(
        f"[{test.file.removeprefix('tests/')}::{test.name}](../{test.file})" for test in tests
    )
    lanes = "<br>".join("`--all`" if test.slow else "CI" for test in tests)
    return links, lanes


def _result(fault: Fault, tests: Sequence[Evidence]) -> str:
    if not tests:
        if fault.missing is None:
            raise ValueError(f"row {fault.row} has no test, and does not say what is missing")
        return f"not yet: {fault.missing}"
    return "tested" if fault.missing is None else f"in part: {fault.missing}"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(faults(), evidence(), soak()), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
