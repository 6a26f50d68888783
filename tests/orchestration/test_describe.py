"""How a contract's words become Dagster's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mesh_defs.contract.choices import EventKind
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.types import Column, ColumnType, Kind, Limits, QualityEntry
from mesh_defs.orchestration.describe import description, owners, plain, table_schema, tags

STREAM = StreamContract(
    domain="shop",
    name="orders",
    id="shop.orders",
    version="1.0.0",
    status="active",
    title="Orders",
    description="",
    columns=(),
    path=Path("/orders.odcs.yaml"),
    topic="orders",
    server="main",
    server_host=None,
    format="json",
    event_kind=EventKind.DELTA,
)
DOMAIN = Domain(name="shop", description="", owner="team:shop", contact="", path=Path("/shop"))


@pytest.mark.parametrize(
    ("owner", "shown"),
    [
        ("a.b@example.org", ["a.b@example.org"]),
        ("team:orders", ["team:orders"]),
        (None, ["team:shop"]),
        ("just a name", ["team:shop"]),
        ("a@example.engineering", ["team:shop"]),
    ],
)
def test_an_owner_is_what_dagster_takes(owner: str | None, shown: list[str]) -> None:
    """Dagster refuses a whole location for one owner that it does not like, long top-level domains included."""
    assert owners(replace(STREAM, owner=owner), DOMAIN) == shown


def test_a_domain_owner_that_dagster_refuses_is_left_out() -> None:
    """No owner is better than no domain."""
    assert owners(STREAM, replace(DOMAIN, owner="a@example.engineering")) == []


def test_tags_are_made_to_fit() -> None:
    """Words, pairs and other characters."""
    found = tags(replace(STREAM, tags=("finance", "tier:gold plated", "schön")))
    assert found["finance"] == ""
    assert found["tier"] == "gold_plated"
    assert found["sch_n"] == ""
    assert found["mesh/event_kind"] == "delta"


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("# Orders of the *shop*", "Orders of the *shop*"),
        ("**Orders**, see [docs](https://example.org)", "Orders, see docs"),
        ("- `orders` by hour", "orders by hour"),
        ("Plain words.", "Plain words."),
    ],
)
def test_the_first_line_is_plain(text: str, first: str) -> None:
    """The catalogue shows it as it stands."""
    assert plain(text) == first


def test_a_description_is_never_empty() -> None:
    """Where the contract says nothing, its name stands; the rest of a long text stays as it is."""
    assert description(STREAM) == "Orders"
    assert description(replace(STREAM, description="## What\n\n* a\n* b")) == "What\n\n* a\n* b"


def test_columns_show_what_the_contract_promises() -> None:
    """Type, limits, key, classification and rules."""
    column = Column(
        name="email",
        type=ColumnType(kind=Kind.STRING, limits=Limits(max_length=80, format="email")),
        required=True,
        primary_key=True,
        classification="personal",
        quality=(QualityEntry(rule={"metric": "invalidValues"}),),
    )
    shown = table_schema(replace(STREAM, columns=(column,))).columns[0]
    assert (shown.name, shown.type, shown.constraints.nullable) == ("email", "VARCHAR", False)
    assert shown.constraints.other == [
        "primary key",
        "classification: personal",
        "maxLength: 80",
        "format: email",
        "quality: invalidValues",
    ]
