"""Change events in Avro, beyond what equals JSON."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest

from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding
from mesh_defs.model.records import Stage
from tests.decode.builders import batch, column, decoded, letter, rows
from tests.decode.debezium.messages import ANNE, CUSTOMERS, avro_changes, changes_of, envelope, optional

_FIELDS = [
    {"name": "id", "type": "int"},
    {"name": "first_name", "type": optional("string")},
    {"name": "email", "type": optional("string")},
]
_TIME = "io.debezium.time."
_WORD = "__debezium_unavailable_value"
_SOURCE = {"lsn": 7, "ts_us": 1_559_033_904_863_123, "sequence": '["3","7"]'}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _changes(folder: Path, fields: list[dict[str, Any]], *columns: Column) -> tuple[StreamContract, Any]:
    return avro_changes(folder, fields, changes_of(*columns))


def _other(folder: Path, schema: dict[str, Any], payload: dict[str, Any]) -> tuple[StreamContract, bytes]:
    """Return the contract of a stream whose schema is another one, and one payload of it."""
    contract, _ = _changes(folder, _FIELDS, *CUSTOMERS)
    (folder / "value.avsc").write_text(json.dumps(schema))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), payload)
    return contract, out.getvalue()


def test_each_operation_leaves_a_row(tmp_path: Path) -> None:
    """As in JSON, many at once."""
    contract, encode = _changes(tmp_path, _FIELDS, *CUSTOMERS)
    values = [
        encode(envelope("r", after=ANNE, source=_SOURCE)),
        encode(envelope("u", before=ANNE, after=ANNE | {"email": None}, source=_SOURCE)),
        encode(envelope("d", before=ANNE, source=_SOURCE)),
        None,
        encode(envelope("t", source=_SOURCE)),
    ]
    found = rows(contract, *values * 3)
    told = '{"id":1,"first_name":"Anne","email":"annek@noanswer.org"}'
    assert [(r["id"], r["email"], r["_op"], r["_before"], r["_tombstone"]) for r in found[:5]] == [
        (1, "annek@noanswer.org", "r", None, False),
        (1, None, "u", told, False),
        (None, None, "d", told, False),
        (None, None, None, None, True),
        (None, None, "t", None, False),
    ]
    assert found[0]["_source_position"] == f"{3:020}:{7:020}"
    assert found[2]["_event_time"] == _EPOCH + dt.timedelta(microseconds=1_559_033_904_863_123)


@pytest.mark.parametrize(
    ("payload", "rule", "path", "stage"),
    [
        (envelope("x", source={}), "debezium_op", "$.op", Stage.ENVELOPE),
        (envelope("c", source={}), "debezium_after", "$.after", Stage.ENVELOPE),
        (envelope("d", after=ANNE, source={}), "debezium_after", "$.after", Stage.ENVELOPE),
        (envelope("d", source={"ts_us": 1 << 60}), "timestamp_range", "$.source", Stage.ENVELOPE),
        (
            envelope("c", after=ANNE | {"first_name": None}, source={}),
            "required",
            "$.after.first_name",
            Stage.VALIDATE,
        ),
    ],
)
def test_what_is_no_change_is_refused(
    tmp_path: Path, payload: dict[str, Any], rule: str, path: str, stage: Stage
) -> None:
    """Each by its rule, and the others keep their places."""
    contract, encode = _changes(tmp_path, _FIELDS, *CUSTOMERS)
    good = encode(envelope("c", after=ANNE, source={}))
    typed = decoded(contract, batch(good, encode(payload), good))
    assert [(bad.index, bad.rule, bad.path, bad.stage) for bad in typed.dead_letters] == [
        (1, rule, path, stage)
    ]
    assert typed.rows["id"].to_pylist() == [1, 1]


def test_a_plain_record_is_told_what_to_do(tmp_path: Path) -> None:
    """A row out of its envelope, or an envelope without `op`."""
    flat = {"type": "record", "name": "Value", "fields": _FIELDS}
    contract, value = _other(tmp_path, flat, ANNE)
    found = letter(contract, value)
    assert (found.stage, found.rule) == (Stage.ENVELOPE, "debezium_envelope")
    assert "`envelope: none`" in found.message
    no_op = {"type": "record", "name": "E", "fields": [{"name": "after", "type": ["null", flat]}]}
    contract, value = _other(tmp_path, no_op, {"after": ANNE})
    assert letter(contract, value).rule == "debezium_op"


def test_a_logical_message(tmp_path: Path) -> None:
    """Its schema has no rows; what it says stands in `_unknown`."""
    members = [{"name": "prefix", "type": "string"}, {"name": "content", "type": "bytes"}]
    message = {"type": "record", "name": "Message", "fields": members}
    fields = [{"name": "op", "type": "string"}, {"name": "message", "type": message}]
    schema = {"type": "record", "name": "MessageValue", "fields": fields}
    payload = {"op": "m", "message": {"prefix": "foo", "content": b"bar"}}
    contract, value = _other(tmp_path, schema, payload)
    (row,) = rows(contract, value)
    assert (row["_op"], row["id"]) == ("m", None)
    assert row["_unknown"] == '{"message":{"prefix":"foo","content":"YmFy"}}'


def test_mongodb_writes_documents_as_text(tmp_path: Path) -> None:
    """Images that are strings are read as the documents that they hold."""
    fields = [
        {"name": name, "type": optional("string", "io.debezium.data.Json")} for name in ("before", "after")
    ]
    schema = {"type": "record", "name": "Envelope", "fields": [*fields, {"name": "op", "type": "string"}]}
    after = '{"id": 1, "first_name": "A"}'
    contract, value = _other(tmp_path, schema, {"before": '{"id": 2}', "after": after, "op": "u"})
    (row,) = rows(contract, value)
    assert (row["id"], row["first_name"], row["_before"]) == (1, "A", '{"id":2}')


def test_unknown_fields(tmp_path: Path) -> None:
    """They are spelled as in JSON with its schema."""
    fields = [*_FIELDS, {"name": "at", "type": optional("long", f"{_TIME}MicroTimestamp")}]
    contract, encode = _changes(tmp_path, fields, *CUSTOMERS)
    (row,) = rows(contract, encode(envelope("c", after=ANNE | {"at": 0}, source={})))
    assert row["_unknown"] == '{"at":"1970-01-01T00:00:00Z"}'


@pytest.mark.parametrize(
    ("declared", "written", "value", "stored"),
    [
        (
            column("v", Kind.TIMESTAMP),
            optional("long", f"{_TIME}Timestamp"),
            1,
            _EPOCH.replace(microsecond=1000),
        ),
        (
            column("v", Kind.TIMESTAMP, timezone=False),
            optional("long", f"{_TIME}MicroTimestamp"),
            1,
            _EPOCH.replace(microsecond=1, tzinfo=None),
        ),
        (
            column("v", Kind.TIMESTAMP),
            optional("long", f"{_TIME}NanoTimestamp"),
            1000,
            _EPOCH.replace(microsecond=1),
        ),
        (
            column("v", Kind.TIMESTAMP),
            optional("long", "org.apache.kafka.connect.data.Timestamp", logicalType="timestamp-millis"),
            _EPOCH,
            _EPOCH,
        ),
        (column("v", Kind.DATE), optional("int", f"{_TIME}Date"), 1, dt.date(1970, 1, 2)),
        (column("v", Kind.TIME), optional("int", f"{_TIME}Time"), 1, dt.time(0, 0, 0, 1000)),
        (column("v", Kind.TIME), optional("long", f"{_TIME}MicroTime"), 1, dt.time(0, 0, 0, 1)),
        (
            column("v", Kind.TIME, encoding=TimeEncoding.TIME_NS),
            optional("long", f"{_TIME}NanoTime"),
            1000,
            dt.time(0, 0, 0, 1),
        ),
        (
            column("v", Kind.TIME),
            optional("long", f"{_TIME}NanoTime"),
            123_456_000,
            dt.time(0, 0, 0, 123_456),
        ),
        (column("v", Kind.BIGINT), optional("long", f"{_TIME}NanoTime"), 7, 7),
        (column("v", Kind.DATE), optional("string", f"{_TIME}IsoDate"), "2018-01-02Z", dt.date(2018, 1, 2)),
        (column("v", Kind.TIME), optional("string", f"{_TIME}IsoTime"), "12:13:14Z", dt.time(12, 13, 14)),
        (
            column("v", Kind.TIMESTAMP, timezone=False),
            optional("string", f"{_TIME}IsoTimestamp"),
            "1970-01-01T00:00:01Z",
            _EPOCH.replace(second=1, tzinfo=None),
        ),
        (
            column("v", Kind.TIMESTAMP),
            optional("string", f"{_TIME}IsoTimestamp"),
            "1970-01-01T00:00:01Z",
            _EPOCH.replace(second=1),
        ),
        (column("v", Kind.STRING), optional("string", f"{_TIME}IsoDate"), "2018-01-02Z", "2018-01-02Z"),
        (
            column("v", Kind.OBJECT, fields=(column("a", Kind.BIGINT),)),
            optional("string", "io.debezium.data.Json"),
            '{"a": 1}',
            {"a": 1},
        ),
        (column("v", Kind.ARRAY, item=column("element", Kind.STRING)), optional("string"), '["a"]', ["a"]),
        (
            column("v", Kind.MAP, key=ColumnType(kind=Kind.STRING), value=ColumnType(kind=Kind.STRING)),
            optional("string", "io.debezium.data.Json"),
            '{"k": "v"}',
            [("k", "v")],
        ),
        (column("v", Kind.BIGINT), optional("long", f"{_TIME}MicroTimestamp"), 1, 1),
        (column("v", Kind.JSON), optional("string", "io.debezium.data.Json"), '{"a": 1}', '{"a":1}'),
    ],
)
def test_connects_names_say_what_numbers_mean(
    tmp_path: Path, declared: Column, written: list[Any], value: Any, stored: Any
) -> None:
    """Debezium's types have no logical type in Avro, only `connect.name`; they tell no zone."""
    contract, encode = _changes(tmp_path, [{"name": "v", "type": written}], declared)
    (row,) = rows(contract, encode(envelope("c", after={"v": value}, source={})))
    assert row["v"] == stored


@pytest.mark.parametrize(
    ("text", "rule", "path"),
    [
        ("{", "json_syntax", "$.after.v"),
        ('{"a": 1}, "v": {"a": 2}', "json_syntax", "$.after.v"),
        ("[]", "type", "$.after.v"),
        ('{"a": "x"}', "type", "$.after.v.a"),
        ('{"a": 1, "b": 2}', "unknown_field", "$.after.v.b"),
    ],
)
def test_a_text_that_is_not_the_columns_object(tmp_path: Path, text: str, rule: str, path: str) -> None:
    """Where within the text, and without its words; the others of the batch keep their places."""
    declared = column("v", Kind.OBJECT, fields=(column("a", Kind.BIGINT),))
    contract, encode = _changes(tmp_path, [{"name": "v", "type": optional("string")}], declared)
    good, bad = (encode(envelope("c", after={"v": value}, source={})) for value in ('{"a": 1}', text))
    typed = decoded(contract, batch(good, bad, good))
    assert [(found.index, found.rule, found.path) for found in typed.dead_letters] == [(1, rule, path)]
    assert typed.rows["v"].to_pylist() == [{"a": 1}, {"a": 1}]


def test_decimals_whose_scale_varies(tmp_path: Path) -> None:
    """`numeric` without a scale is a record of the scale and the digits."""
    members = [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]
    record = {
        "type": "record",
        "name": "VariableScaleDecimal",
        "namespace": "io.debezium.data",
        "fields": members,
    }
    fields = [
        {"name": name, "type": ["null", type_]}
        for name, type_ in (("v", record), ("w", f"{record['namespace']}.{record['name']}"))
    ]
    contract, encode = _changes(tmp_path, fields, column("v", Kind.DECIMAL, precision=9, scale=3))
    image = {"v": {"scale": 2, "value": (150).to_bytes(2)}, "w": {"scale": 0, "value": b"\xff"}}
    (row,) = rows(contract, encode(envelope("u", before=image, after=image, source={})))
    assert (row["v"], row["_unknown"]) == (Decimal("1.5"), '{"w":-1}')
    assert row["_before"] == '{"v":1.50,"w":-1}'


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize(
    ("declared", "type_", "value"),
    [
        (column("v", Kind.STRING, required=True), "string", _WORD),
        (column("v", Kind.BYTES, required=True), "bytes", _WORD.encode()),
        (
            column("v", Kind.ARRAY, item=column("element", Kind.STRING)),
            {"type": "array", "items": "string"},
            [_WORD],
        ),
        (
            column("v", Kind.ARRAY, item=column("element", Kind.BIGINT)),
            {"type": "array", "items": "long"},
            list(_WORD.encode()),
        ),
        (
            column("v", Kind.MAP, key=ColumnType(kind=Kind.STRING), value=ColumnType(kind=Kind.STRING)),
            {"type": "map", "values": "string"},
            {_WORD: _WORD},
        ),
    ],
)
def test_what_the_source_did_not_send(
    tmp_path: Path, declared: Column, type_: Any, value: Any, count: int
) -> None:
    """It is null and named, with its placeholder, in `_unknown`, in some rows of many."""
    fields = [{"name": "id", "type": ["null", "int"]}, {"name": "v", "type": ["null", type_]}]
    contract, encode = _changes(tmp_path, fields, column("id", Kind.INT, required=True), declared)
    told = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    empty: Any = type(value)()
    values = [
        encode(envelope("u", after={"id": n, "v": value if n % 2 else empty}, source={}))
        for n in range(count + 1)
    ]
    found = rows(contract, *values)
    assert [row["id"] for row in found] == list(range(count + 1))
    for row in found:
        lacking = row["id"] % 2
        assert (row["v"] is None) == bool(lacking)
        assert (json.loads(row["_unknown"]) if lacking else row["_unknown"]) == (
            {"v": told} if lacking else None
        )
    bad = letter(contract, encode(envelope("u", after={"id": None, "v": value}, source={})))
    assert (bad.rule, bad.path) == ("required", "$.after.id")
