"""A month of the example, landed and built: every answer is that of the CSV files, row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.example.conftest import ExampleMesh
from tests.example.judge import Judge, disagreements


@pytest.mark.slow
def test_february_equals_the_csv_files(example: ExampleMesh, tmp_path: Path) -> None:
    """Late and out of order as events are, products equal the same questions asked of the files."""
    example.cli("process", "run", "replay", "--", "--months", "2", "--speed", "max")
    example.cli("ingest")
    example.cli("build")
    assert disagreements(Judge(tmp_path, (2, 2)), example.ask) == {}
    example.cli("ledger", "verify")
