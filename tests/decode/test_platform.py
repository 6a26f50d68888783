"""The platform's columns: coordinates, identity, time, headers, tombstones."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.types import Kind, TimeEncoding
from mesh_defs.decode import decoder_for
from mesh_defs.model.errors import ContractError
from mesh_defs.model.records import Stage
from tests.decode.builders import FIRST_OFFSET, INGESTED_AT, batch, column, decoded, letter, rows, stream

_ID = column("id", Kind.STRING, required=True)


def test_a_row_tells_where_it_stood() -> None:
    """Partition, offset, timestamp, epoch and the instant of ingest are on every row."""
    (row,) = rows(stream(_ID), '{"id":"a"}', timestamps=[1_500])
    assert {name: value for name, value in row.items() if name.startswith("_")} == {
        "_partition": 3,
        "_offset": FIRST_OFFSET,
        "_timestamp": _at(1_500),
        "_key": None,
        "_headers": None,
        "_event_id": f"shop.orders.v1/3/{FIRST_OFFSET}",
        "_event_time": _at(1_500),
        "_epoch": 2,
        "_schema_id": None,
        "_ingested_at": dt.datetime.fromtimestamp(INGESTED_AT / 1_000_000, dt.UTC),
        "_tombstone": False,
        "_unknown": None,
    }


def _at(milliseconds: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=milliseconds)


def test_the_schema_is_the_tables() -> None:
    """Rows come under the contract's schema, `_raw` last where it is retained."""
    contract = stream(_ID, retain_raw=True)
    typed = decoded(contract, batch('{"id": "a"}', None))
    assert typed.rows.schema == table_schema(contract)
    assert typed.rows["_raw"].to_pylist() == [b'{"id": "a"}', None]


def test_keys_and_headers_are_stored_byte_for_byte() -> None:
    """Null, empty and binary stay apart; headers keep their order, repeats and nulls."""
    headers: list[Any] = [None, [("a", b"\xff\0"), ("a", None), ("", b""), ("a", b"1")], []]
    found = rows(stream(_ID), *['{"id":"a"}'] * 3, keys=[None, b"", b"\xff\0"], headers=headers)
    assert [row["_key"] for row in found] == [None, b"", b"\xff\0"]
    assert [[(h["name"], h["value"]) for h in row["_headers"] or []] for row in found] == [[], headers[1], []]


@pytest.mark.fault(26)
def test_a_thousand_headers() -> None:
    """There is no limit to how many headers a record carries."""
    headers = [(str(i), str(i).encode()) for i in range(1_000)]
    (row,) = rows(stream(_ID), '{"id":"a"}', headers=[headers])
    assert [(h["name"], h["value"]) for h in row["_headers"]] == headers


@pytest.mark.fault(24)
def test_a_null_value_is_a_tombstone() -> None:
    """Its typed columns are null, `required` or not; identity and time are the record's own."""
    contract = stream(_ID, column("at", Kind.TIMESTAMP, required=True), event_id="id", event_time="at")
    live, gone = rows(contract, '{"id":"a","at":"2020-01-01T00:00:00Z"}', None, keys=[b"a", b"a"])
    assert (live["_tombstone"], live["_event_id"]) == (False, "a")
    assert live["_event_time"] == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert (gone["_tombstone"], gone["id"], gone["at"], gone["_key"]) == (True, None, None, b"a")
    assert gone["_event_id"] == f"shop.orders.v1/3/{FIRST_OFFSET + 1}"
    assert gone["_event_time"] == _at(1_000)


def test_a_batch_of_tombstones_only() -> None:
    """Nested columns of tombstones are null, too."""
    contract = stream(
        column("o", Kind.OBJECT, fields=(_ID,), required=True),
        column("u", Kind.UUID),
        column("m", Kind.MAP, key=_ID.type, value=_ID.type),
    )
    assert [(r["o"], r["u"], r["m"]) for r in rows(contract, None, None)] == [(None, None, None)] * 2


@pytest.mark.parametrize(
    ("kind", "options", "text", "expected"),
    [
        (Kind.TIMESTAMP, {}, '"2020-01-01T01:00:00+01:00"', dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        (
            Kind.TIMESTAMP,
            {"timezone": False},
            '"2020-01-01T01:00:00"',
            dt.datetime(2020, 1, 1, 1, tzinfo=dt.UTC),
        ),
        (Kind.TIMESTAMP, {"encoding": TimeEncoding.EPOCH_MS}, "1500", _at(1_500)),
        (Kind.DATE, {}, '"2020-01-01"', dt.datetime(2020, 1, 1, tzinfo=dt.UTC)),
        (Kind.TIMESTAMP, {}, "null", None),
    ],
)
def test_event_time_of_a_column(kind: Kind, options: dict[str, Any], text: str, expected: Any) -> None:
    """The declared column is the event's time: wall clocks and dates as UTC, null where it is null."""
    (row,) = rows(stream(column("at", kind, **options), event_time="at"), f'{{"at":{text}}}')
    assert row["_event_time"] == expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Kind.STRING, '"a"', "a"),
        (Kind.BIGINT, "-5", "-5"),
        (Kind.UUID, '"197F2DF9-E2C3-4AC6-891C-19160EC8B1C2"', "197f2df9-e2c3-4ac6-891c-19160ec8b1c2"),
        (Kind.DECIMAL, "1.5", "1.50"),
        (Kind.DATE, '"2020-01-01"', "2020-01-01"),
        (Kind.TIME, '"12:00:00"', "12:00:00"),
        (Kind.BYTES, '"QUE="', "QUE="),
        (Kind.BOOLEAN, "true", "true"),
        (Kind.TIMESTAMP, '"2020-01-01T01:00:00+01:00"', "2020-01-01 00:00:00.000000Z"),
        (Kind.DOUBLE, "0.5", "0.5"),
    ],
)
def test_event_id_of_a_column(kind: Kind, text: str, expected: str) -> None:
    """The declared column's text is the event's identity."""
    options = {"precision": 5, "scale": 2} if kind is Kind.DECIMAL else {}
    (row,) = rows(stream(column("id", kind, **options), event_id="id"), f'{{"id":{text}}}')
    assert row["_event_id"] == expected


@pytest.mark.fault(34)
@pytest.mark.parametrize("timestamp", [0, -2, 9_223_372_036_854, 253_402_300_799_999, -62_135_596_800_000])
def test_far_timestamps(timestamp: int) -> None:
    """Zero, before 1970, the year 2262 and the ends of the range are stored as they are."""
    (row,) = rows(stream(_ID), '{"id":"a"}', timestamps=[timestamp])
    assert row["_timestamp"] == _at(timestamp)


def test_no_timestamp() -> None:
    """-1 is Kafka's word for none."""
    found = rows(stream(_ID), *['{"id":"a"}'] * 2, timestamps=[-1, 0])
    assert [row["_timestamp"] for row in found] == [None, _at(0)]
    assert [row["_event_time"] for row in found] == [None, _at(0)]


@pytest.mark.fault(34)
@pytest.mark.parametrize("timestamp", [1_700_000_000_000_000, (1 << 63) - 1, -(1 << 63)])
def test_an_impossible_timestamp_is_a_dead_letter(timestamp: int) -> None:
    """A producer that counts in microseconds is told; the message keeps the number."""
    found = letter(stream(_ID), '{"id":"a"}', timestamps=[timestamp])
    assert (found.stage, found.rule, found.timestamp) == (Stage.ENVELOPE, "timestamp_range", timestamp)
    assert f"{timestamp} ms" in found.message


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"format": "protobuf"}, "format protobuf"),
        ({"framing": "single_object"}, "framing single_object"),
        ({"event_id": "nothing"}, "eventId names nothing"),
        ({"event_time": "nothing"}, "eventTime names nothing"),
        ({"event_id": "doc"}, "nested values"),
    ],
)
def test_what_is_not_supported_is_said(options: dict[str, Any], why: str) -> None:
    """A contract beyond the decoder is refused by name, before any record is read."""
    with pytest.raises(ContractError, match=why):
        decoder_for(stream(_ID, column("doc", Kind.JSON), **options))
