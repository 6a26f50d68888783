"""Values in the shapes that Kafka Connect and Debezium give them."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding
from mesh_defs.model.records import DeadLetter
from tests.decode.builders import batch, column, decoded, letter, rows
from tests.decode.debezium.messages import changes_of, envelope, field, plain, wrapped

_TIME = "io.debezium.time."
_CONNECT = "org.apache.kafka.connect.data."
_MONEY = {"precision": 12, "scale": 2}
_SCALE_2 = {"parameters": {"scale": "2", "connect.decimal.precision": "12"}}
_WALL = {"timezone": False}


def _base64(unscaled: int, size: int = 8) -> str:
    return base64.b64encode(unscaled.to_bytes(size, signed=True)).decode()


def _utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc, arg-type]


def _naive(*parts: int) -> dt.datetime:
    return dt.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001 - a wall clock


def _landed(declared: Column, described: dict[str, Any], value: Any) -> dict[str, Any]:
    payload = envelope("u", before={"v": value}, after={"v": value})
    (row,) = rows(changes_of(declared), wrapped([described], payload))
    return row


@pytest.mark.parametrize(
    ("declared", "described", "value", "stored", "told"),
    [
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            _base64(-12345),
            Decimal("-123.45"),
            "-123.45",
        ),
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            _base64(5),
            Decimal("0.05"),
            "0.05",
        ),
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "bytes", f"{_CONNECT}Decimal", parameters={"scale": "-2"}),
            _base64(5),
            Decimal("500.00"),
            "500",
        ),
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            1.5,
            1.5,
            "1.5",
        ),
        (
            column("v", Kind.BIGINT),
            field("v", "bytes", f"{_CONNECT}Decimal", parameters={"scale": "0"}),
            _base64(2**62),
            2**62,
            str(2**62),
        ),
        (
            column("v", Kind.DECIMAL, precision=38, scale=10),
            field("v", "struct", "io.debezium.data.VariableScaleDecimal"),
            {"scale": 3, "value": _base64(1500)},
            Decimal("1.5"),
            "1.500",
        ),
        (column("v", Kind.DATE), field("v", "int32", f"{_TIME}Date"), 0, dt.date(1970, 1, 1), '"1970-01-01"'),
        (
            column("v", Kind.DATE),
            field("v", "int32", f"{_CONNECT}Date"),
            -1,
            dt.date(1969, 12, 31),
            '"1969-12-31"',
        ),
        (
            column("v", Kind.DATE, encoding=TimeEncoding.EPOCH_D),
            field("v", "int32", f"{_TIME}Date"),
            1,
            dt.date(1970, 1, 2),
            '"1970-01-02"',
        ),
        (
            column("v", Kind.DATE),
            field("v", "string", f"{_TIME}IsoDate"),
            "2020-01-01Z",
            dt.date(2020, 1, 1),
            None,
        ),
        (
            column("v", Kind.TIME),
            field("v", "int64", f"{_TIME}MicroTime"),
            86_399_999_999,
            dt.time(23, 59, 59, 999_999),
            '"23:59:59.999999"',
        ),
        (
            column("v", Kind.TIME),
            field("v", "int32", f"{_TIME}Time"),
            1,
            dt.time(0, 0, 0, 1000),
            '"00:00:00.001000"',
        ),
        (column("v", Kind.TIME), field("v", "int64", f"{_TIME}NanoTime"), 1000, dt.time(0, 0, 0, 1), None),
        (
            column("v", Kind.TIME),
            field("v", "string", f"{_TIME}IsoTime"),
            "10:15:30Z",
            dt.time(10, 15, 30),
            None,
        ),
        (
            column("v", Kind.TIME, encoding=TimeEncoding.TIME_MS),
            field("v", "int64", f"{_TIME}MicroTime"),
            5000,
            dt.time(0, 0, 0, 5000),
            '"00:00:00.005000"',
        ),
        (
            column("v", Kind.TIMESTAMP),
            field("v", "int64", f"{_TIME}MicroTimestamp"),
            1559033904863841,
            _utc(2019, 5, 28, 8, 58, 24, 863_841),
            '"2019-05-28T08:58:24.863841Z"',
        ),
        (
            column("v", Kind.TIMESTAMP, **_WALL),
            field("v", "int64", f"{_TIME}MicroTimestamp"),
            -1,
            _naive(1969, 12, 31, 23, 59, 59, 999_999),
            '"1969-12-31T23:59:59.999999"',
        ),
        (
            column("v", Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_MS),
            field("v", "int64", f"{_TIME}MicroTimestamp"),
            1000,
            _utc(1970, 1, 1, 0, 0, 0, 1000),
            '"1970-01-01T00:00:00.001000Z"',
        ),
        (column("v", Kind.TIMESTAMP), field("v", "int64", f"{_TIME}Timestamp"), 0, _utc(1970, 1, 1), None),
        (column("v", Kind.TIMESTAMP), field("v", "int64", f"{_CONNECT}Timestamp"), 0, _utc(1970, 1, 1), None),
        (
            column("v", Kind.TIMESTAMP),
            field("v", "int64", f"{_TIME}NanoTimestamp"),
            1000,
            _utc(1970, 1, 1, 0, 0, 0, 1),
            None,
        ),
        (
            column("v", Kind.TIMESTAMP),
            field("v", "string", f"{_TIME}ZonedTimestamp"),
            "2020-01-01T01:00:00+01:00",
            _utc(2020, 1, 1),
            '"2020-01-01T01:00:00+01:00"',
        ),
        (
            column("v", Kind.TIMESTAMP, **_WALL),
            field("v", "string", f"{_TIME}IsoTimestamp"),
            "2020-01-01T01:00:00Z",
            _naive(2020, 1, 1, 1),
            '"2020-01-01T01:00:00"',
        ),
        (column("v", Kind.BIGINT), field("v", "int64", f"{_TIME}MicroTimestamp"), 7, 7, "7"),
        (column("v", Kind.STRING), field("v", "string", "io.debezium.data.Json"), '{"a":1}', '{"a":1}', None),
        (
            column("v", Kind.JSON),
            field("v", "string", "io.debezium.data.Json"),
            '{"a": 1.50}',
            '{"a":1.50}',
            '{"a":1.50}',
        ),
        (column("v", Kind.BYTES), field("v", "bytes"), "AAE=", b"\0\1", '"AAE="'),
        (
            column("v", Kind.UUID),
            field("v", "string", "io.debezium.data.Uuid"),
            "197f2df9-e2c3-4ac6-891c-19160ec8b1c2",
            None,
            '"197f2df9-e2c3-4ac6-891c-19160ec8b1c2"',
        ),
        (
            column("v", Kind.ARRAY, item=Column(name="element", type=ColumnType(kind=Kind.DATE))),
            field("v", "array", items={"type": "int32", "optional": True, "name": f"{_TIME}Date"}),
            [0, None],
            [dt.date(1970, 1, 1), None],
            '["1970-01-01",null]',
        ),
        (
            column("v", Kind.OBJECT, fields=(column("at", Kind.TIMESTAMP),)),
            field("v", "struct", "x.Value", fields=[field("at", "int64", f"{_TIME}Timestamp")]),
            {"at": 0},
            {"at": _utc(1970, 1, 1)},
            '{"at":"1970-01-01T00:00:00Z"}',
        ),
        (
            column("v", Kind.MAP, key=ColumnType(kind=Kind.STRING), value=ColumnType(kind=Kind.DATE)),
            field("v", "map", keys={"type": "string"}, values={"type": "int32", "name": f"{_TIME}Date"}),
            {"a": 0},
            [("a", dt.date(1970, 1, 1))],
            '{"a":"1970-01-01"}',
        ),
    ],
)
def test_values_with_their_schema(
    declared: Column, described: dict[str, Any], value: Any, stored: Any, told: str | None
) -> None:
    """The schema's name decides, whatever the contract's physical type; the text of `_before` tells the same."""
    row = _landed(declared, described, value)
    assert stored is None or row["v"] == stored
    assert told is None or row["_before"] == f'{{"v":{told}}}'
    assert _landed(declared, described, None)["v"] is None


def _refused(declared: Column, described: dict[str, Any], value: Any) -> DeadLetter:
    return letter(changes_of(declared), wrapped([described], envelope("c", before=None, after={"v": value})))


@pytest.mark.parametrize(
    ("declared", "described", "value", "rule"),
    [
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            "?",
            "format",
        ),
        (
            column("v", Kind.DECIMAL, precision=3),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            _base64(1),
            "range",
        ),
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "bytes", f"{_CONNECT}Decimal", parameters={"scale": "x"}),
            "AA==",
            "format",
        ),
        (
            column("v", Kind.BIGINT),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            _base64(150),
            "type",
        ),
        (
            column("v", Kind.STRING),
            field("v", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
            _base64(150),
            "type",
        ),
        (
            column("v", Kind.DECIMAL, **_MONEY),
            field("v", "struct", "io.debezium.data.VariableScaleDecimal"),
            {"scale": 1 << 30, "value": "AQ=="},
            "range",
        ),
        (column("v", Kind.DATE), field("v", "int32", f"{_TIME}Date"), 2_932_897, "range"),
        (column("v", Kind.DATE), field("v", "int32", f"{_TIME}Date"), True, "type"),
        (column("v", Kind.TIME), field("v", "int64", f"{_TIME}MicroTime"), 86_400_000_000, "range"),
        (column("v", Kind.TIME), field("v", "int64", f"{_TIME}NanoTime"), 1, "format"),
        (column("v", Kind.TIMESTAMP), field("v", "int64", f"{_TIME}MicroTimestamp"), 2**63 - 1, "range"),
        (column("v", Kind.TIMESTAMP), field("v", "int64", f"{_TIME}NanoTimestamp"), 1, "format"),
        (
            column("v", Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_S),
            field("v", "int64", f"{_TIME}Timestamp"),
            1,
            "range",
        ),
        (column("v", Kind.DATE), field("v", "int64", f"{_TIME}Timestamp"), 0, "format"),
        (column("v", Kind.JSON), field("v", "string", "io.debezium.data.Json"), "{", "json_syntax"),
        (column("v", Kind.JSON), field("v", "string", "io.debezium.data.Json"), "[]", "type"),
    ],
)
def test_nothing_is_converted_with_a_loss(
    declared: Column, described: dict[str, Any], value: Any, rule: str
) -> None:
    """What the column cannot hold exactly is a dead letter that names the field."""
    found = _refused(declared, described, value)
    assert (found.rule, found.path) == (rule, "$.payload.after.v")


def test_without_a_schema_the_contract_says() -> None:
    """Counts by their physical type, and texts as in any document; `_before` is spelled by the same words."""
    contract = changes_of(
        column("d", Kind.DATE, encoding=TimeEncoding.EPOCH_D),
        column("at", Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_US),
        column("t", Kind.TIME, encoding=TimeEncoding.TIME_US),
        column("iso", Kind.TIMESTAMP),
        column("price", Kind.DECIMAL, **_MONEY),
        column("doc", Kind.JSON),
    )
    image = {
        "d": 1,
        "at": 1_000_001,
        "t": 1,
        "iso": "2020-01-01T00:00:00Z",
        "price": "1.50",
        "doc": '{"a": 1}',
    }
    (row,) = rows(contract, plain("u", before=image | {"d": "?"}, after=image))
    assert {name: row[name] for name in image} == {
        "d": dt.date(1970, 1, 2),
        "at": _utc(1970, 1, 1, 0, 0, 1, 1),
        "t": dt.time(0, 0, 0, 1),
        "iso": _utc(2020, 1, 1),
        "price": Decimal("1.50"),
        "doc": '{"a":1}',
    }
    assert json.loads(row["_before"]) == {
        "d": "?",
        "at": "1970-01-01T00:00:01.000001Z",
        "t": "00:00:00.000001",
        "iso": "2020-01-01T00:00:00Z",
        "price": "1.50",
        "doc": {"a": 1},
    }


def test_a_decimal_without_its_scale_is_refused() -> None:
    """Base64 alone does not tell the scale, and the contract's would be a guess."""
    value = plain("c", before=None, after={"v": _base64(150, 2)})
    assert letter(changes_of(column("v", Kind.DECIMAL, **_MONEY)), value).rule == "format"


def test_unknown_fields_are_spelled_by_their_schema() -> None:
    """So that the column can be filled from `_unknown` when the contract adopts it."""
    fields = [
        field("at", "int64", f"{_TIME}MicroTimestamp"),
        field("p", "bytes", f"{_CONNECT}Decimal", **_SCALE_2),
    ]
    payload = envelope("c", before=None, after={"id": 1, "at": 0, "p": _base64(150)})
    (row,) = rows(changes_of(column("id", Kind.INT)), wrapped(fields, payload))
    assert row["_unknown"] == '{"at":"1970-01-01T00:00:00Z","p":1.50}'


@pytest.mark.parametrize(
    ("name", "count"),
    [("MicroTime", 93_600_000_000), ("MicroTimestamp", 9_223_372_036_825_200_000), ("Date", 2_147_483_647)],
)
def test_what_the_contract_does_not_name_may_be_no_moment(name: str, count: int) -> None:
    """A time of 26 hours (MySQL), or infinity (PostgreSQL), stays the count that it is, also within an object."""
    described = [field("v", "int64", f"{_TIME}{name}")]
    fields = [*described, {"type": "struct", "field": "o", "fields": described}]
    after = {"id": 1, "v": count, "o": {"a": 2, "v": count}}
    columns = (column("id", Kind.INT), column("o", Kind.OBJECT, fields=(column("a", Kind.INT),)))
    (row,) = rows(changes_of(*columns), wrapped(fields, envelope("c", before=None, after=after)))
    assert (row["id"], row["o"]) == (1, {"a": 2})
    assert json.loads(row["_unknown"]) == {"v": count, "o": {"v": count}}


_WORD = "__debezium_unavailable_value"
_WORD_BASE64 = base64.b64encode(_WORD.encode()).decode()


@pytest.mark.fault(47)
@pytest.mark.parametrize(
    ("declared", "value"),
    [
        (column("v", Kind.STRING, required=True), _WORD),
        (column("v", Kind.DECIMAL, required=True, **_MONEY), _WORD),
        (column("v", Kind.BYTES, required=True), _WORD_BASE64),
        (column("v", Kind.STRING), _WORD.encode().hex()),
        (column("v", Kind.JSON), _WORD),
        (column("v", Kind.ARRAY, item=column("element", Kind.STRING)), [_WORD]),
        (column("v", Kind.ARRAY, item=column("element", Kind.BYTES)), [_WORD_BASE64]),
        (
            column("v", Kind.ARRAY, item=column("element", Kind.UUID)),
            ["b68a35a7-17ad-35b3-af2a-ae46edb4545a"],
        ),
        (column("v", Kind.ARRAY, item=column("element", Kind.BIGINT)), list(_WORD.encode())),
        (
            column("v", Kind.MAP, key=ColumnType(kind=Kind.STRING), value=ColumnType(kind=Kind.STRING)),
            {_WORD: _WORD},
        ),
    ],
)
def test_what_the_source_did_not_send(declared: Column, value: Any) -> None:
    """It is null and named, with its placeholder, in `_unknown`; `required` does not hold for it."""
    contract = changes_of(column("id", Kind.INT, required=True), declared)
    text = json.dumps(envelope("u", before=None, after={"id": 1, "v": value}), separators=(",", ":"))
    (row,) = rows(contract, text)
    assert (row["id"], row["v"]) == (1, None)
    assert json.loads(row["_unknown"]) == {"v": value}


def test_required_holds_for_the_others() -> None:
    """A row with a placeholder is no less strict about what it says."""
    contract = changes_of(column("a", Kind.STRING, required=True), column("b", Kind.STRING, required=True))
    for after in ({"a": _WORD}, {"a": _WORD, "b": None}):
        found = letter(contract, plain("u", before=None, after=after))
        assert (found.rule, found.path) == ("required", "$.after.b")
    found = letter(contract, plain("u", before=None, after={"a": _WORD, "b": 1}))
    assert (found.rule, found.path) == ("type", "$.after.b")


def test_the_word_within_a_text_is_a_text() -> None:
    """Only a value that is the placeholder counts as one."""
    (row,) = rows(changes_of(column("v", Kind.STRING)), plain("c", before=None, after={"v": f"not {_WORD}"}))
    assert (row["v"], row["_unknown"]) == (f"not {_WORD}", None)


@pytest.mark.fault(27)
def test_schemas_may_change_within_a_batch() -> None:
    """Each message is read by its own schema."""
    contract = changes_of(column("v", Kind.DECIMAL, **_MONEY))
    values = [
        wrapped(
            [field("v", "bytes", f"{_CONNECT}Decimal", parameters={"scale": str(scale)})],
            envelope("c", before=None, after={"v": _base64(100)}),
        )
        for scale in (0, 1, 2)
    ]
    typed = decoded(contract, batch(*values))
    assert typed.rows["v"].to_pylist() == [Decimal(100), Decimal(10), Decimal(1)]
