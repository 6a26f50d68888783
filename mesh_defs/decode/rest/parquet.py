"""Parquet: rows as JSON documents, each value written as its type says, so that nothing is converted in silence."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.rest.documents import NULL, documents, quoted
from mesh_defs.decode.rest.records import Records
from mesh_defs.decode.rest.text import json_text


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
            (f.name, _values(_storage(c) if f.name in texts else c))
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
    if pa.types.is_timestamp(type_) or pa.types.is_time(type_):
        return _moments(array)
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
    """Return timestamps and times of day as RFC 3339 writes them; without a zone they have no offset."""
    if pa.types.is_timestamp(array.type) and array.type.tz is not None:
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    texts = array.cast(pa.string()).to_pylist()
    return [NULL if t is None else quoted(t.replace(" ", "T", 1)) for t in texts]


def _structs(array: Any) -> list[str]:
    members = [(f.name, _values(a)) for f, a in zip(array.type, array.flatten(), strict=True)]
    whole = documents(members, (), len(array))
    present = array.is_valid().to_pylist()
    return [text.decode() if there else NULL for text, there in zip(whole, present, strict=True)]


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
