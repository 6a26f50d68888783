"""Hypothesis strategies of Avro values by their schema, and what `fastavro` makes of them."""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import fastavro
from hypothesis import assume
from hypothesis import strategies as st

from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Reference,
    Union,
    name_of,
)

_DEEPEST = 12
_INT = st.integers(-(1 << 31), (1 << 31) - 1)
_LONG = st.integers(-(1 << 63), (1 << 63) - 1)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": _INT,
    "long": _LONG,
    "float": st.floats(width=32),
    "double": st.floats(),
    "bytes": st.binary(max_size=8),
    "string": _TEXT,
}
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, in seconds since 1970."""
_PER_SECOND = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the zone is added where there is one


def plain(schema: AvroSchema, type_: AvroType, seen: set[str] | None = None) -> Any:  # noqa: PLR0911
    """Return a type as JSON without logical types, so that a library encodes what it is given."""
    seen = set() if seen is None else seen
    match type_:
        case Reference():
            if type_.name in seen:
                return type_.name
            return plain(schema, schema.resolved(type_), seen)
        case Record():
            seen.add(type_.name)
            fields = [{"name": f.name, "type": plain(schema, f.type, seen)} for f in type_.fields]
            return {"type": "record", "name": type_.name, "namespace": "", "fields": fields}
        case Enum():
            seen.add(type_.name)
            return {"type": "enum", "name": type_.name, "namespace": "", "symbols": list(type_.symbols)}
        case Fixed():
            seen.add(type_.name)
            return {"type": "fixed", "name": type_.name, "namespace": "", "size": type_.size}
        case Array():
            return {"type": "array", "items": plain(schema, type_.items, seen)}
        case Map():
            return {"type": "map", "values": plain(schema, type_.values, seen)}
        case Union():
            return [plain(schema, branch, seen) for branch in type_.branches]
        case Primitive():
            return type_.name


def encoded(writer: Any, value: Any) -> bytes:
    """Return what `fastavro` writes."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, writer, value)
    return buffer.getvalue()


def read(writer: Any, payload: bytes) -> Any:
    """Return what `fastavro` reads; the payload must be consumed to its last byte.

    Raises:
        ValueError: It is not.
    """
    buffer = io.BytesIO(payload)
    value = fastavro.schemaless_reader(buffer, writer)
    if buffer.tell() < len(payload):
        raise ValueError
    return value


def values(schema: AvroSchema, type_: AvroType) -> st.SearchStrategy[Any]:
    """Values of a type as `fastavro` writes them: branches of unions named, logical types as what they annotate."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Any:
        return _drawn(draw, schema, type_, 0)

    return drawn()


def _drawn(draw: st.DrawFn, schema: AvroSchema, type_: AvroType, depth: int) -> Any:
    # A record that needs itself has no values.
    assume(depth < _DEEPEST)
    found = schema.resolved(type_)
    few = 0 if depth > 3 else 3
    match found:
        case Record():
            return {f.name: _drawn(draw, schema, f.type, depth + 1) for f in found.fields}
        case Array():
            return [_drawn(draw, schema, found.items, depth + 1) for _ in range(draw(st.integers(0, few)))]
        case Map():
            keys = draw(st.lists(_TEXT, max_size=few, unique=True))
            return {key: _drawn(draw, schema, found.values, depth + 1) for key in keys}
        case Union():
            return _drawn_branch(draw, schema, found, depth)
        case Enum():
            return draw(st.sampled_from(found.symbols))
        case scalar:
            return draw(_scalars(scalar))


def _drawn_branch(draw: st.DrawFn, schema: AvroSchema, union: Union, depth: int) -> Any:
    assume(union.branches)
    branches = [b for b in union.branches if name_of(b) == "null"] if depth > 3 else []
    branch = draw(st.sampled_from(branches or union.branches))
    value = _drawn(draw, schema, branch, depth + 1)
    return value if name_of(branch) == "null" else (name_of(branch), value)


def _scalars(type_: Primitive | Fixed) -> st.SearchStrategy[Any]:  # noqa: PLR0911
    """Values that a column holds."""
    logical = type_.logical
    if logical is None or logical.name == "duration":
        return (
            st.binary(min_size=type_.size, max_size=type_.size)
            if isinstance(type_, Fixed)
            else _PRIMITIVES[type_.name]
        )
    if logical.name == "decimal":
        most = 10**logical.precision - 1
        return st.integers(-most, most).map(lambda number: _signed(number, type_))
    if logical.name == "uuid":
        return st.uuids().map(lambda found: found.bytes if isinstance(type_, Fixed) else str(found))
    unit = _PER_SECOND[logical.name.rpartition("-")[2]] if "-" in logical.name else 0
    if logical.name == "date":
        return st.integers(_FIRST // 86_400, _LAST // 86_400)
    if logical.name.startswith("time-"):
        return st.integers(0, 86_400 * unit - 1)
    if unit == _PER_SECOND["nanos"]:
        return _LONG
    return st.integers(_FIRST * unit, (_LAST + 1) * unit - 1)


def _signed(number: int, type_: Primitive | Fixed) -> bytes:
    size = type_.size if isinstance(type_, Fixed) else number.bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True)


def same(one: Any, other: Any) -> bool:
    """Return whether two plain values are equal, NaN equal to itself and 0.0 not to -0.0."""
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return type(one) is type(other) and bool(one == other)


def moment(logical: str, count: int) -> Any:
    """Return what a count of a logical type means: a date, a time, or a timestamp with or without a zone."""
    if logical == "date":
        return dt.date(1970, 1, 1) + dt.timedelta(days=count)
    micros = count * 1_000_000 // _PER_SECOND[logical.rpartition("-")[2]]
    found = _EPOCH + dt.timedelta(microseconds=micros)
    if logical.startswith("time-"):
        return found.time()
    return found if logical.startswith("local-") else found.replace(tzinfo=dt.UTC)


def decimal(type_: Primitive | Fixed, digits: bytes) -> Decimal:
    """Return the decimal that bytes are."""
    assert type_.logical is not None
    unscaled = int.from_bytes(digits, "big", signed=True)
    sign, figures, _ = Decimal(unscaled).as_tuple()
    return Decimal((sign, figures, -type_.logical.scale))


def said_by(schema: AvroSchema, type_: AvroType, text: Any, value: Any) -> bool:  # noqa: PLR0911
    """Return whether JSON, parsed with its decimals as `Decimal`, says what `fastavro` read.

    Args:
        schema: Knows the names.
        type_: Of the value.
        text: The parsed JSON.
        value: As `fastavro` reads it without logical types.
    """
    found = schema.resolved(type_)
    if text is None or value is None:
        return text is None and value is None
    match found:
        case Record():
            return set(text) == set(value) and all(
                said_by(schema, f.type, text[f.name], value[f.name]) for f in found.fields
            )
        case Array():
            return len(text) == len(value) and all(
                said_by(schema, found.items, t, v) for t, v in zip(text, value, strict=True)
            )
        case Map():
            return list(text) == list(value) and all(
                said_by(schema, found.values, text[key], value[key]) for key in value
            )
        case Union():
            others = {name_of(b): b for b in found.branches if name_of(b) != "null"}
            if len(others) == 1:
                return said_by(schema, next(iter(others.values())), text, value)
            ((name, member),) = text.items()
            return said_by(schema, others[name], member, value)
        case Enum():
            return bool(text == value)
        case scalar:
            return _said(scalar, text, value)


def _said(type_: Primitive | Fixed, text: Any, value: Any) -> bool:
    logical = type_.logical.name if type_.logical is not None else ""
    if logical == "decimal":
        return Decimal(text) == decimal(type_, value)
    if logical == "uuid":
        return uuid.UUID(text) == (uuid.UUID(bytes=value) if isinstance(value, bytes) else uuid.UUID(value))
    if isinstance(value, bytes):
        return base64.b64decode(text, validate=True) == value
    if logical.startswith(("date", "time", "local")) and not logical.endswith("nanos"):
        return bool(type(moment(logical, value)).fromisoformat(text) == moment(logical, value))
    if isinstance(value, float):
        return same(float(text), value)
    return type(text) is type(value) and bool(text == value)


def parsed(text: str) -> Any:
    """Return JSON with its numbers exact."""
    return json.loads(text, parse_float=Decimal)
