"""`physicalType`: what narrows a `logicalType` to the type that is stored.

A `physicalType` that repeats the `logicalType`, or is SQL's usual word for it, narrows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mesh_defs.contract.report import did_you_mean
from mesh_defs.contract.types import ColumnType, Kind, Limits, TimeEncoding

SUPPORTED: Final = (
    "int, smallint, bigint, float, double, decimal(p,s), string, varchar(n), bytes, uuid, boolean, date, time, "
    "timestamp, epoch_s, epoch_ms, epoch_us, epoch_ns, epoch_d, time_ms, time_us, time_ns, object, json, "
    "map<K,V>, array"
)
MAX_PRECISION: Final = 38
_MAX_NESTING: Final = 8

_BIGINT = ColumnType(kind=Kind.BIGINT)
_INT = ColumnType(kind=Kind.INT)
_SMALLINT = ColumnType(kind=Kind.SMALLINT)
_DOUBLE = ColumnType(kind=Kind.DOUBLE)
_FLOAT = ColumnType(kind=Kind.FLOAT)
_STRING = ColumnType(kind=Kind.STRING)
_BYTES = ColumnType(kind=Kind.BYTES)
_TIMESTAMP = ColumnType(kind=Kind.TIMESTAMP)
_DATE = ColumnType(kind=Kind.DATE)
_TIME = ColumnType(kind=Kind.TIME)
_JSON = ColumnType(kind=Kind.JSON)

_WHOLE: Final = {
    "bigint": _BIGINT,
    "long": _BIGINT,
    "int64": _BIGINT,
    "int": _INT,
    "int32": _INT,
    "smallint": _SMALLINT,
    "int16": _SMALLINT,
}

_NAMES: Final[Mapping[str, Mapping[str, ColumnType]]] = {
    "integer": {"integer": _BIGINT, **_WHOLE},
    "number": {
        "number": _DOUBLE,
        "double": _DOUBLE,
        "float64": _DOUBLE,
        "float": _FLOAT,
        "real": _FLOAT,
        "float32": _FLOAT,
        **_WHOLE,
    },
    "string": {
        "string": _STRING,
        "varchar": _STRING,
        "text": _STRING,
        "bytes": _BYTES,
        "binary": _BYTES,
        "uuid": ColumnType(kind=Kind.UUID),
    },
    "boolean": {"boolean": ColumnType(kind=Kind.BOOLEAN), "bool": ColumnType(kind=Kind.BOOLEAN)},
    "date": {"date": _DATE, "epoch_d": replace(_DATE, encoding=TimeEncoding.EPOCH_D)},
    "time": {
        "time": _TIME,
        "time_ms": replace(_TIME, encoding=TimeEncoding.TIME_MS),
        "time_us": replace(_TIME, encoding=TimeEncoding.TIME_US),
        "time_ns": replace(_TIME, encoding=TimeEncoding.TIME_NS),
    },
    "timestamp": {
        "timestamp": _TIMESTAMP,
        "timestamptz": _TIMESTAMP,
        "epoch_s": replace(_TIMESTAMP, encoding=TimeEncoding.EPOCH_S),
        "epoch_ms": replace(_TIMESTAMP, encoding=TimeEncoding.EPOCH_MS),
        "epoch_us": replace(_TIMESTAMP, encoding=TimeEncoding.EPOCH_US),
        "epoch_ns": replace(_TIMESTAMP, encoding=TimeEncoding.EPOCH_NS),
    },
    "object": {"object": _JSON, "struct": _JSON, "json": _JSON},
}
"""For each logical type the words that may stand in `physicalType`. An object's fields are filled in later."""

_PARAMETRIC: Final = {"decimal": "number", "numeric": "number", "varchar": "string", "map": "object"}
_ARRAYS: Final = frozenset(["array", "list"])
_KEY_KINDS: Final = frozenset([Kind.STRING, Kind.UUID, Kind.BIGINT, Kind.INT, Kind.SMALLINT])


class UnsupportedTypeError(Exception):
    """A physical type that cannot be stored; the message is a finding's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Physical:
    """A physical type, parsed: `decimal(12,2)`, `map<string,int>`."""

    text: str
    name: str
    sizes: tuple[int, ...] = ()
    of: tuple[_Physical, ...] = ()


def inferred_logical_type(column: Mapping[str, Any]) -> str | None:
    """Return the logical type of a column as it stands in the file; None where nothing tells it.

    Args:
        column: The column's keys and values. `logicalType` wins; `properties`, `items`, `map` and then
            `physicalType` decide where it is absent.
    """
    said = column.get("logicalType")
    if isinstance(said, str):
        return said
    for key, logical in (("properties", "object"), ("items", "array"), ("map", "map")):
        if key in column:
            return logical
    physical = column.get("physicalType")
    if not isinstance(physical, str):
        return None
    return _logical_type_of(re.split(r"[(<]", physical, maxsplit=1)[0].strip().casefold())


def column_type(logical: str, physical: str | None) -> ColumnType:
    """Return the type that a logical type, narrowed by a physical one, is stored as.

    Args:
        logical: ODCS's word, except `array`: its element is told elsewhere.
        physical: The contract's word, or None.

    Raises:
        UnsupportedTypeError: The physical type is unknown, or does not narrow the logical one.
    """
    if physical is None:
        return _NAMES[logical][logical]
    return _narrow(logical, _parse(physical, 0))


def check_array(physical: str | None) -> None:
    """Refuse a physical type that an array cannot have.

    Raises:
        UnsupportedTypeError: It is something else than `array` or `list`.
    """
    if physical is not None and physical.strip().casefold() not in _ARRAYS:
        raise UnsupportedTypeError(
            f"physicalType {physical!r} is not supported for an array: say `array`, and the element's type in `items`"
        )


def map_type(key: ColumnType, value: ColumnType) -> ColumnType:
    """Return the type of a map.

    Raises:
        UnsupportedTypeError: The key's type cannot be written as a JSON key.
    """
    if key.kind not in _KEY_KINDS:
        kinds = "string, uuid, bigint, int, smallint"
        raise UnsupportedTypeError(f"{key.kind} is not supported as a map's key: supported are {kinds}")
    return ColumnType(kind=Kind.MAP, key=key, value=value)


def _logical_type_of(name: str) -> str | None:
    if name in _ARRAYS:
        return "array"
    if name in _PARAMETRIC:
        return _PARAMETRIC[name]
    return next((logical for logical, names in _NAMES.items() if name in names), None)


def _narrow(logical: str, physical: _Physical) -> ColumnType:
    if physical.name in ("decimal", "numeric"):
        return _decimal(logical, physical)
    if physical.name == "map":
        return _map(logical, physical)
    if physical.name == "varchar" and len(physical.sizes) == 1 and logical == "string":
        return replace(_STRING, limits=Limits(max_length=physical.sizes[0]))
    if physical.sizes or physical.of:
        raise UnsupportedTypeError(
            f"physicalType {physical.text!r} is not supported: supported are {SUPPORTED}"
        )
    found = _NAMES[logical].get(physical.name)
    if found is None:
        raise UnsupportedTypeError(_wrong_name(logical, physical))
    return found


def _wrong_name(logical: str, physical: _Physical) -> str:
    fitting = _logical_type_of(physical.name)
    if fitting is not None:
        hint = f"it goes with logicalType {fitting}"
        return f"physicalType {physical.text!r} does not narrow logicalType {logical}: {hint}"
    names = {name for words in _NAMES.values() for name in words} | set(_PARAMETRIC)
    hint = did_you_mean(physical.name, names)
    return f"physicalType {physical.text!r} is not supported: supported are {SUPPORTED}{hint}"


def _decimal(logical: str, physical: _Physical) -> ColumnType:
    if logical not in ("number", "integer"):
        raise UnsupportedTypeError(_wrong_name(logical, physical))
    if len(physical.sizes) != 2:  # noqa: PLR2004
        raise UnsupportedTypeError(f"physicalType {physical.text!r} needs both sizes: decimal(p,s)")
    precision, scale = physical.sizes
    if not (1 <= precision <= MAX_PRECISION and scale <= precision):
        raise UnsupportedTypeError(
            f"physicalType {physical.text!r} is not supported: 1 to {MAX_PRECISION} digits, "
            "not more of them behind the point than in all"
        )
    if logical == "integer" and scale:
        raise UnsupportedTypeError(
            f"physicalType {physical.text!r} has digits behind the point: it goes with logicalType number"
        )
    return ColumnType(kind=Kind.DECIMAL, precision=precision, scale=scale)


def _map(logical: str, physical: _Physical) -> ColumnType:
    if logical != "object":
        raise UnsupportedTypeError(_wrong_name(logical, physical))
    if len(physical.of) != 2:  # noqa: PLR2004
        raise UnsupportedTypeError(f"physicalType {physical.text!r} needs both types: map<K,V>")
    key, value = (_nested(part) for part in physical.of)
    return map_type(key, value)


def _nested(physical: _Physical) -> ColumnType:
    logical = _logical_type_of(physical.name)
    if logical is None or logical == "array":
        hint = did_you_mean(physical.name, [name for words in _NAMES.values() for name in words])
        raise UnsupportedTypeError(
            f"{physical.text!r} is not supported in a map: supported are {SUPPORTED.removesuffix(', array')}{hint}"
        )
    if physical.name == "struct":
        raise UnsupportedTypeError("a struct in a map has no fields here: say `json`")
    return _narrow(logical, physical)


def _parse(text: str, depth: int) -> _Physical:
    shape = re.fullmatch(r"\s*([A-Za-z_][A-Za-z0-9_ ]*?)\s*(?:\(([0-9, ]*)\)|<(.*)>)?\s*", text, re.DOTALL)
    if shape is None or depth > _MAX_NESTING:
        raise UnsupportedTypeError(f"physicalType {text!r} cannot be read: supported are {SUPPORTED}")
    name, sizes, inner = shape.groups()
    return _Physical(
        text=text.strip(),
        name=name.casefold(),
        sizes=_sizes(text, sizes) if sizes is not None else (),
        of=tuple(_parse(part, depth + 1) for part in _split(inner)) if inner is not None else (),
    )


def _sizes(text: str, sizes: str) -> tuple[int, ...]:
    parts = [part.strip() for part in sizes.split(",")]
    if not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        raise UnsupportedTypeError(f"physicalType {text!r} cannot be read: its sizes must be whole numbers")
    return tuple(int(part) for part in parts)


def _split(inner: str) -> list[str]:
    """Split at the commas that stand in no bracket."""
    parts, depth = [""], 0
    for sign in inner:
        depth += (sign in "(<") - (sign in ")>")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
