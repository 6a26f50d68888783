"""What turns a message's values into those of a plain JSON document under the contract.

Source: Debezium 3.6, packages `io.debezium.time` and `io.debezium.data`; the connectors' "data type mappings".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import msgspec

from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding
from mesh_defs.decode import exact
from mesh_defs.decode.columns.scalars import unbase64
from mesh_defs.decode.debezium.clocks import moment
from mesh_defs.decode.debezium.connect import DECIMAL, ConnectSchema
from mesh_defs.decode.refusal import Refusal

Reader: TypeAlias = Callable[[Any], Any]
"""From a value of `exact.document` to such a value; it raises Refusal where there is none, and leaves null alone."""

_TIME: Final = "io.debezium.time."
_CONNECT: Final = "org.apache.kafka.connect.data."
_COUNTED: Final = {
    f"{_TIME}Date": (Kind.DATE, TimeEncoding.EPOCH_D),
    f"{_CONNECT}Date": (Kind.DATE, TimeEncoding.EPOCH_D),
    f"{_TIME}Time": (Kind.TIME, TimeEncoding.TIME_MS),
    f"{_CONNECT}Time": (Kind.TIME, TimeEncoding.TIME_MS),
    f"{_TIME}MicroTime": (Kind.TIME, TimeEncoding.TIME_US),
    f"{_TIME}NanoTime": (Kind.TIME, TimeEncoding.TIME_NS),
    f"{_TIME}Timestamp": (Kind.TIMESTAMP, TimeEncoding.EPOCH_MS),
    f"{_CONNECT}Timestamp": (Kind.TIMESTAMP, TimeEncoding.EPOCH_MS),
    f"{_TIME}MicroTimestamp": (Kind.TIMESTAMP, TimeEncoding.EPOCH_US),
    f"{_TIME}NanoTimestamp": (Kind.TIMESTAMP, TimeEncoding.EPOCH_NS),
}
_ISO: Final = {
    f"{_TIME}IsoDate": Kind.DATE,
    f"{_TIME}IsoTime": Kind.TIME,
    f"{_TIME}IsoTimestamp": Kind.TIMESTAMP,
}
"""Texts that end in Z although the database's type has no zone."""

_VARIABLE: Final = "io.debezium.data.VariableScaleDecimal"
_NUMBERS: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT, Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL])
_NESTED: Final = frozenset([Kind.OBJECT, Kind.JSON, Kind.ARRAY, Kind.MAP])


def readers(columns: Iterable[Column], schema: ConnectSchema | None) -> dict[str, Reader]:
    """Return for each field what turns its value into the one that the contract's decoder takes.

    Fields whose values are right as they are have none. A field that the contract does not name stays as it is where
    it cannot be read: nobody wants it to be a moment or a number.

    Args:
        columns: The contract's.
        schema: Of the row, where the message brings it.
    """
    types = {column.name: column.type for column in columns}
    schemas = {f.field: f for f in schema.fields if f.field is not None} if schema is not None else {}
    wanted = {name: _reader(type_, schemas.get(name)) for name, type_ in types.items()}
    others = {name: _lenient(_reader(None, s)) for name, s in schemas.items() if name not in types}
    return _present(wanted | others)


def told_readers(
    columns: Sequence[Column], schema: ConnectSchema | None, *, wall_clocks: bool = False
) -> dict[str, Reader]:
    """Return the same for rows that are kept as JSON text: counts become texts, so that text tells the moment.

    Args:
        columns: The contract's.
        schema: Of the row, where the message brings it.
        wall_clocks: Whether texts of instants are to lose their Z where the column is a wall clock.
    """
    spelled = [replace(column, type=_spelled(column.type)) for column in columns]
    counted = {
        c.name: _counted(c.type.kind, c.type.encoding, s.type) for c, s in zip(columns, spelled, strict=True)
    }
    clocks = {c.name: _zoneless(c.type.kind, c.type) for c in spelled if c.type.kind is Kind.TIMESTAMP}
    return (_present(clocks) if wall_clocks else {}) | _present(counted) | readers(spelled, schema)


def told(document: Mapping[str, Any], members: Mapping[str, Reader]) -> dict[str, Any]:
    """Return a row that is kept as text; what cannot be read stays as it is."""
    return {name: _kept(value, members.get(name)) for name, value in document.items()}


def _kept(value: Any, reader: Reader | None) -> Any:
    try:
        return value if reader is None else reader(value)
    except Refusal:
        return value


def _lenient(reader: Reader | None) -> Reader | None:
    return None if reader is None else lambda value: _kept(value, reader)


def _present(found: Mapping[str, Reader | None]) -> dict[str, Reader]:
    return {name: reader for name, reader in found.items() if reader is not None}


def _spelled(type_: ColumnType) -> ColumnType:
    return replace(type_, encoding=TimeEncoding.RFC3339)


def _reader(type_: ColumnType | None, schema: ConnectSchema | None) -> Reader | None:
    nested = type_ is not None and type_.kind in _NESTED
    if schema is None or (nested and schema.type == "string"):
        return _embedded if nested else None
    name = schema.name or ""
    if name in _COUNTED:
        return _counted(*_COUNTED[name], type_)
    if name in _ISO:
        return _zoneless(_ISO[name], type_)
    if name == DECIMAL:
        return _decimal(schema)
    if name == _VARIABLE:
        return _unless_null(_variable)
    return _nested(type_, schema)


def _nested(type_: ColumnType | None, schema: ConnectSchema) -> Reader | None:
    if schema.type == "struct":
        fields = type_.fields if type_ is not None else ()
        members = readers(fields, schema)
        return _unless_null(lambda value: of_members(value, members)) if members else None
    if schema.type == "array":
        item = _reader(
            type_.item.type if type_ is not None and type_.item is not None else None, schema.items
        )
        return None if item is None else _unless_null(lambda value: _of_elements(value, item))
    if schema.type == "map":
        value_reader = _reader(type_.value if type_ is not None else None, schema.values)
        return None if value_reader is None else _unless_null(lambda value: _of_values(value, value_reader))
    return None


def of_members(value: Any, members: Mapping[str, Reader]) -> Any:
    """Return an object with its members read; what is no object stays.

    Raises:
        Refusal: A member has no such value; its path begins with the member.
    """
    if not isinstance(value, dict):
        return value
    return {name: _read(member, members.get(name), f".{name}") for name, member in value.items()}


def _of_elements(value: Any, item: Reader) -> Any:
    if not isinstance(value, list):
        return value
    return [_read(element, item, f"[{index}]") for index, element in enumerate(value)]


def _of_values(value: Any, reader: Reader) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: _read(member, reader, "[...]") for key, member in value.items()}


def _read(value: Any, reader: Reader | None, step: str) -> Any:
    try:
        return value if reader is None else reader(value)
    except Refusal as refusal:
        raise refusal.within(step) from None


def _unless_null(reader: Reader) -> Reader:
    return lambda value: None if value is None else reader(value)


def _counted(kind: Kind, encoding: TimeEncoding, type_: ColumnType | None) -> Reader | None:
    """Return what turns counts of a kind of moment into what the column takes."""
    if encoding is TimeEncoding.RFC3339 or (type_ is not None and type_.kind in _NUMBERS):
        return None
    fitting = type_ is not None and type_.kind is kind
    column = type_ if fitting and type_ is not None else ColumnType(kind=kind)
    if column.encoding is encoding:
        return None
    return lambda value: moment(value, encoding, column) if type(value) is int else value


def _zoneless(kind: Kind, type_: ColumnType | None) -> Reader | None:
    if type_ is None or type_.kind is not kind or (kind is Kind.TIMESTAMP and type_.timezone):
        return None
    return lambda value: value.removesuffix("Z") if isinstance(value, str) else value


def _decimal(schema: ConnectSchema) -> Reader:
    scale = (schema.parameters or {}).get("scale", "0")

    def read(value: Any) -> Any:
        # A converter with `decimal.format=NUMERIC` has written the number itself.
        return _number(value, scale) if isinstance(value, str) else value

    return read


def _variable(value: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get("value"), str):
        return value
    return _number(value["value"], value.get("scale"))


def _number(text: str, scale: Any) -> msgspec.Raw:
    """Return the JSON number that an unscaled value of two's complement in base64 means.

    Source: `org.apache.kafka.connect.data.Decimal.fromLogical`.
    """
    try:
        number, places = unbase64(text), int(scale)
    except (ValueError, TypeError):
        raise Refusal(
            "format", "the text is no decimal: base64 of an unscaled value, and its scale"
        ) from None
    return exact.unscaled(number, places)


def _embedded(value: Any) -> Any:
    """Return the document that a column of JSON holds: connectors write it as text within a string."""
    return exact.document(value.encode()) if isinstance(value, str) else value
