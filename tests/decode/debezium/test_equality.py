"""The same changes in every form give the same rows."""

from __future__ import annotations

import base64
import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.types import Kind, TimeEncoding
from tests.decode.builders import batch, column, decoded
from tests.decode.debezium.messages import avro_changes, changes_of, envelope, field, optional, wrapped
from tests.strategies import text

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)

CONTRACT = changes_of(
    column("id", Kind.BIGINT, required=True),
    column("name", Kind.STRING),
    column("price", Kind.DECIMAL, precision=12, scale=2),
    column("day", Kind.DATE, encoding=TimeEncoding.EPOCH_D),
    column("clock", Kind.TIME, encoding=TimeEncoding.TIME_US),
    column("at", Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_US),
    column("seen", Kind.TIMESTAMP),
    column("raw", Kind.BYTES),
    column("tags", Kind.ARRAY, item=column("element", Kind.STRING)),
)
FIELDS = [
    field("id", "int64", optional=False),
    field("name", "string"),
    field("price", "bytes", "org.apache.kafka.connect.data.Decimal", parameters={"scale": "2"}),
    field("day", "int32", "io.debezium.time.Date"),
    field("clock", "int64", "io.debezium.time.MicroTime"),
    field("at", "int64", "io.debezium.time.MicroTimestamp"),
    field("seen", "string", "io.debezium.time.ZonedTimestamp"),
    field("raw", "bytes"),
    field("tags", "array", items={"type": "string", "optional": True}),
]


_DEBEZIUM = "io.debezium.time."
AVRO_FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "name", "type": optional("string")},
    {
        "name": "price",
        "type": optional(
            "bytes", "org.apache.kafka.connect.data.Decimal", logicalType="decimal", precision=64, scale=2
        ),
    },
    {"name": "day", "type": optional("int", f"{_DEBEZIUM}Date")},
    {"name": "clock", "type": optional("long", f"{_DEBEZIUM}MicroTime")},
    {"name": "at", "type": optional("long", f"{_DEBEZIUM}MicroTimestamp")},
    {"name": "seen", "type": optional("string", f"{_DEBEZIUM}ZonedTimestamp")},
    {"name": "raw", "type": optional("bytes")},
    {"name": "tags", "type": ["null", {"type": "array", "items": ["null", "string"]}]},
]


@st.composite
def images(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a row as PostgreSQL would hold it."""
    moments = st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001
    row = {
        "name": text(),
        "price": st.decimals(-(10**10) + 1, 10**10 - 1, places=2),
        "day": st.dates(),
        "clock": st.times(),
        "at": moments,
        "seen": moments,
        "raw": st.binary(max_size=8),
        "tags": st.lists(text() | st.none(), max_size=3),
    }
    return {"id": draw(st.integers(-(2**63), 2**63 - 1))} | {n: draw(s | st.none()) for n, s in row.items()}


@st.composite
def changes(draw: st.DrawFn) -> dict[str, Any] | None:
    """Draw a change whose images are Python values, or a tombstone."""
    op = draw(st.sampled_from("rcudt") | st.none())
    if op is None:
        return None
    source = {"ts_us": draw(st.integers(0, 2**50)), "lsn": draw(st.integers(0, 2**63 - 1))}
    before = draw(images() | st.none()) if op in "ud" else None
    return envelope(op, before=before, after=draw(images()) if op in "rcu" else None, source=source)


def _count(value: Any) -> Any:
    """Return a value as Debezium writes it, whatever the converter."""
    if isinstance(value, dt.datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, dt.date):
        return (value - _EPOCH.date()).days
    if isinstance(value, dt.time):
        return (dt.datetime.combine(_EPOCH.date(), value, dt.UTC) - _EPOCH) // _MICROSECOND
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value


def wire(image: dict[str, Any] | None, price: Any) -> dict[str, Any] | None:
    """Return an image as JSON writes it; `price` writes its decimals."""
    if image is None:
        return None
    row = {name: _count(value) for name, value in image.items()}
    row["seen"] = None if image["seen"] is None else image["seen"].isoformat().replace("+00:00", "Z")
    row["price"] = None if image["price"] is None else price(image["price"])
    return row


def unscaled(price: Decimal) -> bytes:
    """Return a price of two places as Kafka Connect's bytes."""
    return int(price.scaleb(2)).to_bytes(8, signed=True)


def _with_schema(change: dict[str, Any] | None) -> str | None:
    return None if change is None else wrapped(FIELDS, _written(change, lambda p: _count(unscaled(p))))


def _without(change: dict[str, Any] | None) -> str | None:
    return None if change is None else json.dumps(_written(change, str))


def _written(change: dict[str, Any], price: Any) -> dict[str, Any]:
    return change | {name: wire(change[name], price) for name in ("before", "after")}


def _avro_image(image: dict[str, Any] | None) -> dict[str, Any] | None:
    row = wire(image, lambda price: price)
    return None if row is None or image is None else row | {"raw": image["raw"]}


@pytest.fixture(scope="module")
def avro(tmp_path_factory: pytest.TempPathFactory) -> tuple[StreamContract, Any]:
    """The contract of the stream in Avro, and the encoder of its payloads."""
    return avro_changes(tmp_path_factory.mktemp("avro"), AVRO_FIELDS, CONTRACT)


def rows_of(*values: str | bytes | None, contract: StreamContract = CONTRACT) -> list[dict[str, Any]]:
    """Return the rows; prices of `_before` as text, since the connector's setting decides how they are written."""
    typed = decoded(contract, batch(*values))
    assert typed.dead_letters == ()
    found = typed.rows.to_pylist()
    for row in found:
        if row["_before"] is not None:
            before = json.loads(row["_before"], parse_float=str, parse_int=str)
            row["_before"] = before | {"price": None if before["price"] is None else str(before["price"])}
    return found


@settings(deadline=None)
@given(st.lists(changes(), min_size=1, max_size=5))
def test_json_with_and_without_schemas(drawn: list[dict[str, Any] | None]) -> None:
    """Decimals, dates, times and timestamps mean the same in both, in rows and in what they were before."""
    assert rows_of(*map(_with_schema, drawn)) == rows_of(*map(_without, drawn))
    for row, change in zip(rows_of(*map(_without, drawn)), drawn, strict=True):
        image = (change or {}).get("after") or dict.fromkeys(row)
        assert {name: row[name] for name in image if name[0] != "_"} == {
            n: v for n, v in image.items() if n[0] != "_"
        }


@settings(deadline=None)
@given(st.lists(changes(), min_size=1, max_size=12))
def test_json_and_avro(avro: tuple[StreamContract, Any], drawn: list[dict[str, Any] | None]) -> None:
    """A change is the same row in both, whichever of Avro's decoders read it."""
    contract, encode = avro
    images = ("before", "after")
    written = [None if c is None else encode(c | {n: _avro_image(c[n]) for n in images}) for c in drawn]
    assert rows_of(*written, contract=contract) == rows_of(*map(_with_schema, drawn))
