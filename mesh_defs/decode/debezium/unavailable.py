"""Values that the source did not send: PostgreSQL leaves out large values that an update has not changed.

Source: Debezium 3.6, "Toasted values", and `UnchangedToastedPlaceholder`: the placeholder in the shape of each
type.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterable
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.decode import exact
from mesh_defs.decode.columns.base import Array

_WORD: Final = "__debezium_unavailable_value"
_BYTES: Final = _WORD.encode()
_BASE64: Final = base64.b64encode(_BYTES).decode()
_UUID: Final = str(uuid.UUID(bytes=hashlib.md5(_BYTES, usedforsecurity=False).digest(), version=3))
_SHAPES: Final = frozenset(
    exact.text_of(shape)
    for shape in (
        _WORD,
        _BASE64,
        _BYTES.hex(),
        [_WORD],
        [_BASE64],
        [_UUID],
        list(_BYTES),
        {_WORD: _WORD},
        exact.text_of({_WORD: _WORD}),
    )
)
_TRACES: Final = (
    _BYTES,
    _BASE64.encode(),
    _BYTES.hex().encode(),
    _UUID.encode(),
    b"95,95,100,101,98,101,122",
)


_LENGTHS: Final = (1, len(_BYTES))
"""Of the lists and maps among them."""


def may_lack(document: bytes) -> bool:
    """Return whether a row may hold a placeholder, by a quick look; without one it surely holds none."""
    return any(trace in document for trace in _TRACES)


def lacking(document: dict[str, Any]) -> Iterable[str]:
    """Return the names of the fields whose values are placeholders."""
    return [name for name, value in document.items() if is_placeholder(value)]


def possible_places(values: Array) -> list[int]:
    """Return where an array may hold placeholders, by a quick look; elsewhere it surely holds none."""
    found: Any = None
    if pa.types.is_string(values.type):
        found = pc.is_in(values, pa.array([_WORD, _BASE64, _BYTES.hex(), exact.text_of({_WORD: _WORD})]))
    elif pa.types.is_binary(values.type):
        found = pc.equal(values, pa.scalar(_BYTES))
    elif pa.types.is_list(values.type):
        found = pc.is_in(pc.list_value_length(values), pa.array(_LENGTHS, pa.int32()))
    return [] if found is None else pc.indices_nonzero(found).to_pylist()


def is_placeholder(value: Any) -> bool:
    """Return whether a value, as JSON writes it, is a placeholder."""
    return isinstance(value, str | list | dict) and exact.text_of(value) in _SHAPES
