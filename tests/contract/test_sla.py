"""Service levels as durations."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.load import read_contract
from mesh_defs.contract.sla import sla_duration
from mesh_defs.model.findings import Severity
from tests.contract.documents import stream, write_stream


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (1, "s", dt.timedelta(seconds=1)),
        (0.5, "Hours", dt.timedelta(minutes=30)),
        (400, "d", dt.timedelta(days=400)),
        (3, "y", dt.timedelta(days=1095)),
    ],
)
def test_a_promise_is_a_duration(tmp_path: Path, value: float, unit: str, expected: dt.timedelta) -> None:
    """Value and unit together."""
    sla = [{"property": "retention", "value": value, "unit": unit}]
    contract = read_contract(write_stream(tmp_path, stream() | {"slaProperties": sla})).contract
    assert contract is not None
    assert sla_duration(contract, "retention") == expected
    assert sla_duration(contract, "latency") is None


@pytest.mark.parametrize(
    ("promise", "severities"),
    [
        ({"property": "latency", "value": "fast", "unit": "s"}, [Severity.ERROR]),
        ({"property": "latency", "value": 4}, [Severity.ERROR]),
        ({"property": "latency", "value": 4, "unit": "moons"}, [Severity.ERROR]),
        ({"property": "retention", "value": 0, "unit": "d"}, [Severity.ERROR]),
        ({"property": "retention", "value": 1e300, "unit": "y"}, [Severity.ERROR]),
        ({"property": "frequency", "value": 5, "unit": "s"}, [Severity.WARNING]),
        ({"property": "generalAvailability", "value": "2022-05-12T09:30:10-08:00"}, []),
        ({"property": "timeOfAvailability", "value": "09:00-08:00"}, []),
    ],
)
def test_a_promise_that_cannot_be_kept_is_a_finding(
    tmp_path: Path, promise: dict[str, Any], severities: list[Severity]
) -> None:
    """Only those that the mesh watches are looked at."""
    findings = read_contract(write_stream(tmp_path, stream() | {"slaProperties": [promise]})).findings
    assert [f.severity for f in findings] == severities
