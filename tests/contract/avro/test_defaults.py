"""A default is a value of its field's type, as Avro's own parser demands of a new schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mesh_defs.contract.avro.defaults import wrong_defaults
from mesh_defs.contract.avro.schema import read_schema

ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
FIXED = {"type": "fixed", "name": "F", "size": 2}
INTS = {"type": "array", "items": "int"}
LONGS = {"type": "map", "values": "long"}
POINT = {
    "type": "record",
    "name": "P",
    "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "default": 0}],
}


def wrong(type_: Any, default: Any) -> tuple[str, ...]:
    """Return what is wrong with the only default of a record."""
    fields = [{"name": "a", "type": type_, "default": default}]
    schema = {"type": "record", "name": "R", "namespace": "n", "fields": fields}
    return wrong_defaults(read_schema(json.dumps(schema), "a test"))


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        ("null", None),
        ("boolean", True),
        ("int", -(1 << 31)),
        ("long", (1 << 63) - 1),
        ("float", 1),
        ("double", 0.5),
        ("double", "NaN"),
        ("bytes", "\x00\xff"),
        ("string", ""),
        (ENUM, "B"),
        (FIXED, "\x00\xff"),
        (INTS, []),
        (INTS, [1, 2]),
        (LONGS, {}),
        (LONGS, {"k": 1 << 40}),
        (POINT, {"x": 1}),
        (["null", "string"], None),
        (["null", "string"], "any branch, since 1.12"),
        ({"type": "int", "logicalType": "date"}, 0),
    ],
)
def test_a_value_of_the_type_is_taken(type_: Any, default: Any) -> None:
    """Of each type."""
    assert wrong(type_, default) == ()


@pytest.mark.parametrize(
    ("type_", "default"),
    [
        ("null", 0),
        ("boolean", 0),
        ("int", "0"),
        ("int", 1.5),
        ("int", True),
        ("int", 1 << 31),
        ("long", -(1 << 63) - 1),
        ("double", "much"),
        ("bytes", "\u0100"),
        ("bytes", [0]),
        ("string", 5),
        ("string", None),
        (ENUM, "C"),
        (FIXED, "\x00"),
        (INTS, {}),
        (INTS, [1, "2"]),
        (LONGS, []),
        (LONGS, {"k": 0.5}),
        (POINT, {"y": 1}),
        (POINT, []),
        (["null", "string"], 5),
    ],
)
def test_another_value_is_named(type_: Any, default: Any) -> None:
    """With record, field and line."""
    (told,) = wrong(type_, default)
    assert told.startswith("the default of n.R.a (line 1) is no ")


def test_a_default_that_holds_itself_is_no_value() -> None:
    """It would never end."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "R", "default": {}}]}
    (told,) = wrong_defaults(read_schema(json.dumps(schema), "a test"))
    assert told == "the default of R.a (line 1) is no R"
