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

from mesh_defs.decode import exact

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


def may_lack(document: bytes) -> bool:
    """Return whether a row may hold a placeholder, by a quick look; without one it surely holds none."""
    return any(trace in document for trace in _TRACES)


def lacking(document: dict[str, Any]) -> Iterable[str]:
    """Return the names of the fields whose values are placeholders."""
    return [name for name, value in document.items() if _is_placeholder(value)]


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, str | list | dict) and exact.text_of(value) in _SHAPES
