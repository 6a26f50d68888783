"""Types and constraints as people read them."""

from __future__ import annotations

import datetime as dt

import pytest

from mesh_defs.contract.describe import describe_constraints, describe_type
from mesh_defs.contract.types import Column, ColumnType, Kind, Limits, TimeEncoding

_STRING = ColumnType(kind=Kind.STRING)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (_STRING, "string"),
        (ColumnType(kind=Kind.DECIMAL, precision=12, scale=2), "decimal(12,2)"),
        (ColumnType(kind=Kind.TIMESTAMP), "timestamp"),
        (ColumnType(kind=Kind.TIMESTAMP, timezone=False), "timestamp without offset"),
        (ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_MS), "timestamp (epoch_ms)"),
        (ColumnType(kind=Kind.OBJECT, fields=(Column(name="a", type=_STRING),)), "object (a string)"),
        (ColumnType(kind=Kind.ARRAY, item=Column(name="element", type=_STRING)), "array of string"),
        (ColumnType(kind=Kind.MAP, key=_STRING, value=ColumnType(kind=Kind.INT)), "map of string to int"),
    ],
)
def test_types_read_as_words(type_: ColumnType, text: str) -> None:
    """Nested types included."""
    assert describe_type(type_) == text


def test_constraints_read_as_words() -> None:
    """One short text each, the zero that is a limit included."""
    limits = Limits(minimum=0, exclusive_maximum=dt.date(2020, 1, 1), unique_items=True, required_keys=("a",))
    column = Column(
        name="c",
        type=ColumnType(kind=Kind.BIGINT, limits=limits),
        primary_key=True,
        classification="internal",
    )
    assert describe_constraints(column) == (
        "primary key",
        "at least 0",
        "below 2020-01-01",
        "elements differ",
        "with the keys a",
        "classified internal",
    )
    assert describe_constraints(Column(name="c", type=_STRING)) == ()
