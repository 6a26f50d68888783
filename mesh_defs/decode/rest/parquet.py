"""Parquet: rows as JSON documents, each value written as its type says, so that nothing is converted in silence."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.columns.moments import FIRST_MICROSECOND, LAST_MICROSECOND
from mesh_defs.decode.rest.documents import AS_BYTES, NULL, documents, quoted
from mesh_defs.decode.rest.records import Records
from mesh_defs.decode.rest.text import json_text

_NARROW: Final = 32
_DAY_MS: Final = 86_400_000
_EPOCH: Final = dt.date(1970, 1, 1)


def parquet_records(batches: Iterable[pa.RecordBatch], known: Mapping[str, ColumnType]) -> Iterator[Records]:
    """Yield the rows of batches as documents.

    Args:
        batches: In the file's order.
        known: The types of the columns that the contract names.
    """
    texts = {name for name, type_ in known.items() if type_.kind is Kind.STRING}
    row = 1
    for batch in batches:
        written = [
            (f.name, _texts(_plain(_storage(c))) if f.name in texts and _holds_text(c) else _values(c))
            for f, c in zip(batch.schema, batch.columns, strict=True)
        ]
        values = documents(
            [(name, column) for name, column in written if name in known],
            [(name, column) for name, column in written if name not in known],
            batch.num_rows,
        )
        yield Records(values=values, lines=list(range(row, row + batch.num_rows)))
        row += batch.num_rows


def _storage(array: Any) -> Array:
    """Return documents of Parquet's JSON type as the texts that they are."""
    return array.storage if isinstance(array.type, pa.JsonType) else array  # type: ignore[no-any-return]


def _holds_text(array: Any) -> bool:
    """Return whether an array's values are texts, which old writers leave without a word about their encoding."""
    type_: Any = _plain(_storage(array)).type
    return _is_text(type_) or type_ in (pa.binary(), pa.large_binary(), pa.binary_view())


def _is_text(type_: Any) -> bool:
    return pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)


def _texts(array: Array) -> list[str]:
    """Return texts as JSON strings; a row with bytes that are no UTF-8 will be refused."""
    found = array.cast(pa.large_binary()).to_pylist()
    return [NULL if v is None else quoted(v.decode("utf-8", AS_BYTES)) for v in found]


def _plain(array: Any) -> Array:
    """Return an array without Arrow's ways to say the same in less room."""
    if isinstance(array, pa.DictionaryArray):
        return array.dictionary_decode()
    if pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        # A cast by Arrow loses which ones are null.
        return pa.array(array.to_pylist(), pa.large_list(array.type.value_type))
    return array  # type: ignore[no-any-return]


def _values(array: Array) -> list[str]:
    """Return each value as JSON text."""
    array = _plain(array)
    type_: Any = array.type
    if pa.types.is_map(type_):
        pairs = pa.list_(pa.struct([("key", type_.key_type), ("value", type_.item_type)]))
        return _maps(array.cast(pairs))
    if pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_):
        return _lists(array)
    if pa.types.is_struct(type_):
        return _structs(array)
    if pa.types.is_temporal(type_) and not pa.types.is_duration(type_) and not pa.types.is_interval(type_):
        return _moments(array)
    if _is_text(type_):
        return _texts(array)
    write = json_text if isinstance(type_, pa.JsonType) else _value
    return [NULL if v is None else write(v) for v in _storage(array).to_pylist()]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        # JSON has no word for the others; as a text they are refused wherever a number is wanted.
        return repr(value) if math.isfinite(value) else quoted(str(value))
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return quoted(base64.b64encode(value).decode())
    if isinstance(value, Decimal):
        return format(value, "f")
    return quoted(str(value))


def _moments(array: Array) -> list[str]:
    """Return dates, timestamps and times of day as RFC 3339 writes them; without a zone they have no offset.

    One that is not of the years 1 to 9999 is its count: Arrow has no right text for it, and no column takes it.
    """
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    texts = array.cast(pa.string()).to_pylist()
    counts: list[Any] = array.view(pa.int32() if array.type.bit_width == _NARROW else pa.int64()).to_pylist()
    first, last = _bounds(array.type)
    return [
        NULL if t is None else quoted(t.replace(" ", "T", 1)) if first <= count <= last else str(count)
        for t, count in zip(texts, counts, strict=True)
    ]


def _bounds(type_: Any) -> tuple[int, int]:
    """Return the first and the last count that a moment of the years 1 to 9999 may have."""
    if pa.types.is_time(type_):
        return 0, LAST_MICROSECOND
    if pa.types.is_date(type_):
        per_day = 1 if type_.bit_width == _NARROW else _DAY_MS
        return (dt.date.min - _EPOCH).days * per_day, (dt.date.max - _EPOCH).days * per_day
    unit = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}[type_.unit]
    return FIRST_MICROSECOND * unit // 1_000_000, LAST_MICROSECOND * unit // 1_000_000


def _structs(array: Any) -> list[str]:
    members = [(f.name, _values(a)) for f, a in zip(array.type, array.flatten(), strict=True)]
    whole = documents(members, (), len(array))
    present = array.is_valid().to_pylist()
    return [
        text.decode("utf-8", AS_BYTES) if there else NULL for text, there in zip(whole, present, strict=True)
    ]


def _lists(array: Any) -> list[str]:
    return _grouped(array, _values(array.flatten()), "[%s]")


def _maps(array: Any) -> list[str]:
    """Return lists of pairs as objects: a key is a text there."""
    keys, values = (_values(a) for a in array.flatten().flatten())
    pairs = [f"{_key(k)}:{v}" for k, v in zip(keys, values, strict=True)]
    return _grouped(array, pairs, "{%s}")


def _key(text: str) -> str:
    return text if text.startswith('"') else quoted(text)


def _grouped(array: Any, items: list[str], brackets: str) -> list[str]:
    """Return what each list holds of the items of all of them, in brackets."""
    rest = iter(items)
    lengths = pc.list_value_length(array).to_pylist()
    return [NULL if n is None else brackets % ",".join(islice(rest, n)) for n in lengths]
