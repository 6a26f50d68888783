"""What a document says beyond its contract."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from mesh_defs.contract.types import Column, ColumnType, Kind

NOTHING: Final = object()
"""Nothing is left over; None would be a document's null."""

Leftover = Callable[[Any, str, "set[str]"], Any]
"""From a value, its path and the set that takes unknown fields' paths, to what the contract does not name."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def leftover_of(columns: Iterable[Column]) -> Leftover:
    """Return the function that takes the declared fields out of a document.

    What remains has the document's nesting; an array with unknown content remains whole. A path names a
    field only where the name looks like one: others may be data (`$.*`).
    """
    inner = {column.name: _of_type(column.type) for column in columns}
    nested = [(name, below) for name, below in inner.items() if below is not None]

    def leftover(value: Any, path: str, paths: set[str]) -> Any:
        rest = {name: member for name, member in value.items() if name not in inner}
        for name in rest:
            paths.add(f"{path}.{name if _PLAIN_NAME.fullmatch(name) else '*'}")
        for name, below in nested:
            left = below(value[name], f"{path}.{name}", paths) if name in value else NOTHING
            if left is not NOTHING:
                rest[name] = left
        return rest or NOTHING

    return leftover


def _of_type(type_: ColumnType) -> Leftover | None:
    """Return the function for a value of that type, or None where it cannot hold unknown fields."""
    below: Leftover | None = None
    if type_.kind is Kind.OBJECT:
        below = leftover_of(type_.fields)
    elif type_.kind is Kind.ARRAY and type_.item is not None:
        item = _of_type(type_.item.type)
        below = None if item is None else _of_array(item)
    elif type_.kind is Kind.MAP and type_.value is not None:
        value = _of_type(type_.value)
        below = None if value is None else of_map(value)
    return None if below is None else unless_null(below)


def unless_null(below: Leftover) -> Leftover:
    """Return the same for values that may be null."""
    return lambda value, path, paths: NOTHING if value is None else below(value, path, paths)


def _of_array(item: Leftover) -> Leftover:
    def leftover(value: Any, path: str, paths: set[str]) -> Any:
        parts = [item(element, f"{path}[*]", paths) for element in value]
        return NOTHING if all(part is NOTHING for part in parts) else value

    return leftover


def of_map(item: Leftover) -> Leftover:
    """Return what finds unknown content in the values of a map."""

    def leftover(value: Any, path: str, paths: set[str]) -> Any:
        parts = {key: item(member, f"{path}[...]", paths) for key, member in value.items()}
        return {key: part for key, part in parts.items() if part is not NOTHING} or NOTHING

    return leftover
