"""What holds for every contract and every record."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.contract.choices import Envelope
from mesh_defs.contract.types import Column, ColumnType, Kind
from mesh_defs.decode import content_hash, dead_letters_table, decoder_for
from mesh_defs.model.records import RawBatch
from tests import strategies
from tests.decode.builders import INGESTED_AT, batch, column, decoded, stream

_CALM = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_CALM
@given(st.data())
def test_a_document_that_keeps_to_its_contract_is_stored_as_it_is(data: st.DataObject) -> None:
    """Decoding what was encoded gives the value, whatever the types."""
    fields = data.draw(strategies.columns())
    written = data.draw(st.lists(strategies.documents(fields), min_size=1, max_size=4))
    typed = decoded(stream(*fields), batch(*[w.text for w in written]))
    assert [(letter.rule, letter.path) for letter in typed.dead_letters] == []
    names = [field.name for field in fields]
    assert typed.rows.select(names).to_pylist() == [w.value for w in written]
    assert typed.rows["_unknown"].null_count == len(written)


@_CALM
@given(st.data())
def test_columns_and_unknown_together_hold_the_whole_document(data: st.DataObject) -> None:
    """What the contract does not name is in `_unknown`, digit for digit, and the rest is in the columns."""
    fields = data.draw(strategies.columns())
    written = data.draw(strategies.documents(fields, surplus=True))
    typed = decoded(stream(*fields), batch(written.text))
    assert [(letter.rule, letter.path) for letter in typed.dead_letters] == []
    (row,) = typed.rows.to_pylist()
    assert {field.name: row[field.name] for field in fields} == written.value
    expected = _surplus(_exactly(written.text), fields)
    assert (None if row["_unknown"] is None else _exactly(row["_unknown"])) == expected


def _exactly(text: str) -> Any:
    """Return a JSON document with its numbers as they are written."""
    return json.loads(text, parse_float=lambda digits: ("number", digits), parse_int=int)


def _surplus(document: Any, fields: list[Column]) -> Any:
    types = {field.name: field.type for field in fields}
    rest = {}
    for name, value in document.items():
        left = value if name not in types else _beyond(value, types[name])
        if name not in types or left is not None:
            rest[name] = left
    return rest or None


def _beyond(value: Any, type_: ColumnType) -> Any:
    if value is None:
        return None
    if type_.kind is Kind.OBJECT:
        return _surplus(value, list(type_.fields))
    if type_.kind is Kind.ARRAY and type_.item is not None:
        item = type_.item.type
        return value if any(_beyond(element, item) is not None for element in value) else None
    if type_.kind is Kind.MAP and type_.value is not None:
        parts = {key: _beyond(member, type_.value) for key, member in value.items()}
        return {key: part for key, part in parts.items() if part is not None} or None
    return None


_MIXED = stream(
    column("id", Kind.BIGINT, required=True),
    column("at", Kind.TIMESTAMP),
    column("price", Kind.DECIMAL, precision=6, scale=2),
    Column(name="tags", type=ColumnType(kind=Kind.ARRAY, item=column("element", Kind.STRING, required=True))),
    column("extra", Kind.JSON),
    retain_raw=True,
)
_GOOD = '{"id":1,"at":"2020-01-01T00:00:00Z","price":1.5,"tags":["a"]}'
_PIECES = st.sampled_from(
    [
        _GOOD,
        '{"id":2,"more":{"x":1.50}}',
        '{"id":3,"at":"2020-13-01T00:00:00Z"}',
        '{"id":4,"at":"2020-01-01t00:00:00z"}',
        '{"id":5,"price":"1.555"}',
        '{"id":6,"tags":[null]}',
        '{"id":"7"}',
        "{}",
        "",
        "null",
        None,
    ]
)


@_CALM
@given(st.lists(_PIECES, max_size=40), st.data())
def test_any_split_of_a_batch_gives_the_same_rows(values: list[str | None], data: st.DataObject) -> None:
    """Rows, dead letters and the content hash do not depend on where batches are cut."""
    records = batch(*values)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(values)), max_size=4)) | {0, len(values)})
    decoder = decoder_for(_MIXED)
    parts = [_slice(records, low, high) for low, high in itertools.pairwise(cuts)] or [records]
    typed = [decoder.decode(part, epoch=1, ingested_at=INGESTED_AT) for part in parts]
    whole = decoder.decode(records, epoch=1, ingested_at=INGESTED_AT)
    assert pa.Table.from_batches([t.rows for t in typed]).to_pylist() == whole.rows.to_pylist()
    verdicts = [(x.offset, x.rule, x.path, x.message, x.value) for t in typed for x in t.dead_letters]
    assert verdicts == [(x.offset, x.rule, x.path, x.message, x.value) for x in whole.dead_letters]
    assert sum(map(content_hash, parts)) % (1 << 64) == content_hash(records)


def _slice(records: RawBatch, low: int, high: int) -> RawBatch:
    return RawBatch(
        topic=records.topic,
        partition=records.partition,
        offsets=records.offsets[low:high],
        timestamps=records.timestamps[low:high],
        keys=records.keys[low:high],
        values=records.values[low:high],
        headers=records.headers[low:high],
    )


_HEADERS = st.none() | st.lists(
    st.tuples(
        st.sampled_from(["ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time", "content-type", "x"]),
        st.none()
        | st.binary(max_size=4)
        | st.sampled_from([b"1.0", b"application/cloudevents+json", b"2020-01-01T00:00:00Z"]),
    ),
    max_size=8,
)
_NEAR = st.builds(
    lambda base, at, byte: base[: at % (len(base) + 1)] + byte + base[at % (len(base) + 1) :],
    st.sampled_from([_GOOD.encode(), f'{{"specversion":"1.0","id":"1","data":{_GOOD}}}'.encode()]),
    st.integers(0, 200),
    st.binary(min_size=1, max_size=2),
)


@_CALM
@given(
    st.lists(
        st.tuples(
            st.binary(max_size=30) | _NEAR | strategies.json_values().map(msgspec.json.encode),
            _HEADERS,
            st.integers(-(1 << 63), (1 << 63) - 1),
            st.none() | st.binary(max_size=3),
        ),
        max_size=6,
    ),
    st.sampled_from([Envelope.NONE, Envelope.CLOUDEVENTS]),
)
def test_no_record_makes_the_decoder_raise(records: list[tuple[Any, ...]], envelope: Envelope) -> None:
    """Whatever the bytes, each record is exactly one row or one dead letter, kept byte for byte."""
    contract = stream(*_MIXED.columns, envelope=envelope)
    raw = batch(
        *[value for value, *_ in records],
        headers=[headers for _, headers, _, _ in records],
        timestamps=[timestamp for _, _, timestamp, _ in records],
        keys=[key for *_, key in records],
    )
    typed = decoded(contract, raw)
    letters = dead_letters_table(contract, typed.dead_letters, 2, INGESTED_AT)
    letters.validate(full=True)
    for found in letters.to_pylist():
        value, headers, _, key = records[found["_offset"] - raw.offsets[0]]
        assert found["_value"] == value
        assert found["_key"] == key
        kept = [(h["name"], h["value"]) for h in found["_headers"] or []]
        assert kept == (headers or [])


@_CALM
@given(st.text(st.characters(codec="utf-8"), min_size=6, max_size=20).map(lambda s: f"@{s}@"), st.data())
def test_no_message_quotes_the_payload(secret: str, data: st.DataObject) -> None:
    """Neither the message nor the path of a dead letter holds anything that the record said."""
    fields = data.draw(strategies.columns())
    quoted = json.dumps(secret)
    field = data.draw(st.sampled_from(fields)).name
    document = data.draw(
        st.sampled_from(
            [f'{{"{field}":{quoted}}}', f'{{"{field}":{{{quoted}:{quoted}}}}}', f"{{{quoted}:", quoted]
        )
    )
    for letter in decoded(stream(*fields), batch(document)).dead_letters:
        assert secret not in letter.message + letter.path


@_CALM
@given(st.integers(1, 38), st.integers(-(10**40), 10**40), st.integers(0, 40))
def test_a_decimal_is_stored_exactly_or_refused(precision: int, digits: int, places: int) -> None:
    """A number that `decimal(p,s)` cannot hold to the last digit is a dead letter."""
    scale = precision // 2
    sign, figures, _ = Decimal(digits).as_tuple()
    number = Decimal((sign, figures, -places))
    fits = places <= scale or digits % 10 ** (places - scale) == 0
    fits = fits and abs(digits) * 10**scale < 10 ** (precision + places)
    contract = stream(column("n", Kind.DECIMAL, precision=precision, scale=scale))
    typed = decoded(contract, batch(f'{{"n":{number:f}}}'))
    assert [letter.rule for letter in typed.dead_letters] == ([] if fits else ["range"])
    assert typed.rows["n"].to_pylist() == ([number] if fits else [])
