"""What the tests of the fault matrix said when they ran last, kept in ``fault_results.json``.

A run of the tests writes what it saw as JUnit XML (``./mesh test -- --junitxml=FILE``);
``python -m mesh_defs.devtools.faults --record FILE`` keeps what it says about tests of the matrix.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEPT: Final = Path(__file__).with_name("fault_results.json")

_WORST_FIRST: Final = ("failed", "skipped", "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a test said when it ran last.

    Attributes:
        verdict: ``passed``, ``failed`` or ``skipped``: of a test with several cases the worst of them.
        day: When, as ``2026-11-28``.
    """

    verdict: str
    day: str


def kept(path: Path = KEPT) -> dict[str, Result]:
    """Return what is kept, by ``tests/store/test_x.py::test_y``."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {test: Result(**entry) for test, entry in entries.items()}


def keep(results: Mapping[str, Result], path: Path = KEPT) -> None:
    """Write what is kept."""
    entries = {test: {"verdict": one.verdict, "day": one.day} for test, one in sorted(results.items())}
    path.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def said(junit: Path) -> dict[str, Result]:
    """Return what pytest's JUnit XML says, by ``tests/store/test_x.py::test_y``, whatever the cases of a test.

    Raises:
        ValueError: The file is no XML of that kind.
    """
    try:
        root = ET.parse(junit).getroot()  # noqa: S314 pytest wrote it
        suites = [(suite.attrib["timestamp"][:10], suite) for suite in root.iter("testsuite")]
    except (ET.ParseError, KeyError) as error:
        raise ValueError(f"{junit} is no JUnit XML of pytest: {error}") from error
    found: dict[str, Result] = {}
    for day, suite in suites:
        for case in suite.iter("testcase"):
            test = f"{case.attrib['classname'].replace('.', '/')}.py::{case.attrib['name'].split('[')[0]}"
            cases = [_verdict(case), *([found[test].verdict] if test in found else [])]
            found[test] = Result(verdict=min(cases, key=_WORST_FIRST.index), day=day)
    return found


def _verdict(case: ET.Element) -> str:
    tags = {child.tag for child in case}
    if not tags.isdisjoint({"failure", "error"}):
        return "failed"
    return "skipped" if "skipped" in tags else "passed"
