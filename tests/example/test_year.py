"""The year at full speed: landed, verified against the broker, and every answer that of the CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.example.conftest import ExampleMesh
from tests.example.judge import Judge, disagreements

TOTALS = """
SELECT count(*) AS flights, round(avg(dep_delay), 3) AS dep_delay, round(avg(arr_delay), 3) AS arr_delay,
  count(*) FILTER (cancelled) AS cancelled, count(*) FILTER (status = 'departed') AS diverted,
  count(*) FILTER (NOT aircraft_known) AS unknown_aircraft, count(*) FILTER (NOT dest_known) AS unknown_airports
FROM punctuality.flights
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_year_equals_the_csv_files(example: ExampleMesh, tmp_path: Path) -> None:
    """Two million records of six streams: no offset is missing, no row differs, the known totals hold."""
    example.cli("process", "run", "replay", "--", "--speed", "max")
    example.cli("ingest")
    example.cli("build")
    example.cli("ledger", "verify")
    assert disagreements(Judge(tmp_path, (1, 12)), example.ask) == {}
    (totals,) = example.ask(TOTALS).to_pylist()
    assert totals == {
        "flights": 336_776,
        "dep_delay": 12.639,
        "arr_delay": 6.895,
        "cancelled": 8_255,
        "diverted": 1_175,
        "unknown_aircraft": 52_606,
        "unknown_airports": 7_602,
    }
