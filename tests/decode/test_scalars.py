"""Which JSON each plain type takes, and what it is stored as."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from mesh_defs.contract.types import Kind, TimeEncoding
from tests.decode.builders import column, letter, rows, stream

_MS = {"encoding": TimeEncoding.EPOCH_MS}
_S = {"encoding": TimeEncoding.EPOCH_S}
_US = {"encoding": TimeEncoding.EPOCH_US}
_NS = {"encoding": TimeEncoding.EPOCH_NS}
_DAYS = {"encoding": TimeEncoding.EPOCH_D}
_DAY_MS = {"encoding": TimeEncoding.TIME_MS}
_DAY_US = {"encoding": TimeEncoding.TIME_US}
_DAY_NS = {"encoding": TimeEncoding.TIME_NS}
_WALL = {"timezone": False}
_MONEY = {"precision": 5, "scale": 2}
_UUID = "197f2df9-e2c3-4ac6-891c-19160ec8b1c2"


def _utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def _naive(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - a wall clock


@pytest.mark.parametrize(
    ("kind", "options", "text", "value"),
    [
        (Kind.BIGINT, {}, "9223372036854775807", 2**63 - 1),
        (Kind.BIGINT, {}, "-9223372036854775808", -(2**63)),
        (Kind.BIGINT, {}, "-0", 0),
        (Kind.INT, {}, "-2147483648", -(2**31)),
        (Kind.SMALLINT, {}, "32767", 2**15 - 1),
        (Kind.DOUBLE, {}, "1", 1.0),
        (Kind.DOUBLE, {}, "1e308", 1e308),
        (Kind.DOUBLE, {}, "1e-400", 0.0),
        (Kind.DOUBLE, {}, "9007199254740993", 9007199254740992.0),
        (Kind.FLOAT, {}, "0.5", 0.5),
        (Kind.STRING, {}, '"a\\u0000b"', "a\0b"),
        (Kind.STRING, {}, '"\\ud83d\\ude00"', "😀"),
        (Kind.STRING, {}, '""', ""),
        (Kind.BOOLEAN, {}, "false", False),
        (Kind.DATE, {}, '"0001-01-01"', dt.date(1, 1, 1)),
        (Kind.DATE, {}, '"9999-12-31"', dt.date(9999, 12, 31)),
        (Kind.TIME, {}, '"23:59:59.9999990"', dt.time(23, 59, 59, 999_999)),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00Z"', _utc(2020, 1, 1)),
        (Kind.TIMESTAMP, {}, '"2020-01-01t00:00:00.5z"', _utc(2020, 1, 1, 0, 0, 0, 500_000)),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00.123456000+05:30"', _utc(2019, 12, 31, 18, 30, 0, 123_456)),
        (Kind.TIMESTAMP, {}, '"0001-01-01T00:00:00-00:00"', _utc(1, 1, 1)),
        (Kind.TIMESTAMP, _WALL, '"2020-01-01T00:00:00"', _naive(2020, 1, 1)),
        (Kind.TIMESTAMP, _MS, "-1", _utc(1969, 12, 31, 23, 59, 59, 999_000)),
        (Kind.TIMESTAMP, _S, "253402300799", _utc(9999, 12, 31, 23, 59, 59)),
        (Kind.TIMESTAMP, _US, "-62135596800000000", _utc(1, 1, 1)),
        (Kind.TIMESTAMP, _US, "1559033904863841", _utc(2019, 5, 28, 8, 58, 24, 863_841)),
        (Kind.TIMESTAMP, _NS, "1559033904863841000", _utc(2019, 5, 28, 8, 58, 24, 863_841)),
        (Kind.DATE, _DAYS, "0", dt.date(1970, 1, 1)),
        (Kind.DATE, _DAYS, "-719162", dt.date(1, 1, 1)),
        (Kind.DATE, _DAYS, "2932896", dt.date(9999, 12, 31)),
        (Kind.TIME, _DAY_MS, "86399999", dt.time(23, 59, 59, 999_000)),
        (Kind.TIME, _DAY_US, "86399999999", dt.time(23, 59, 59, 999_999)),
        (Kind.TIME, _DAY_NS, "1000", dt.time(0, 0, 0, 1)),
        (Kind.DECIMAL, _MONEY, "1.500", Decimal("1.50")),
        (Kind.DECIMAL, _MONEY, '"-999.99"', Decimal("-999.99")),
        (Kind.DECIMAL, _MONEY, "1.5e1", Decimal("15.00")),
        (Kind.DECIMAL, _MONEY, '"\\u0031"', Decimal("1.00")),
        (Kind.DECIMAL, {"precision": 38, "scale": 0}, "9" * 38, Decimal("9" * 38)),
        (Kind.BYTES, {}, '"AP+/"', b"\0\xff\xbf"),
        (Kind.BYTES, {}, '""', b""),
        (Kind.UUID, {}, f'"{_UUID.upper()}"', uuid.UUID(_UUID)),
        (Kind.JSON, {}, '{"b": 1.10, "a": [1e400, 123456789012345678901234567890]}', None),
    ],
)
def test_accepted(kind: Kind, options: dict[str, Any], text: str, value: Any) -> None:
    """These texts are values of the type, and these are the values that are stored."""
    (row,) = rows(stream(column("v", kind, **options)), f'{{"v":{text}}}')
    if kind is Kind.JSON:
        value = '{"b":1.10,"a":[1e400,123456789012345678901234567890]}'
    assert row["v"] == value


@pytest.mark.parametrize(
    ("kind", "options", "text", "rule"),
    [
        (Kind.BIGINT, {}, "9223372036854775808", "range"),
        (Kind.BIGINT, {}, "1" * 5_000, "range"),
        (Kind.BIGINT, {}, "1.5", "type"),
        (Kind.BIGINT, {}, "1.0", "type"),
        (Kind.BIGINT, {}, "1e2", "type"),
        (Kind.BIGINT, {}, '"12"', "type"),
        (Kind.BIGINT, {}, "true", "type"),
        (Kind.INT, {}, "2147483648", "range"),
        (Kind.SMALLINT, {}, "-32769", "range"),
        (Kind.DOUBLE, {}, "1e400", "range"),
        (Kind.DOUBLE, {}, "NaN", "json_syntax"),
        (Kind.DOUBLE, {}, "-Infinity", "json_syntax"),
        (Kind.DOUBLE, {}, '"1.5"', "type"),
        (Kind.FLOAT, {}, "1e39", "range"),
        (Kind.STRING, {}, "1", "type"),
        (Kind.STRING, {}, '"\\ud800"', "json_syntax"),
        (Kind.STRING, {}, '"\\udc00\\ud800"', "json_syntax"),
        (Kind.BOOLEAN, {}, "1", "type"),
        (Kind.BOOLEAN, {}, '"true"', "type"),
        (Kind.DATE, {}, '"2020-02-30"', "format"),
        (Kind.DATE, {}, '"0000-01-01"', "format"),
        (Kind.DATE, {}, '"2020-1-1"', "format"),
        (Kind.DATE, {}, '"10000-01-01"', "format"),
        (Kind.DATE, {}, '"2020-01-01T00:00:00Z"', "format"),
        (Kind.DATE, {}, "20200101", "type"),
        (Kind.TIME, {}, '"24:00:00"', "format"),
        (Kind.TIME, {}, '"12:00"', "format"),
        (Kind.TIME, {}, '"12:00:00Z"', "format"),
        (Kind.TIME, {}, '"12:00:00.1234567"', "format"),
        (Kind.TIME, {}, '"12:00:0000"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01 00:00:00Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T24:00:00Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2016-12-31T23:59:60Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00.1234567Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:000Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00+0100"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00+01"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00:00+24:00"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01T00:00Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-02-30T00:00:00Z"', "format"),
        (Kind.TIMESTAMP, {}, '"2020-01-01"', "format"),
        (Kind.TIMESTAMP, {}, '"٢020-01-01T00:00:00Z"', "format"),
        (Kind.TIMESTAMP, {}, '"0000-01-01T00:00:00Z"', "range"),
        (Kind.TIMESTAMP, {}, '"0001-01-01T00:00:00+01:00"', "range"),
        (Kind.TIMESTAMP, {}, '"9999-12-31T23:59:59-01:00"', "range"),
        (Kind.TIMESTAMP, {}, "1577836800", "type"),
        (Kind.TIMESTAMP, _WALL, '"2020-01-01T00:00:00Z"', "format"),
        (Kind.TIMESTAMP, _WALL, '"2020-01-01T00:00:00+00:00"', "format"),
        (Kind.TIMESTAMP, _MS, "1.5", "type"),
        (Kind.TIMESTAMP, _MS, '"2020-01-01T00:00:00Z"', "type"),
        (Kind.TIMESTAMP, _MS, "253402300800000", "range"),
        (Kind.TIMESTAMP, _S, "9223372036854775807", "range"),
        (Kind.TIMESTAMP, _S, "9223372036854775808", "range"),
        (Kind.TIMESTAMP, _S, "-62135596801", "range"),
        (Kind.TIMESTAMP, _US, "253402300800000000", "range"),
        (Kind.TIMESTAMP, _US, "1.0", "type"),
        (Kind.TIMESTAMP, _NS, "1559033904863841257", "range"),
        (Kind.TIMESTAMP, _NS, "9223372036854775808", "range"),
        (Kind.DATE, _DAYS, "-719163", "range"),
        (Kind.DATE, _DAYS, "2932897", "range"),
        (Kind.DATE, _DAYS, '"2020-01-01"', "type"),
        (Kind.TIME, _DAY_MS, "86400000", "range"),
        (Kind.TIME, _DAY_US, "-1", "range"),
        (Kind.TIME, _DAY_NS, "1001", "range"),
        (Kind.TIME, _DAY_NS, '"12:00:00"', "type"),
        (Kind.DECIMAL, _MONEY, "1.555", "range"),
        (Kind.DECIMAL, _MONEY, "1000", "range"),
        (Kind.DECIMAL, _MONEY, "1e999999999", "range"),
        (Kind.DECIMAL, _MONEY, "1e-39", "range"),
        (Kind.DECIMAL, _MONEY, f"0.{'0' * 38}1", "range"),
        (Kind.DECIMAL, _MONEY, "1e9999999999", "format"),
        (Kind.DECIMAL, _MONEY, '"1_0"', "format"),
        (Kind.DECIMAL, _MONEY, '" 1"', "format"),
        (Kind.DECIMAL, _MONEY, '"NaN"', "format"),
        (Kind.DECIMAL, _MONEY, '"+1"', "format"),
        (Kind.DECIMAL, _MONEY, '"01"', "format"),
        (Kind.DECIMAL, _MONEY, '""', "format"),
        (Kind.DECIMAL, _MONEY, "true", "type"),
        (Kind.DECIMAL, _MONEY, "[1]", "type"),
        (Kind.BYTES, {}, '"QUE"', "format"),
        (Kind.BYTES, {}, '"QUF="', "format"),
        (Kind.BYTES, {}, '"QU E="', "format"),
        (Kind.BYTES, {}, '"_-8="', "format"),
        (Kind.BYTES, {}, '"é"', "format"),
        (Kind.UUID, {}, f'"{_UUID.replace("-", "")}"', "format"),
        (Kind.UUID, {}, f'"{{{_UUID}}}"', "format"),
        (Kind.UUID, {}, '"x"', "format"),
        (Kind.JSON, {}, "[]", "type"),
        (Kind.JSON, {}, '"{}"', "type"),
    ],
)
def test_refused(kind: Kind, options: dict[str, Any], text: str, rule: str) -> None:
    """These texts are no values of the type: nothing is converted silently."""
    found = letter(stream(column("v", kind, **options)), f'{{"v":{text}}}')
    assert found.rule == rule
    if rule != "json_syntax":
        assert found.path == "$.v"


@pytest.mark.parametrize("kind", [k for k in Kind if k not in (Kind.OBJECT, Kind.ARRAY, Kind.MAP)])
def test_null_is_absent_unless_required(kind: Kind) -> None:
    """An optional column takes null and absence alike, a required one neither."""
    options = _MONEY if kind is Kind.DECIMAL else {}
    optional = stream(column("v", kind, **options))
    assert [row["v"] for row in rows(optional, '{"v":null}', "{}")] == [None, None]
    required = stream(column("v", kind, required=True, **options))
    for text in ('{"v":null}', "{}"):
        found = letter(required, text)
        assert (found.rule, found.path) == ("required", "$.v")


def test_many_values_are_judged_as_one() -> None:
    """A column of thousands of texts, read at once, takes and refuses the same as each alone."""
    contract = stream(column("v", Kind.TIMESTAMP, required=True))
    good = [f'{{"v":"2020-01-{day:02}T00:00:00Z"}}' for day in range(1, 32)] * 10
    odd = ['{"v":"2020-01-01t00:00:00.1000000z"}']
    assert len(rows(contract, *good, *odd, *good)) == 2 * len(good) + 1
