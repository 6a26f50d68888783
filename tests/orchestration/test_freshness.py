"""Whether a table moved as often as its contract promises: the check, Dagster's own policy, what is reported."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.contract.contract import InputContract
from mesh_defs.orchestration.freshness import (
    REPEAT,
    Freshness,
    freshness_limit,
    freshness_policy,
    freshness_spec,
    report_freshness,
)
from tests.orchestration.mesh_of_two import key, mesh_of_two

ORDERS = key("shop.orders")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def orders_with(root: Path, promises: list[dict[str, object]], status: str = "active") -> InputContract:
    """Return the contract of the orders with these service levels."""
    mesh = mesh_of_two(root)
    file = root / "domains/shop/streams/orders.odcs.yaml"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"slaProperties": promises, "status": status}))
    return next(c for c in mesh.open().domain("shop").ingested if c.name == "orders")


@pytest.mark.parametrize(
    ("value", "unit", "limit", "has_policy"),
    [
        (10, "s", 60, False),
        (59_999, "ms", 60, False),
        (60, "s", 60, True),
        (1, "min", 60, True),
        (90, "s", 90, True),
        (1, "d", 86_400, True),
    ],
)
def test_the_check_is_always_there_and_the_policy_from_a_minute_on(
    *, tmp_path: Path, value: int, unit: str, limit: int, has_policy: bool
) -> None:
    """Dagster's policy takes no less than 60 s; a check that turns the graph red stands for every promise."""
    contract = orders_with(tmp_path, [{"property": "frequency", "value": value, "unit": unit}])
    window = dt.timedelta(seconds=limit)
    assert freshness_limit(contract) == window
    assert [spec.name for spec in freshness_spec(contract, ORDERS)] == ["freshness"]
    wanted = dg.FreshnessPolicy.time_window(fail_window=window) if has_policy else None
    assert freshness_policy(contract) == wanted


@pytest.mark.parametrize(
    ("promises", "status"),
    [
        ([], "active"),
        ([{"property": "latency", "value": 1, "unit": "s"}], "active"),
        ([{"property": "frequency", "value": 5, "unit": "min"}], "retired"),
    ],
)
def test_who_promises_nothing_is_not_judged(
    tmp_path: Path, promises: list[dict[str, object]], status: str
) -> None:
    """Neither a check nor a policy; a retired stream keeps no promise."""
    contract = orders_with(tmp_path, promises, status)
    assert freshness_spec(contract, ORDERS) == ()
    assert freshness_policy(contract) is None


def age(seconds: float, moved: bool = True) -> Freshness:  # noqa: FBT001, FBT002 - a table that moved, or not
    """Return a table that moved so long before noon, or is watched for so long and never did."""
    at = NOON - dt.timedelta(seconds=seconds)
    return Freshness(key=ORDERS, limit=dt.timedelta(minutes=5), moved_at=at if moved else None, since=at)


def test_a_verdict_is_a_sentence_with_its_numbers() -> None:
    """Fresh up to the limit itself, stale beyond it; a table that never moved is judged from the watch on."""
    assert age(300).passes(NOON)
    assert not age(300.1).passes(NOON)
    said = "the last event was stored 5 min 1 s ago; the contract promises one every 5 min."
    assert age(301).description(NOON) == f"Stale: {said}"
    assert not age(400, moved=False).passes(NOON)
    assert age(400, moved=False).description(NOON).startswith("Nothing arrived in 6 min 40 s")


def test_a_verdict_is_reported_when_it_flips_and_else_rarely(instance: dg.DagsterInstance) -> None:
    """Events stay in Dagster's storage: the same verdict is told once an hour."""
    assert report_freshness(instance, age(1), NOON) is True
    assert report_freshness(instance, age(2), NOON) is None
    assert report_freshness(instance, age(301), NOON) is False
    assert report_freshness(instance, age(302), NOON) is None
    assert report_freshness(instance, age(1), NOON) is True
    later = dt.datetime.now(dt.UTC) + REPEAT
    fresh = Freshness(key=ORDERS, limit=dt.timedelta(minutes=5), moved_at=later, since=later)
    assert report_freshness(instance, fresh, later) is True
