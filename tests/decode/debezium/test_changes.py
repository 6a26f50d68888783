"""Change events: what each operation leaves, and what is refused."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.choices import OnUnknownField
from mesh_defs.contract.types import Kind
from mesh_defs.model.records import Stage
from tests.decode.builders import batch, column, decoded, letter, rows
from tests.decode.debezium.messages import ANNE, CUSTOMERS, MYSQL, changes_of, envelope, field, plain, wrapped

_CONTRACT = changes_of(*CUSTOMERS)
_FIELDS = [field("id", "int32"), field("first_name", "string"), field("email", "string")]
_NAMES = ("id", "first_name", "email", "_op", "_before", "_tombstone")


def _seen(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _NAMES)


def test_each_operation_leaves_a_row() -> None:
    """A snapshot, an insert, an update, a delete with its tombstone, a truncate and a message, in their order."""
    found = rows(
        _CONTRACT,
        plain("r", before=None, after=ANNE),
        plain("c", before=None, after=ANNE | {"id": 2}),
        plain("u", before={"id": 2}, after={"id": 2, "first_name": "Anne Marie", "email": None}),
        plain("d", before={"id": 2}, after=None),
        None,
        plain("t"),
        plain("m", message={"prefix": "foo", "content": "YmFy"}),
    )
    assert [_seen(row) for row in found] == [
        (1, "Anne", "annek@noanswer.org", "r", None, False),
        (2, "Anne", "annek@noanswer.org", "c", None, False),
        (2, "Anne Marie", None, "u", '{"id":2}', False),
        (None, None, None, "d", '{"id":2}', False),
        (None, None, None, None, None, True),
        (None, None, None, "t", None, False),
        (None, None, None, "m", None, False),
    ]
    assert [row["_unknown"] for row in found] == [None] * 6 + [
        '{"message":{"prefix":"foo","content":"YmFy"}}'
    ]


def test_the_wrapper_changes_nothing() -> None:
    """The same payloads with Kafka Connect's schema around them give the same rows."""
    payloads = [
        envelope("c", before=None, after=ANNE),
        envelope("u", before=ANNE, after=ANNE | {"more": [1, {"a": 1.50}]}),
        envelope("d", before=ANNE, after=None),
        envelope("t"),
        envelope("m", message={"prefix": "", "content": ""}),
    ]
    with_schema = rows(_CONTRACT, *[wrapped(_FIELDS, payload) for payload in payloads])
    assert with_schema == rows(_CONTRACT, *map(json.dumps, payloads))
    schemaless = [json.dumps({"schema": None, "payload": payload}) for payload in payloads]
    assert with_schema == rows(_CONTRACT, *schemaless)


def test_the_table_has_columns_for_changes() -> None:
    """They stand behind the platform's other columns, before `_raw`."""
    contract = changes_of(*CUSTOMERS, retain_raw=True)
    value = plain("c", before=None, after=ANNE)
    typed = decoded(contract, batch(value))
    assert typed.rows.schema == table_schema(contract)
    assert typed.rows.schema.names[-4:] == ["_op", "_source_position", "_before", "_raw"]
    assert typed.rows["_raw"].to_pylist() == [value.encode()]


def test_a_batch_of_changes_without_rows() -> None:
    """Nothing but deletes and tombstones is a batch like any other, also with nested columns."""
    contract = changes_of(column("o", Kind.OBJECT, fields=CUSTOMERS, required=True), column("u", Kind.UUID))
    found = rows(contract, plain("d", before=None, after=None), None, plain("t"))
    assert [(r["o"], r["u"], r["_op"]) for r in found] == [
        (None, None, "d"),
        (None, None, None),
        (None, None, "t"),
    ]


def test_time_is_the_sources() -> None:
    """To the microsecond where it is told, of deletes too; a tombstone has the record's."""
    finest = {"ts_ms": 1559033904863, "ts_us": 1559033904863123}
    sources: list[Any] = [
        finest,
        {"ts_ms": 1559033904863, "ts_ns": 1559033904863123999},
        {"ts_ms": 1500},
        {},
        None,
    ]
    values = [plain("d", before=None, after=None, source=source) for source in sources]
    second = dt.datetime(2019, 5, 28, 8, 58, 24, tzinfo=dt.UTC)
    start = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert [row["_event_time"] for row in rows(_CONTRACT, *values, None)] == [
        second.replace(microsecond=863_123),
        second.replace(microsecond=863_123),
        start.replace(second=1, microsecond=500_000),
        *[start.replace(second=1)] * 3,
    ]


def test_the_contracts_time_wins() -> None:
    """`eventTime` names a column; where a change leaves no row, the source's time takes its place."""
    contract = changes_of(column("at", Kind.TIMESTAMP), event_time="at", event_id="at")
    kept, gone = rows(
        contract,
        plain("c", before=None, after={"at": "2020-01-01T00:00:00Z"}),
        plain("d", before=None, after=None),
    )
    assert kept["_event_time"] == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert gone["_event_time"].year == 2019
    assert gone["_event_id"] == "shop.orders.v1/3/11"


@pytest.mark.parametrize(
    ("value", "rule", "path"),
    [
        ('{"id":1,"first_name":"Anne"}', "debezium_envelope", "$"),
        ('{"id":1,"first_name":"Anne","__op":"c","__deleted":"false"}', "debezium_envelope", "$"),
        ('{"id":1,"source":"web"}', "debezium_envelope", "$"),
        ('{"id":1,"payload":"{}","type":"outbox"}', "debezium_envelope", "$"),
        ('{"schema":{},"payload":{"id":1}}', "debezium_envelope", "$.payload"),
        ('{"ts_ms":1559033904863}', "debezium_envelope", "$"),
        ('{"status":"BEGIN","id":"571:53195829","ts_ms":1}', "debezium_envelope", "$"),
        ('{"before":null,"after":{"id":1,"first_name":"A"}}', "debezium_op", "$.op"),
        ('{"op":null,"after":{"id":1,"first_name":"A"}}', "debezium_op", "$.op"),
        ('{"op":"x","after":{"id":1,"first_name":"A"}}', "debezium_op", "$.op"),
        ('{"op":"C","after":{"id":1,"first_name":"A"}}', "debezium_op", "$.op"),
        ('{"op":1,"after":{"id":1,"first_name":"A"}}', "type", "$.op"),
        ('{"op":"c","after":null}', "debezium_after", "$.after"),
        ('{"op":"u","before":{"id":1}}', "debezium_after", "$.after"),
        ('{"op":"r"}', "debezium_after", "$.after"),
        ('{"schema":{},"payload":{"op":"r"}}', "debezium_after", "$.payload.after"),
        ('{"op":"d","after":{"id":1}}', "debezium_after", "$.after"),
        ('{"op":"t","after":{"id":1}}', "debezium_after", "$.after"),
        ('{"op":"c","after":[]}', "type", "$.after"),
        ('{"op":"d","before":1}', "type", "$.before"),
        ('{"op":"d","source":"web"}', "type", "$.source"),
        ('{"op":"d","source":{"ts_ms":"now"}}', "type", "$.source.ts_ms"),
        ('{"op":"d","source":{"ts_ms":1559033904863123}}', "timestamp_range", "$.source"),
        ('{"schema":[],"payload":{"op":"c","after":{}}}', "debezium_schema", "$.schema"),
        ('{"schema":{},"payload":null}', "type", "$.payload"),
        ("null", "type", "$"),
        ("[]", "type", "$"),
        ("", "json_syntax", "$"),
        ('{"op":"d","before":NaN}', "json_syntax", "$"),
        ('{"op":"c","after":{"id":1,"first_name":"\\ud800"}}', "json_syntax", "$"),
        (b'{"op":"d","source":{"name":"\xff"}}', "utf8", "$"),
        ('{"op":"m","message":' + "[" * 300 + "]" * 300 + "}", "depth", "$"),
    ],
)
def test_what_is_no_change_is_refused(value: str | bytes, rule: str, path: str) -> None:
    """Each of them is a dead letter of the envelope's stage, or of decoding where it is no good JSON."""
    found = letter(_CONTRACT, value)
    assert (found.rule, found.path) == (rule, path)
    assert found.stage is (Stage.DECODE if rule == "depth" else Stage.ENVELOPE)


def test_an_unwrapped_row_is_told_what_to_do() -> None:
    """The message names the transformation and the remedy."""
    assert "ExtractNewRecordState" in letter(_CONTRACT, '{"id":1}').message
    assert "`envelope: none`" in letter(_CONTRACT, '{"id":1}').message


@pytest.mark.parametrize(
    ("after", "stage", "rule", "path"),
    [
        ('{"id":"1","first_name":"A"}', Stage.VALIDATE, "type", "$.after.id"),
        ('{"id":1}', Stage.VALIDATE, "required", "$.after.first_name"),
        ('{"id":4294967296,"first_name":"A"}', Stage.VALIDATE, "range", "$.after.id"),
        ('{"id":1,"first_name":"A","x":' + "[" * 300 + "]" * 300 + "}", Stage.DECODE, "depth", "$.after"),
    ],
)
def test_the_row_keeps_to_its_contract(after: str, stage: Stage, rule: str, path: str) -> None:
    """What breaks a plain document breaks a row, at its place in the message."""
    found = letter(_CONTRACT, f'{{"op":"c","after":{after}}}')
    assert (found.stage, found.rule, found.path) == (stage, rule, path)
    found = letter(_CONTRACT, f'{{"schema":{{}},"payload":{{"op":"c","after":{after}}}}}')
    assert found.path == path.replace("$", "$.payload")


def test_unknown_fields_are_the_rows() -> None:
    """What the contract does not name is kept, counted and refused as in any document."""
    value = plain("c", before=None, after=ANNE | {"more": 1})
    typed = decoded(_CONTRACT, batch(value))
    assert typed.rows["_unknown"].to_pylist() == ['{"more":1}']
    assert typed.unknown_fields == {"$.more": 1}
    found = letter(changes_of(*CUSTOMERS, on_unknown_field=OnUnknownField.DEAD_LETTER), value)
    assert (found.rule, found.path) == ("unknown_field", "$.after.more")


def test_good_and_bad_together() -> None:
    """Whether a change is refused depends on nothing but itself, and the others keep their places."""
    values = [
        plain("c", before=None, after=ANNE),
        "{}",
        plain("d", before=ANNE, after=None),
        plain("c", before=None, after={"id": "x"}),
        None,
        plain("u", before=None, after=ANNE | {"id": 3, "first_name": "__debezium_unavailable_value"}),
        plain("u", before=None, after=ANNE | {"id": 4, "more": 1}),
    ]
    typed = decoded(_CONTRACT, batch(*values))
    assert [bad.index for bad in typed.dead_letters] == [1, 3]
    found = [(r["id"], r["first_name"], r["_op"], r["_unknown"]) for r in typed.rows.to_pylist()]
    assert found == [
        (1, "Anne", "c", None),
        (None, None, "d", None),
        (None, None, None, None),
        (3, None, "u", '{"first_name":"__debezium_unavailable_value"}'),
        (4, "Anne", "u", '{"more":1}'),
    ]


def test_before_need_not_satisfy_the_contract() -> None:
    """It is kept as it was written: fields missing, of other types, unknown, with every digit."""
    before = '{"id": "x", "price": 1.50, "big": 123456789012345678901234567890}'
    (row,) = rows(_CONTRACT, f'{{"op":"d","before":{before},"after":null}}')
    assert row["_before"] == '{"id":"x","price":1.50,"big":123456789012345678901234567890}'


def test_mongodb_writes_documents_as_text() -> None:
    """Images that are strings are read as the documents that they hold."""
    contract = changes_of(column("_id", Kind.INT, required=True), column("name", Kind.STRING))
    source = {"connector": "mongodb", "ts_ms": 1558965508000, "ord": 31, "collection": "customers"}
    (row,) = rows(contract, plain("u", before='{"_id":1}', after='{"_id": 1, "name": "A"}', source=source))
    assert (row["_id"], row["name"], row["_before"]) == (1, "A", '{"_id":1}')
    assert row["_source_position"] == "00000000001558965508:0000000031"
    assert letter(contract, plain("u", after='{"_id": 1')).rule == "json_syntax"


def test_a_mysql_change() -> None:
    """Its position is the binlog's."""
    (row,) = rows(_CONTRACT, plain("c", before=None, after=ANNE, source=MYSQL))
    assert row["_source_position"] == "mysql-bin.000003:00000000000000000484:0000000000"
    assert row["_event_time"] == dt.datetime(2016, 6, 9, 16, 56, 51, tzinfo=dt.UTC)
