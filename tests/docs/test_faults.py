"""The published fault matrix is what the tests say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.devtools.fault_results import Result, keep, kept, said
from mesh_defs.devtools.faults import PAGE, Evidence, Fault, evidence, faults, page, soak

ROWS = 48


def test_the_matrix_is_up_to_date() -> None:
    """The page is as the generator would write it now, with every row once and in order."""
    assert [fault.row for fault in faults()] == list(range(1, ROWS + 1))
    made = page(faults(), evidence(), kept(), soak())
    found = PAGE.read_text(encoding="utf-8")
    assert found == made, f"{PAGE.name} has drifted: run `python -m mesh_defs.devtools.faults`"


def test_tests_are_found_with_their_rows_and_lanes(tmp_path: Path) -> None:
    """By their marks, whatever else decorates them; a test without a mark is no evidence."""
    folder = tmp_path / "tests" / "store"
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(
        "import pytest\n\n\n@pytest.mark.slow\n@pytest.mark.fault(1, 3)\ndef test_one() -> None: ...\n\n\n"
        '@pytest.mark.fault(2)\n@pytest.mark.parametrize("x", [1])\ndef test_two(x: int) -> None: ...\n\n\n'
        "def test_three() -> None: ...\n"
    )
    assert evidence(tmp_path) == (
        Evidence(file="tests/store/test_it.py", name="test_one", rows=(1, 3), slow=True),
        Evidence(file="tests/store/test_it.py", name="test_two", rows=(2,), slow=False),
    )


def test_results_are_honest() -> None:
    """A row tells what its test said, what is missing, or that there is none; one that says nothing is refused."""
    rows = (
        Fault(row=1, hazard="a", expected="b"),
        Fault(row=2, hazard="a", expected="b", missing="c"),
        Fault(row=3, hazard="a", expected="b", missing="d"),
    )
    shown = Evidence(file="tests/test_x.py", name="test_y", rows=(1, 2), slow=False)
    other = Evidence(file="tests/test_x.py", name="test_z", rows=(2,), slow=True)
    results = {"tests/test_x.py::test_y": Result(verdict="failed", day="2026-11-28")}
    lines = page(rows, [shown, other], results).splitlines()[-3:]
    assert [line.rsplit(" | ", 1)[1] for line in lines] == [
        "failed 2026-11-28 |",
        "failed 2026-11-28<br>no run recorded<br>in part: c |",
        "not yet: d |",
    ]
    with pytest.raises(ValueError, match="row 1 has no test"):
        page(rows, [], {})
    with pytest.raises(ValueError, match="names a row that the matrix does not have"):
        page(rows[:1], [shown], {})


def test_a_run_is_read_and_kept(tmp_path: Path) -> None:
    """Of a test with several cases the worst counts, and an error before or after a test is a failure."""
    (tmp_path / "run.xml").write_text(
        '<testsuites><testsuite timestamp="2026-11-28T01:02:03.4+00:00">'
        '<testcase classname="tests.store.test_it" name="test_one[a-b.c]"><failure/></testcase>'
        '<testcase classname="tests.store.test_it" name="test_one[d]"/>'
        '<testcase classname="tests.test_up" name="test_two"><system-out/><error/></testcase>'
        '<testcase classname="tests.test_up" name="test_three"/>'
        "</testsuite></testsuites>"
    )
    results = said(tmp_path / "run.xml")
    assert {test: result.verdict for test, result in results.items()} == {
        "tests/store/test_it.py::test_one": "failed",
        "tests/test_up.py::test_two": "failed",
        "tests/test_up.py::test_three": "passed",
    }
    assert {result.day for result in results.values()} == {"2026-11-28"}
    keep(results, tmp_path / "kept.json")
    assert kept(tmp_path / "kept.json") == results
    (tmp_path / "run.xml").write_text("no xml")
    with pytest.raises(ValueError, match=r"run\.xml is no JUnit XML of pytest"):
        said(tmp_path / "run.xml")
