"""Which column takes what of a writer's types, and what is refused; no value is converted in silence."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.types import Column, ColumnType, Kind, Limits, TimeEncoding
from tests.avro_values import encoded
from tests.decode.avro.streams import avro_stream, record, rules, typed
from tests.decode.builders import column

UTC = dt.UTC
ID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
FIXED_ID = {"type": "fixed", "name": "U", "size": 16, "logicalType": "uuid"}
POINT = {
    "type": "record",
    "name": "P",
    "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int"}],
}
NODE = {
    "type": "record",
    "name": "N",
    "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "N"]}],
}


def logical(type_: str, name: str, **more: Any) -> dict[str, Any]:
    """Return a logical type."""
    return {"type": type_, "logicalType": name, **more}


def kind(of: Kind, **more: Any) -> ColumnType:
    """Return a column's type."""
    return ColumnType(kind=of, **more)


def both(folder: Path, writer: Any, type_: ColumnType, payloads: list[bytes], **more: Any) -> Any:
    """Return what became of records of one field `v`, the same whichever decoder read them."""
    contract = avro_stream(folder, record(v=writer), Column(name="v", type=type_, **more))
    few = typed(contract, *payloads)
    many = typed(contract, *payloads * 60)
    assert many.rows["v"].to_pylist() == few.rows["v"].to_pylist() * 60
    assert rules(many) == rules(few) * 60
    return few


DECIMAL = logical("bytes", "decimal", precision=6, scale=2)

TAKEN: list[tuple[Any, Any, ColumnType, Any]] = [
    ("int", 7, kind(Kind.BIGINT), 7),
    ("long", 7, kind(Kind.INT), 7),
    ("long", -(1 << 15), kind(Kind.SMALLINT), -(1 << 15)),
    ("int", 7, kind(Kind.DOUBLE), 7.0),
    ("long", 1 << 60, kind(Kind.DOUBLE), float(1 << 60)),
    ("long", 1 << 24, kind(Kind.FLOAT), float(1 << 24)),
    ("float", 0.1, kind(Kind.DOUBLE), 0.10000000149011612),
    ("float", 0.5, kind(Kind.FLOAT), 0.5),
    ("double", math.inf, kind(Kind.DOUBLE), math.inf),
    ("string", "a\0ä", kind(Kind.BYTES), "a\0ä".encode()),
    ("bytes", "a\0ä".encode(), kind(Kind.STRING), "a\0ä"),
    ("int", 7, kind(Kind.DECIMAL, precision=3, scale=2), Decimal("7.00")),
    (DECIMAL, Decimal("1.50"), kind(Kind.DECIMAL, precision=6, scale=2), Decimal("1.50")),
    (DECIMAL, Decimal("1.50"), kind(Kind.DECIMAL, precision=2, scale=1), Decimal("1.5")),
    (DECIMAL, Decimal("1.50"), kind(Kind.DECIMAL, precision=38, scale=30), Decimal("1.5")),
    ("string", "12.5", kind(Kind.DECIMAL, precision=3, scale=1), Decimal("12.5")),
    ("string", str(ID), kind(Kind.UUID), ID),
    (logical("string", "uuid"), str(ID), kind(Kind.STRING), str(ID)),
    (FIXED_ID, ID.bytes, kind(Kind.UUID), ID),
    (FIXED_ID, ID.bytes, kind(Kind.STRING), str(ID)),
    (FIXED_ID, ID.bytes, kind(Kind.BYTES), ID.bytes),
    ({"type": "enum", "name": "E", "symbols": ["A"]}, "A", kind(Kind.STRING), "A"),
    ("string", "2024-02-29", kind(Kind.DATE), dt.date(2024, 2, 29)),
    ("string", "01:02:03.5", kind(Kind.TIME), dt.time(1, 2, 3, 500_000)),
    ("string", "2024-02-29T00:00:00+01:00", kind(Kind.TIMESTAMP), dt.datetime(2024, 2, 28, 23, tzinfo=UTC)),
    (
        "long",
        1_500,
        kind(Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_MS),
        dt.datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC),
    ),
    ("int", 3, kind(Kind.DATE, encoding=TimeEncoding.EPOCH_D), dt.date(1970, 1, 4)),
    (
        logical("long", "timestamp-micros"),
        1,
        kind(Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_S),
        dt.datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
    ),
    (
        logical("long", "timestamp-nanos"),
        1_000,
        kind(Kind.TIMESTAMP),
        dt.datetime(1970, 1, 1, 0, 0, 0, 1, UTC),
    ),
    (logical("long", "timestamp-nanos"), 1_001, kind(Kind.BIGINT), 1_001),
    (
        logical("long", "local-timestamp-millis"),
        1,
        kind(Kind.TIMESTAMP, timezone=False),
        dt.datetime(1970, 1, 1, 0, 0, 0, 1_000),  # noqa: DTZ001
    ),
    (logical("int", "date"), 3, kind(Kind.INT), 3),
    ("string", '{"b": 1.10, "a": []}', kind(Kind.JSON), '{"b":1.10,"a":[]}'),
    (POINT, {"x": 1, "y": 2}, kind(Kind.JSON), '{"x":1,"y":2}'),
    ({"type": "map", "values": "bytes"}, {"a": b"\xff"}, kind(Kind.JSON), '{"a":"/w=="}'),
    (
        {"type": "map", "values": "int"},
        {"1": 2},
        kind(Kind.MAP, key=kind(Kind.INT), value=kind(Kind.BIGINT)),
        [(1, 2)],
    ),
    (
        NODE,
        {"v": 1, "next": {"v": 2, "next": {"v": 3, "next": None}}},
        kind(Kind.OBJECT, fields=(column("next", Kind.JSON),)),
        {"next": '{"v":2,"next":{"v":3,"next":null}}'},
    ),
    (["null", "string", "long"], 5, kind(Kind.JSON), '{"long":5}'),
    (
        ["null", "string", "long"],
        5,
        kind(Kind.OBJECT, fields=(column("string", Kind.STRING), column("long", Kind.INT))),
        {"string": None, "long": 5},
    ),
    (["int", "long", "null"], 5, kind(Kind.BIGINT), 5),
    (["int", "double"], 5.5, kind(Kind.DOUBLE), 5.5),
    (["string"], "x", kind(Kind.STRING), "x"),
    ("null", None, kind(Kind.STRING), None),
    (["null"], None, kind(Kind.JSON), None),
]


@pytest.mark.parametrize(("writer", "value", "type_", "stored"), TAKEN)
def test_a_column_takes_what_loses_nothing(
    tmp_path: Path, writer: Any, value: Any, type_: ColumnType, stored: Any
) -> None:
    """The same type, a promotion of Avro's by its value, or what the contract's words say that it is."""
    found = both(tmp_path, writer, type_, [encoded(record(v=writer), {"v": value})])
    assert rules(found) == []
    assert found.rows["v"].to_pylist() == [stored]


REFUSED: list[tuple[Any, Any, ColumnType, str]] = [
    ("long", 1 << 31, kind(Kind.INT), "range"),
    ("int", 1 << 15, kind(Kind.SMALLINT), "range"),
    ("long", (1 << 53) + 1, kind(Kind.DOUBLE), "range"),
    ("int", (1 << 24) + 1, kind(Kind.FLOAT), "range"),
    ("double", 0.5, kind(Kind.FLOAT), "type"),
    ("double", 1.0, kind(Kind.BIGINT), "type"),
    ("double", 1.0, kind(Kind.DECIMAL, precision=3, scale=2), "type"),
    ("boolean", True, kind(Kind.BIGINT), "type"),
    ("int", 1, kind(Kind.BOOLEAN), "type"),
    ("int", 1, kind(Kind.STRING), "type"),
    ("bytes", b"\xff", kind(Kind.STRING), "format"),
    ({"type": "fixed", "name": "F", "size": 1}, b"a", kind(Kind.STRING), "type"),
    ("string", "1", kind(Kind.BIGINT), "type"),
    ("int", 10, kind(Kind.DECIMAL, precision=3, scale=2), "range"),
    (DECIMAL, Decimal("1.55"), kind(Kind.DECIMAL, precision=6, scale=1), "range"),
    (DECIMAL, Decimal("999.99"), kind(Kind.DECIMAL, precision=4, scale=2), "range"),
    (DECIMAL, Decimal("1.55"), kind(Kind.DOUBLE), "type"),
    ("string", "x", kind(Kind.DECIMAL, precision=6, scale=1), "format"),
    ("string", "x", kind(Kind.UUID), "format"),
    ("string", "2024-02-30", kind(Kind.DATE), "format"),
    ("string", "20240229", kind(Kind.DATE), "format"),
    ("string", "2024-02-29T00:00:00", kind(Kind.TIMESTAMP), "format"),
    ("long", 1, kind(Kind.TIMESTAMP), "type"),
    (logical("int", "date"), 1, kind(Kind.TIMESTAMP), "type"),
    (logical("int", "date"), -719_163, kind(Kind.DATE), "range"),
    (logical("int", "time-millis"), 86_400_000, kind(Kind.TIME), "range"),
    (logical("long", "time-micros"), -1, kind(Kind.TIME), "range"),
    (logical("long", "timestamp-millis"), 1 << 62, kind(Kind.TIMESTAMP), "range"),
    (logical("long", "timestamp-millis"), 1, kind(Kind.TIMESTAMP, timezone=False), "type"),
    (logical("long", "local-timestamp-millis"), 1, kind(Kind.TIMESTAMP), "type"),
    (logical("long", "timestamp-nanos"), 1, kind(Kind.TIMESTAMP), "range"),
    ("string", "[1]", kind(Kind.JSON), "type"),
    ("int", 1, kind(Kind.JSON), "type"),
    (NODE, {"v": 1, "next": None}, kind(Kind.ARRAY, item=column("element", Kind.INT)), "type"),
    (["null", "string", "long"], "x", kind(Kind.BIGINT), "type"),
    (
        {"type": "map", "values": "int"},
        {"x": 2},
        kind(Kind.MAP, key=kind(Kind.INT), value=kind(Kind.INT)),
        "format",
    ),
]


@pytest.mark.fault(28)
@pytest.mark.parametrize(("writer", "value", "type_", "rule"), REFUSED)
def test_a_column_refuses_what_would_lose_something(
    tmp_path: Path, writer: Any, value: Any, type_: ColumnType, rule: str
) -> None:
    """A dead letter of the stage validate, whichever decoder read the record."""
    found = both(tmp_path, writer, type_, [encoded(record(v=_without_logical(writer)), {"v": value})])
    assert [(stage, name) for stage, name, _ in rules(found)] == [("validate", rule)]


def _without_logical(writer: Any) -> Any:
    if isinstance(writer, dict) and writer.get("logicalType", "decimal") != "decimal":
        return writer["type"]
    return writer


def test_a_null_of_a_type_that_does_not_fit_is_null(tmp_path: Path) -> None:
    """Only values are refused."""
    writer = ["null", "string"]
    payloads = [encoded(record(v=writer), {"v": value}) for value in (None, "x")]
    found = both(tmp_path, writer, kind(Kind.BIGINT), payloads)
    assert found.rows["v"].to_pylist() == [None]
    assert rules(found) == [("validate", "type", "$.v")]


def test_what_the_writer_lacks_is_null_or_refused(tmp_path: Path) -> None:
    """A required column of which the writer has no field refuses every record."""
    columns = (
        column("a", Kind.BIGINT),
        column("o", Kind.OBJECT, fields=(column("z", Kind.STRING), column("y", Kind.INT))),
    )
    schema = record(o=POINT)
    payload = encoded(schema, {"o": {"x": 1, "y": 2}})
    found = typed(avro_stream(tmp_path, schema, *columns), *[payload] * 60)
    assert found.rows["a"].null_count == 60
    assert found.rows["o"].to_pylist() == [{"z": None, "y": 2}] * 60
    assert found.rows["_unknown"].to_pylist() == ['{"o":{"x":1}}'] * 60
    needed = column("a", Kind.BIGINT, required=True)
    assert rules(typed(avro_stream(tmp_path, schema, needed), payload)) == [("validate", "required", "$.a")]


def test_options_are_checked_by_the_same_code_as_those_of_documents(tmp_path: Path) -> None:
    """Bounds, lengths, patterns, sizes, uniqueness; the path tells where."""
    schema = record(
        n="long",
        d="double",
        s="string",
        b="bytes",
        a={"type": "array", "items": "int"},
        m={"type": "map", "values": "int"},
    )
    text = Limits(min_length=2, max_length=3, pattern="^a")
    columns = [
        column("n", Kind.BIGINT, limits=Limits(minimum=0, maximum=9, multiple_of=3)),
        column("d", Kind.DOUBLE, limits=Limits(minimum=0, multiple_of=Decimal("0.1"))),
        column("s", Kind.STRING, limits=text),
        column("b", Kind.BYTES, limits=Limits(max_length=1)),
        column(
            "a",
            Kind.ARRAY,
            item=column("element", Kind.INT, limits=Limits(maximum=5)),
            limits=Limits(unique_items=True, max_items=2),
        ),
        column(
            "m", Kind.MAP, key=kind(Kind.STRING), value=kind(Kind.INT), limits=Limits(required_keys=("k",))
        ),
    ]
    good = {"n": 3, "d": 0.3, "s": "ab", "b": b"", "a": [1, 2], "m": {"k": 1}}
    bad = [
        ({"n": -3}, "minimum", "$.n"),
        ({"n": 12}, "maximum", "$.n"),
        ({"n": 4}, "multiple_of", "$.n"),
        ({"d": math.nan}, "minimum", "$.d"),
        ({"d": math.inf}, "multiple_of", "$.d"),
        ({"d": 0.25}, "multiple_of", "$.d"),
        ({"s": "a"}, "min_length", "$.s"),
        ({"s": "abcd"}, "max_length", "$.s"),
        ({"s": "ba"}, "pattern", "$.s"),
        ({"b": b"ab"}, "max_length", "$.b"),
        ({"a": [1, 9]}, "maximum", "$.a[1]"),
        ({"a": [1, 1]}, "unique_items", "$.a"),
        ({"a": [1, 2, 3]}, "max_items", "$.a"),
        ({"m": {"j": 1}}, "required", "$.m"),
    ]
    payloads = [encoded(schema, good | change) for change, _, _ in bad]
    mixed = [p for payload in payloads for p in (payload, encoded(schema, good))]
    found = typed(avro_stream(tmp_path, schema, *columns), *mixed)
    assert rules(found) == [("validate", rule, path) for _, rule, path in bad]
    assert len(found.rows) == len(bad)


def test_an_object_counts_its_members_that_are_not_null(tmp_path: Path) -> None:
    """As in documents."""
    schema = record(
        o={"type": "record", "name": "O", "fields": [{"name": n, "type": ["null", "int"]} for n in "ab"]}
    )
    fields = (column("a", Kind.INT), column("b", Kind.INT))
    contract = avro_stream(
        tmp_path, schema, column("o", Kind.OBJECT, fields=fields, limits=Limits(min_properties=1))
    )
    found = typed(contract, b"\x02\x02\0", b"\0\0")
    assert found.rows["o"].to_pylist() == [{"a": 1, "b": None}]
    assert rules(found) == [("validate", "min_properties", "$.o")]


def test_required_members_are_those_of_what_is_there(tmp_path: Path) -> None:
    """An object that is null lacks none of them; one that is there tells which."""
    inner = {"type": "record", "name": "O", "fields": [{"name": "a", "type": ["null", "int"]}]}
    schema = record(o=["null", inner], os={"type": "array", "items": "O"})
    object_ = kind(Kind.OBJECT, fields=(column("a", Kind.INT, required=True),))
    contract = avro_stream(
        tmp_path,
        schema,
        Column(name="o", type=object_),
        column("os", Kind.ARRAY, item=Column(name="element", type=object_)),
    )
    found = typed(
        contract,
        b"\0\0",
        b"\x02\x02\x06\0",
        b"\x02\0\0",
        b"\0\x04\x02\x06\0\0",
        b"\x02\x02\x06\x02\x02\x08\0",
    )
    assert found.rows["o"].to_pylist() == [None, {"a": 3}, {"a": 3}]
    assert found.rows["os"].to_pylist() == [[], [], [{"a": 4}]]
    assert rules(found) == [("validate", "required", "$.o.a"), ("validate", "required", "$.os[1].a")]


def test_of_equal_keys_of_a_map_the_last_one_wins(tmp_path: Path) -> None:
    """As in documents; keys that are one UUID in two spellings are refused."""
    schema = record(m={"type": "map", "values": "int"})
    contract = avro_stream(
        tmp_path, schema, column("m", Kind.MAP, key=kind(Kind.STRING), value=kind(Kind.INT))
    )
    assert typed(contract, b"\x04\x02a\x02\x02a\x04\0").rows["m"].to_pylist() == [[("a", 2)]]
    by_id = avro_stream(tmp_path, schema, column("m", Kind.MAP, key=kind(Kind.UUID), value=kind(Kind.INT)))
    payload = encoded(schema, {"m": {str(ID): 1, str(ID).upper(): 2}})
    assert rules(typed(by_id, payload)) == [("validate", "duplicate_key", "$.m")]


def test_depth_and_weightless_elements_are_bounded(tmp_path: Path) -> None:
    """Short payloads can announce endless nesting, and any number of elements that take no bytes."""
    chain = avro_stream(tmp_path, record(n=NODE), column("n", Kind.JSON))
    assert len(typed(chain, b"\x02\x02" * 100 + b"\x02\0").rows) == 1
    assert rules(typed(chain, b"\x02\x02" * 5_000 + b"\x02\0")) == [("decode", "depth", "$")]
    nulls = avro_stream(tmp_path, record(a={"type": "array", "items": "null"}), column("a", Kind.JSON))
    assert typed(nulls, b"\x06\0").rows["a"].to_pylist() == ["[null,null,null]"]
    huge = b"\xfe" + b"\xff" * 8 + b"\1"
    assert rules(typed(nulls, huge + b"\0")) == [("decode", "avro", "$.a")]
    numbers = avro_stream(tmp_path, record(a={"type": "array", "items": "int"}), column("a", Kind.JSON))
    assert rules(typed(numbers, *[huge + b"\0"] * 60)) == [("decode", "avro", "$.a")] * 60


DAY = logical("int", "date")
DAYS = kind(Kind.ARRAY, item=column("element", Kind.DATE, encoding=TimeEncoding.EPOCH_D))
MIXED: list[tuple[Any, ColumnType, Any, Any, str]] = [
    (DAY, kind(Kind.DATE), 15_706, 3_000_000, "range"),
    (["null", DAY], kind(Kind.DATE), 15_706, None, "required"),
    (logical("int", "time-millis"), kind(Kind.TIME), 1, 86_400_000, "range"),
    ("int", kind(Kind.DATE, encoding=TimeEncoding.EPOCH_D), 1, 3_000_000, "range"),
    (["null", "int"], kind(Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_S), 1, None, "required"),
    ({"type": "array", "items": DAY}, DAYS, [1, 2], [1, 3_000_000], "range"),
    ("long", kind(Kind.INT), 7, 1 << 31, "range"),
    (DECIMAL, kind(Kind.DECIMAL, precision=4, scale=2), Decimal("9.99"), Decimal("999.99"), "range"),
    ("string", kind(Kind.UUID), str(ID), "x", "format"),
]


@pytest.mark.fault(20)
@pytest.mark.parametrize("count", [5, 200])
@pytest.mark.parametrize("case", MIXED)
def test_a_bad_value_refuses_no_other_record(
    tmp_path: Path, case: tuple[Any, ColumnType, Any, Any, str], count: int
) -> None:
    """However many stand around it."""
    writer, type_, good, bad, rule = case
    contract = avro_stream(tmp_path, record(v=writer), Column(name="v", type=type_, required=True))
    plain = record(v=_without_logical(writer))
    values = [bad if n == 2 else good for n in range(count)]
    found = typed(contract, *[encoded(plain, {"v": _written(value)}) for value in values])
    assert [(letter.index, letter.rule) for letter in found.dead_letters] == [(2, rule)]
    assert found.rows.num_rows == count - 1


def _written(value: Any) -> Any:
    """Return a value as its writer's type without logical types has it."""
    if isinstance(value, Decimal):
        return int(value.scaleb(2)).to_bytes(4, "big", signed=True)
    return value
