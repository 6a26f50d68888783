"""Several event types in one topic: each record to its type's table, in offset order, whatever the batches are."""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.contract.choices import Envelope, OnUnknownField, TypeSource
from mesh_defs.contract.contract import EventTypeFrom, StreamContract
from mesh_defs.contract.types import Column, Kind
from mesh_defs.decode import decoder_for
from mesh_defs.model.records import Headers, RawBatch, Stage, TypedBatch
from tests.decode.builders import FIRST_OFFSET, INGESTED_AT, batch, column, stream

PLACED = (column("id", Kind.BIGINT, required=True), column("customer", Kind.STRING))
PAID = (column("id", Kind.BIGINT, required=True), column("amount", Kind.DOUBLE))
HEADER = EventTypeFrom(source=TypeSource.HEADER, name="kind")


def types_of(
    source: EventTypeFrom, types: Mapping[str, Sequence[Column]] | None = None, **options: Any
) -> StreamContract:
    """Return the contract of a stream of several types, each in the table called as it."""
    declared = types if types is not None else {"placed": PLACED, "paid": PAID}
    parent = stream(event_type_from=source, **options)
    tables = tuple(
        replace(parent, name=name, columns=tuple(columns), event_type=name, part_of=parent.name)
        for name, columns in declared.items()
    )
    return replace(parent, types=tables)


def field(name: str) -> EventTypeFrom:
    """Return the place that is a field."""
    return EventTypeFrom(source=TypeSource.FIELD, name=name)


def decoded(contract: StreamContract, records: RawBatch) -> TypedBatch:
    """Return the decoded batch: each offset once, in order in each table and among the dead letters."""
    typed = decoder_for(contract).decode(records, epoch=2, ingested_at=INGESTED_AT)
    assert list(typed.tables) == [t.name for t in contract.tables]
    found = [letter.offset for letter in typed.dead_letters]
    assert [records.offsets[letter.index] for letter in typed.dead_letters] == found == sorted(found)
    for rows in typed.tables.values():
        rows.validate(full=True)
        offsets = rows["_offset"].to_pylist()
        assert offsets == sorted(offsets)
        found += offsets
    assert sorted(found) == list(records.offsets)
    return typed


def said(kind: str | None) -> Headers:
    """Return headers that say a type."""
    return [("other", b"x")] if kind is None else [("other", b"x"), ("kind", kind.encode())]


def landed(typed: TypedBatch) -> dict[str, list[int]]:
    """Return which records, by position, are in which table."""
    return {
        name: [offset - FIRST_OFFSET for offset in rows["_offset"].to_pylist()]
        for name, rows in typed.tables.items()
    }


def letters(typed: TypedBatch) -> list[tuple[int, Stage, str, str]]:
    """Return where the dead letters stood, and why they are."""
    return [(x.index, x.stage, x.rule, x.path) for x in typed.dead_letters]


def test_a_header_says_the_type() -> None:
    """Of tombstones too; what says none of the types is a dead letter."""
    kinds = ["paid", "placed", None, "other", "placed", "paid", "placed", ""]
    values = ['{"id":1}', '{"id":2}', '{"id":3}', '{"id":4}', None, '{"id":"x"}', '{"id":7}', '{"id":8}']
    typed = decoded(types_of(HEADER), batch(*values, headers=[said(kind) for kind in kinds]))
    assert landed(typed) == {"placed": [1, 4, 6], "paid": [0]}
    assert letters(typed) == [
        (2, Stage.ENVELOPE, "event_type", "$"),
        (3, Stage.ENVELOPE, "unknown_event_type", "$"),
        (5, Stage.VALIDATE, "type", "$.id"),
        (7, Stage.ENVELOPE, "unknown_event_type", "$"),
    ]
    assert typed.tables["placed"]["_tombstone"].to_pylist() == [False, True, False]
    assert typed.tables["placed"].schema.names[:2] == ["id", "customer"]
    assert typed.tables["paid"].schema.names[:2] == ["id", "amount"]


def test_names_of_headers_are_exact_and_may_repeat_only_alike() -> None:
    """Kafka's header names know case; two types for one record are no type."""
    headers: list[Headers | None] = [
        [("Kind", b"paid")],
        [("kind", b"paid"), ("kind", b"paid")],
        [("kind", b"paid"), ("kind", b"placed")],
        [("kind", None)],
        [("kind", b"\xff")],
        None,
    ]
    typed = decoded(types_of(HEADER), batch(*['{"id":1}'] * 6, headers=headers))
    assert landed(typed) == {"placed": [], "paid": [1]}
    assert [rule for _, _, rule, _ in letters(typed)] == [
        "event_type",
        "event_type",
        "event_type",
        "unknown_event_type",
        "event_type",
    ]


@pytest.mark.parametrize("mode", ["binary", "structured", "mixed"])
def test_the_type_of_a_cloud_event(mode: str) -> None:
    """In both modes the attribute `type`; a bad envelope is told before a missing type."""
    contract = types_of(EventTypeFrom(source=TypeSource.ENVELOPE), envelope=Envelope.CLOUDEVENTS)
    attributes = {"specversion": "1.0", "id": "1", "source": "/s"}
    values: list[str | None] = []
    headers: list[Headers | None] = []
    for number, kind in enumerate(["placed", "paid", "other", "placed"]):
        if mode == "structured" or (mode == "mixed" and number % 2):
            values.append(json.dumps({**attributes, "type": kind, "data": {"id": number}}))
            headers.append([("content-type", b"application/cloudevents+json")])
        else:
            values.append(json.dumps({"id": number}))
            told = {**attributes, "type": kind}
            headers.append([(f"ce_{name}", text.encode()) for name, text in told.items()])
    values += [None, None, "{}"]
    headers += [[("ce_type", b"paid")], None, None]
    typed = decoded(contract, batch(*values, headers=headers))
    assert landed(typed) == {"placed": [0, 3], "paid": [1, 4]}
    assert letters(typed) == [
        (2, Stage.ENVELOPE, "unknown_event_type", "$"),
        (5, Stage.ENVELOPE, "event_type", "$"),
        (6, Stage.ENVELOPE, "ce_mode", "$"),
    ]
    assert typed.tables["paid"]["_tombstone"].to_pylist() == [False, True]


def test_a_field_says_the_type() -> None:
    """Text or a whole number; a null value has none; what is no document says why."""
    contract = types_of(field("kind"), {"placed": PLACED, "7": PAID})
    typed = decoded(
        contract,
        batch(
            '{"kind":"placed","id":1}',
            '{"id":2,"kind":7}',
            '{"id":3,"kind":"7"}',
            '{"id":4}',
            '{"id":5,"kind":null}',
            '{"id":6,"kind":true}',
            "[]",
            '{"kind":"placed"',
            None,
            '{"kind":"plac\\u0065d","id":10}',
            '{"kind":"other","id":11}',
        ),
    )
    assert landed(typed) == {"placed": [0, 9], "7": [1, 2]}
    assert letters(typed) == [
        (3, Stage.ENVELOPE, "event_type", "$"),
        (4, Stage.ENVELOPE, "event_type", "$"),
        (5, Stage.VALIDATE, "type", "$.kind"),
        (6, Stage.VALIDATE, "type", "$"),
        (7, Stage.DECODE, "json_syntax", "$"),
        (8, Stage.ENVELOPE, "event_type", "$"),
        (10, Stage.ENVELOPE, "unknown_event_type", "$"),
    ]


def test_the_field_need_be_no_column() -> None:
    """Its value is told by the table; where it says something else it is an unknown field like any other."""
    either = EventTypeFrom(source=TypeSource.EITHER, name="kind")
    typed = decoded(
        types_of(either),
        batch(
            '{"id":1,"kind":"placed"}',
            '{"id":2,"kind":"paid"}',
            '{"id":3,"kind":"placed","more":1}',
            headers=[None, said("placed"), said("placed")],
        ),
    )
    assert typed.tables["placed"]["_unknown"].to_pylist() == [None, '{"kind":"paid"}', '{"more":1}']
    assert dict(typed.unknown_fields) == {"$.kind": 1, "$.more": 1}


def test_the_field_is_no_unknown_field_where_these_are_refused() -> None:
    """`onUnknownField: dead_letter` leaves the field alone that the contract names."""
    contract = types_of(field("kind"), on_unknown_field=OnUnknownField.DEAD_LETTER)
    typed = decoded(contract, batch('{"id":1,"kind":"placed"}', '{"id":1,"kind":"placed","x":1}'))
    assert landed(typed) == {"placed": [0], "paid": []}
    assert letters(typed) == [(1, Stage.VALIDATE, "unknown_field", "$.x")]


def test_the_field_may_be_a_column() -> None:
    """Then it is one, as in any stream."""
    typed = decoded(
        types_of(field("kind"), {"placed": (*PLACED, column("kind", Kind.STRING))}),
        batch('{"id":1,"kind":"placed"}'),
    )
    assert typed.tables["placed"]["kind"].to_pylist() == ["placed"]


def test_the_field_may_stand_inside_objects() -> None:
    """A path of names; an object that is absent says no type."""
    typed = decoded(
        types_of(field("meta.kind")),
        batch('{"id":1,"meta":{"kind":"paid"}}', '{"id":2}', '{"id":3,"meta":null}', '{"id":4,"meta":3}'),
    )
    assert landed(typed) == {"placed": [], "paid": [0]}
    assert [x[2:] for x in letters(typed)] == [("event_type", "$"), ("event_type", "$"), ("type", "$.meta")]
    assert typed.tables["paid"]["_unknown"].to_pylist() == ['{"meta":{"kind":"paid"}}']


def test_a_header_goes_before_the_field_of_its_name() -> None:
    """Where neither prefix nor column decides: a record's own header, else its field."""
    either = EventTypeFrom(source=TypeSource.EITHER, name="kind")
    typed = decoded(
        types_of(either),
        batch(
            '{"id":1,"kind":"placed"}',
            '{"id":2,"kind":"placed"}',
            None,
            None,
            "{",
            headers=[said("paid"), None, said("paid"), None, None],
        ),
    )
    assert landed(typed) == {"placed": [1], "paid": [0, 2]}
    assert [x[0] for x in letters(typed)] == [3, 4]


def test_the_field_is_read_behind_a_frame() -> None:
    """JSON with Confluent's frames: the schema's id is kept, a bad frame is told as such."""
    frame = b"\0" + struct.pack(">I", 5)
    typed = decoded(
        types_of(field("kind"), framing="confluent"),
        batch(frame + b'{"id":1,"kind":"paid"}', '{"id":2,"kind":"paid"}'),
    )
    assert landed(typed) == {"placed": [], "paid": [0]}
    assert typed.tables["paid"]["_schema_id"].to_pylist() == [5]
    assert letters(typed) == [(1, Stage.FRAMING, "frame", "$")]


def test_several_tables_of_a_database_in_one_topic() -> None:
    """A change event says its table beside the row, or a column of the row says the type, of deletes too."""
    change = {"op": "c", "source": {"table": "paid"}, "before": None, "after": {"id": 1, "kind": "placed"}}
    gone = {"op": "d", "source": {"table": "paid"}, "before": {"id": 1, "kind": "placed"}, "after": None}
    records = [json.dumps(change), json.dumps(gone), json.dumps({"schema": None, "payload": change})]
    by_table = decoded(types_of(field("source.table"), envelope=Envelope.DEBEZIUM), batch(*records))
    assert landed(by_table) == {"placed": [], "paid": [0, 1, 2]}
    by_column = decoded(types_of(field("kind"), envelope=Envelope.DEBEZIUM), batch(*records))
    assert landed(by_column) == {"placed": [0, 1, 2], "paid": []}


def test_each_type_tells_its_own_identity_and_time() -> None:
    """`eventId` of one type is no column of the other."""
    contract = types_of(HEADER)
    placed, paid = contract.types
    contract = replace(contract, types=(replace(placed, event_id="customer"), paid))
    typed = decoded(
        contract,
        batch('{"id":1,"customer":"c"}', '{"id":2}', headers=[said("placed"), said("paid")]),
    )
    assert typed.tables["placed"]["_event_id"].to_pylist() == ["c"]
    assert typed.tables["paid"]["_event_id"].to_pylist() == ["shop.orders.v1/3/11"]


def test_no_dead_letter_quotes_the_record() -> None:
    """Neither the type nor anything else of it."""
    typed = decoded(types_of(HEADER), batch('{"id":1}', headers=[said("secret")]))
    assert "secret" not in typed.dead_letters[0].message


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["placed", "paid", "other", None]),
        st.sampled_from(
            ['{"id":1}', '{"id":2,"customer":"c"}', '{"id":3,"amount":1.5}', '{"id":"x"}', "{", None]
        ),
    ),
    max_size=40,
)


@given(records=RECORDS, cuts=st.lists(st.integers(0, 40), max_size=4))
def test_any_split_gives_the_same(records: list[tuple[str | None, str | None]], cuts: list[int]) -> None:
    """Rows, dead letters and their order do not depend on how the records are batched."""
    whole = batch(*[value for _, value in records], headers=[said(kind) for kind, _ in records])
    decode = decoder_for(types_of(HEADER)).decode
    edges = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    parts = [decode(whole.part(a, b), epoch=2, ingested_at=INGESTED_AT) for a, b in itertools.pairwise(edges)]
    together = decoded(types_of(HEADER), whole)
    for name, rows in together.tables.items():
        assert rows.to_pylist() == [row for part in parts for row in part.tables[name].to_pylist()]
    assert [replace(x, index=0) for x in together.dead_letters] == [
        replace(x, index=0) for part in parts for x in part.dead_letters
    ]


@given(records=RECORDS)
def test_a_type_is_decoded_as_a_stream_of_its_own(records: list[tuple[str | None, str | None]]) -> None:
    """The table of a type is that of a stream with only its records."""
    contract = types_of(HEADER)
    whole = batch(*[value for _, value in records], headers=[said(kind) for kind, _ in records])
    together = decoded(contract, whole)
    for table in contract.types:
        own = [i for i, (kind, _) in enumerate(records) if kind == table.name]
        alone = replace(
            batch(*[records[i][1] for i in own], headers=[whole.headers[i] for i in own]),
            offsets=[whole.offsets[i] for i in own],
        )
        single = decoder_for(replace(table, event_type_from=None)).decode(
            alone, epoch=2, ingested_at=INGESTED_AT
        )
        assert together.tables[table.name].equals(single.rows)
