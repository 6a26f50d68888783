"""Service levels as durations and schedules."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.load import read_contract
from mesh_defs.contract.project import Project
from mesh_defs.contract.sla import retentions, sla_duration, sla_schedules
from mesh_defs.model.findings import Severity
from tests.contract.documents import product, stream, write_product, write_stream
from tests.meshes import MeshFolder


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
        ({"property": "latency", "value": "fast", "unit": "s"}, [Severity.WARNING]),
        ({"property": "latency", "value": 4}, [Severity.WARNING]),
        ({"property": "frequency", "value": 4, "unit": "moons"}, [Severity.WARNING]),
        ({"property": "retention", "value": 0, "unit": "d"}, [Severity.WARNING]),
        ({"property": "retention", "value": 1e300, "unit": "y"}, [Severity.WARNING]),
        ({"property": "frequency", "value": 5, "unit": "s"}, [Severity.WARNING]),
        ({"property": "generalAvailability", "value": "2022-05-12T09:30:10-08:00"}, []),
        ({"property": "timeOfAvailability", "value": "09:00-08:00"}, []),
    ],
)
def test_a_promise_that_cannot_be_kept_is_a_finding(
    tmp_path: Path, promise: dict[str, Any], severities: list[Severity]
) -> None:
    """Only those that the mesh watches are looked at; the standard allows all of them, so none is refused."""
    loaded = read_contract(write_stream(tmp_path, stream() | {"slaProperties": [promise]}))
    assert [f.severity for f in loaded.findings] == severities
    assert loaded.contract is not None
    if severities and promise["property"] != "frequency":
        assert sla_duration(loaded.contract, promise["property"]) is None


@pytest.mark.parametrize(
    ("said", "kept", "words"),
    [
        ({"schedule": "0 5 * * *"}, ("0 5 * * *",), None),
        ({"schedule": "@daily", "scheduler": "Cron"}, ("@daily",), None),
        ({"schedule": "0 5 * *", "scheduler": "cron"}, (), "five fields"),
        ({"schedule": "0 25 * * *", "scheduler": "cron"}, (), "'25' is no hour"),
        ({"schedule": "0 0 31 4 *"}, (), "day 31 never comes"),
        ({"schedule": "every morning", "scheduler": "airflow"}, (), "scheduler 'airflow' is not known"),
        ({"scheduler": "cron"}, (), "say when"),
        ({}, (), None),
    ],
)
def test_a_schedule_that_cannot_be_run_is_a_warning(
    tmp_path: Path, said: dict[str, str], kept: tuple[str, ...], words: str | None
) -> None:
    """The contract loads, and the other promises are kept."""
    promise = {"property": "frequency", "value": 1, "unit": "d"} | said
    loaded = read_contract(write_product(tmp_path, product() | {"slaProperties": [promise]}))
    assert loaded.contract is not None
    assert sla_schedules(loaded.contract) == kept
    assert [f.severity for f in loaded.findings] == ([Severity.WARNING] if words else [])
    assert all(words is not None and words in f.message for f in loaded.findings)


def test_a_stream_has_no_schedule(tmp_path: Path) -> None:
    """It follows its topic, so a schedule promises what nobody does."""
    promise = {"property": "frequency", "value": 1, "unit": "d", "schedule": "@daily"}
    (finding,) = read_contract(write_stream(tmp_path, stream() | {"slaProperties": [promise]})).findings
    assert finding.severity is Severity.WARNING
    assert "only products" in finding.message


def test_only_streams_lose_rows_by_age(tmp_path: Path) -> None:
    """A retired stream too; of a product the promise is only shown, with a warning."""
    mesh = MeshFolder(tmp_path / "mesh", "localhost:1")
    promise = [{"property": "retention", "value": 10, "unit": "d"}]
    for name, status in (("orders", "active"), ("old", "retired")):
        path = mesh.stream(f"shop.{name}", name)
        document = json.loads(path.read_text()) | {"slaProperties": promise, "status": status}
        path.write_text(json.dumps(document))
    mesh.stream("shop.kept", "kept")
    found = retentions(Project.open(mesh.root).domain("shop"))
    assert found == {"orders": dt.timedelta(days=10), "old": dt.timedelta(days=10)}
    loaded = read_contract(write_product(tmp_path, product() | {"slaProperties": promise}))
    assert [f.severity for f in loaded.findings] == [Severity.WARNING]
    assert "only tables of streams" in loaded.findings[0].message
