"""`logicalTypeOptions` decide about the record."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from mesh_defs.contract.types import Column, ColumnType, Kind, Limits
from mesh_defs.decode import decoder_for
from mesh_defs.model.errors import ContractError
from tests.decode.builders import column, letter, rows, stream

_DAY = dt.date(2020, 1, 2)
_NOON = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("kind", "limits", "good", "bad", "rule"),
    [
        (Kind.BIGINT, {"minimum": 0}, "0", "-1", "minimum"),
        (Kind.BIGINT, {"exclusive_minimum": 0}, "1", "0", "exclusive_minimum"),
        (Kind.BIGINT, {"maximum": 9}, "9", "10", "maximum"),
        (Kind.DOUBLE, {"exclusive_maximum": 1.0}, "0.99", "1", "exclusive_maximum"),
        (Kind.FLOAT, {"maximum": 0.1}, "0.1", "0.11", "maximum"),
        (Kind.DECIMAL, {"minimum": Decimal("0.10")}, '"0.1"', "0.09", "minimum"),
        (Kind.DATE, {"minimum": _DAY}, '"2020-01-02"', '"2020-01-01"', "minimum"),
        (Kind.TIME, {"maximum": dt.time(12)}, '"12:00:00"', '"12:00:00.000001"', "maximum"),
        (
            Kind.TIMESTAMP,
            {"maximum": _NOON},
            '"2020-01-01T13:00:00+01:00"',
            '"2020-01-01T12:00:01Z"',
            "maximum",
        ),
        (Kind.BIGINT, {"multiple_of": 5}, "-15", "7", "multiple_of"),
        (Kind.DOUBLE, {"multiple_of": 0.1}, "0.3", "0.35", "multiple_of"),
        (Kind.DOUBLE, {"multiple_of": 0.01}, "1e300", "0.001", "multiple_of"),
        (Kind.STRING, {"min_length": 2}, '"ab"', '"a"', "min_length"),
        (Kind.STRING, {"max_length": 1}, '"😀"', '"ab"', "max_length"),
        (Kind.BYTES, {"max_length": 2}, '"QUE="', '"QUFB"', "max_length"),
        (Kind.STRING, {"pattern": "^[A-Z]{3}$"}, '"JFK"', '"jfk"', "pattern"),
        (Kind.STRING, {"pattern": "b"}, '"abc"', '"ac"', "pattern"),
        (Kind.JSON, {"min_properties": 1}, '{"a":1}', "{}", "min_properties"),
        (Kind.JSON, {"max_properties": 1}, '{"a":1}', '{"a":1,"b":2}', "max_properties"),
        (Kind.JSON, {"required_keys": ("a",)}, '{"a":1}', '{"a":null}', "required"),
    ],
)
def test_limits_of_plain_types(kind: Kind, limits: dict[str, Any], good: str, bad: str, rule: str) -> None:
    """A value at the limit is a row, one beyond it a dead letter whose rule is the option; null is neither."""
    options = {"precision": 4, "scale": 2} if kind is Kind.DECIMAL else {}
    contract = stream(column("v", kind, limits=Limits(**limits), **options))
    assert len(rows(contract, f'{{"v":{good}}}', '{"v":null}', "{}")) == 3
    found = letter(contract, f'{{"v":{bad}}}')
    assert (found.rule, found.path) == (rule, "$.v")


@pytest.mark.parametrize(
    ("limits", "good", "bad", "rule"),
    [
        ({"min_items": 1}, '["2020-01-01T00:00:00Z"]', "[]", "min_items"),
        ({"max_items": 1}, "[]", "[null,null]", "max_items"),
        (
            {"unique_items": True},
            '["2020-01-01T00:00:00Z","2020-01-02T00:00:00Z"]',
            '["2020-01-01T00:00:00Z","2020-01-01T01:00:00+01:00"]',
            "unique_items",
        ),
    ],
)
def test_limits_of_arrays(limits: dict[str, Any], good: str, bad: str, rule: str) -> None:
    """An array's own limits; elements are equal when their stored values are."""
    item = column("element", Kind.TIMESTAMP)
    contract = stream(column("v", Kind.ARRAY, item=item, limits=Limits(**limits)))
    assert len(rows(contract, f'{{"v":{good}}}', "{}")) == 2
    assert letter(contract, f'{{"v":{bad}}}').rule == rule


def test_unique_items_of_objects() -> None:
    """Objects are equal when all their fields are."""
    item = column("element", Kind.OBJECT, fields=(column("x", Kind.BIGINT),))
    contract = stream(column("v", Kind.ARRAY, item=item, limits=Limits(unique_items=True)))
    assert len(rows(contract, '{"v":[{"x":1},{"x":2}]}')) == 1
    assert letter(contract, '{"v":[{"x":1},{"x":1,"y":2}]}').rule == "unique_items"


def test_limits_of_objects_and_maps() -> None:
    """Properties count where they are not null; `required` lists fields and keys."""
    fields = (column("x", Kind.BIGINT), column("y", Kind.BIGINT))
    limits = Limits(min_properties=1, required_keys=("y",))
    contract = stream(column("v", Kind.OBJECT, fields=fields, limits=limits))
    assert len(rows(contract, '{"v":{"y":1}}', '{"v":null}')) == 2
    found = letter(contract, '{"v":{"x":1}}')
    assert (found.rule, found.path) == ("required", "$.v.y")
    value = ColumnType(kind=Kind.BIGINT)
    keys = ColumnType(kind=Kind.STRING)
    low = ColumnType(kind=Kind.INT, limits=Limits(minimum=5))
    assert letter(stream(column("v", Kind.MAP, key=low, value=value)), '{"v":{"4":1}}').rule == "minimum"
    limits = Limits(max_properties=1, required_keys=("a",))
    contract = stream(column("v", Kind.MAP, key=keys, value=value, limits=limits))
    assert len(rows(contract, '{"v":{"a":1}}')) == 1
    assert letter(contract, '{"v":{"b":1}}').rule == "required"
    assert letter(contract, '{"v":{"a":1,"b":1}}').rule == "max_properties"


def test_limits_hold_inside_nested_values() -> None:
    """An element's limit is an element's path."""
    item = column("element", Kind.STRING, limits=Limits(max_length=1))
    contract = stream(column("v", Kind.ARRAY, item=item))
    found = letter(contract, '{"v":["a","bc"]}')
    assert (found.rule, found.path) == ("max_length", "$.v[1]")


def test_a_list_of_required_fields_names_declared_ones() -> None:
    """A required key that is no property could not be checked: the contract is refused."""
    type_ = ColumnType(
        kind=Kind.OBJECT, fields=(column("x", Kind.BIGINT),), limits=Limits(required_keys=("z",))
    )
    with pytest.raises(ContractError, match="names z"):
        decoder_for(stream(Column(name="v", type=type_)))


@pytest.mark.parametrize(
    ("format_", "good", "bad"),
    [
        ("uuid", ["197f2df9-e2c3-4ac6-891c-19160ec8b1c2"], ["197f2df9e2c34ac6891c19160ec8b1c2", ""]),
        (
            "email",
            ["a.b+c@example.org", "x@localhost"],
            ["a", "a@", "@b", "a b@c", "a@b@c", "a..b@c", "a@-b"],
        ),
        ("uri", ["https://example.org/a?b#c", "urn:x:1"], ["example.org", "http://a b", "x:%zz", ""]),
        ("hostname", ["example.org", "a"], ["-a", "a..b", "a_b", "a." + "b" * 64, "x." * 127]),
        ("ipv4", ["127.0.0.1"], ["127.0.0.256", "127.1", "01.2.3.4", "::1"]),
        ("ipv6", ["::1", "fe80::1"], ["fe80::1%eth0", "127.0.0.1", ":::"]),
        ("date", ["2020-02-29"], ["2021-02-29", "20200229", "2020-W01-1"]),
        ("time", ["12:00:00Z", "12:00:00.123456789+05:30"], ["12:00:00", "24:00:00Z", "12:00:00+25:00"]),
        ("date-time", ["2020-01-01T00:00:00.123456789Z"], ["2020-01-01T00:00:00", "2020-02-30T00:00:00Z"]),
    ],
)
def test_formats_of_strings(format_: str, good: list[str], bad: list[str]) -> None:
    """A string's `format` is enforced, and the string is stored as it is."""
    contract = stream(column("v", Kind.STRING, limits=Limits(format=format_)))
    found = rows(contract, *[f'{{"v":"{text}"}}' for text in good])
    assert [row["v"] for row in found] == good
    for text in bad:
        assert letter(contract, f'{{"v":"{text}"}}').rule == "format"
