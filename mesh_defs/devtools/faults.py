"""Writes docs/faults.md from the tests themselves: ``python -m mesh_defs.devtools.faults``. A test compares the two.

A test names the rows that it shows by ``@pytest.mark.fault(N, ...)``; what is in a row stands in ``faults.toml``, what
the tests said last in ``fault_results.json`` (``--record JUNIT-XML`` adds a run), and what the last long soak found in
``soak.md``.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesh_defs.devtools.fault_results import Result, keep, kept, said

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

Tests of the lane `CI` run in `./mesh test`, with every change, and none of them may be skipped there. Those of the
lane `--all` run in `./mesh test --all` only. The result is what the test said when a run of it was last recorded
(`python -m mesh_defs.devtools.faults --record JUNIT-XML`); *in part* and *not yet* say what no test shows."""


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

    @property
    def id(self) -> str:
        """The name by which its results are kept."""
        return f"{self.file}::{self.name}"


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


def page(
    rows: Sequence[Fault], tests: Sequence[Evidence], results: Mapping[str, Result], soaked: str = ""
) -> str:
    """Return the text of docs/faults.md.

    Raises:
        ValueError: A test names a row that is not there, or a row has neither a test nor a word about what is missing.
    """
    known = {fault.row for fault in rows}
    for test in tests:
        if not known.issuperset(test.rows):
            raise ValueError(f"{test.id} names a row that the matrix does not have")
    return "\n".join([_HEAD, "", *_table(rows, tests, results)]) + "\n" + (f"\n{soaked}" if soaked else "")


def _table(rows: Sequence[Fault], tests: Sequence[Evidence], results: Mapping[str, Result]) -> Iterator[str]:
    yield "| # | Hazard | What the mesh does | Tests | Lane | Result |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for fault in rows:
        own = [test for test in tests if fault.row in test.rows]
        cells = (str(fault.row), fault.hazard, fault.expected, *_shown(own), _result(fault, own, results))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _shown(tests: Sequence[Evidence]) -> tuple[str, str]:
    links = "<br>".join(
        f"[{test.file.removeprefix('tests/')}::{test.name}](../{test.file})" for test in tests
    )
    lanes = "<br>".join("`--all`" if test.slow else "CI" for test in tests)
    return links, lanes


def _result(fault: Fault, tests: Sequence[Evidence], results: Mapping[str, Result]) -> str:
    if not tests:
        if fault.missing is None:
            raise ValueError(f"row {fault.row} has no test, and does not say what is missing")
        return f"not yet: {fault.missing}"
    lines = [_last(results.get(test.id)) for test in tests]
    return "<br>".join([*lines, *([] if fault.missing is None else [f"in part: {fault.missing}"])])


def _last(result: Result | None) -> str:
    return "no run recorded" if result is None else f"{result.verdict} {result.day}"


def record(runs: Sequence[Path]) -> None:
    """Keep what runs said about the tests of the matrix, and forget tests that are no more.

    Raises:
        ValueError: One is no JUnit XML of pytest.
        OSError: One cannot be read.
    """
    known = {test.id for test in evidence()}
    results = kept()
    for run in runs:
        results |= said(run)
    keep({test: result for test, result in results.items() if test in known})


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--record", metavar="JUNIT-XML", type=Path, action="append", default=[])
    record(parser.parse_args(arguments).record)
    PAGE.write_text(page(faults(), evidence(), kept(), soak()), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
