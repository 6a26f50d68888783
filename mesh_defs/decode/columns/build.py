"""The converter of a column, put together from the contract's types."""

from __future__ import annotations

from typing import Final

from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding
from mesh_defs.decode.columns.base import Converter
from mesh_defs.decode.columns.counts import COUNTS
from mesh_defs.decode.columns.limits import checks_for
from mesh_defs.decode.columns.moments import Rfc3339, TimeOfDay
from mesh_defs.decode.columns.nested import Field, Json, List, Map, Object
from mesh_defs.decode.columns.scalars import Base64, Exact, IntegerKey, Plain, Single, Uuid
from mesh_defs.model.errors import ContractError

_INTEGERS: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT])
_SCALARS: Final[dict[Kind, type[Single | Exact | Base64 | Uuid | TimeOfDay | Rfc3339 | Json]]] = {
    Kind.FLOAT: Single,
    Kind.DECIMAL: Exact,
    Kind.BYTES: Base64,
    Kind.UUID: Uuid,
    Kind.TIME: TimeOfDay,
    Kind.TIMESTAMP: Rfc3339,
    Kind.JSON: Json,
}
"""The kinds that need more than Arrow's own conversion."""


def converter_for(column: Column) -> Converter:
    """Return what turns a column's decoded values into its Arrow array.

    Raises:
        ContractError: The column demands what cannot be checked.
    """
    return _converter(column.type, column.name, required=column.required)


def _converter(type_: ColumnType, where: str, *, required: bool) -> Converter:
    checks = checks_for(type_)
    match type_.kind:
        case Kind.DATE | Kind.TIME | Kind.TIMESTAMP if type_.encoding is not TimeEncoding.RFC3339:
            found: Converter = COUNTS[type_.kind](type_, required=required, checks=checks)
        case Kind.OBJECT:
            found = _object(type_, where, required=required)
        case Kind.ARRAY if type_.item is not None:
            item = _converter(type_.item.type, f"{where}[]", required=type_.item.required)
            found = List(type_, item, required=required, checks=checks)
        case Kind.MAP if type_.key is not None and type_.value is not None:
            value = _converter(type_.value, where, required=False)
            found = Map(type_, key_converter(type_.key, where), value, required=required, checks=checks)
        case scalar:
            found = _SCALARS.get(scalar, Plain)(type_, required=required, checks=checks)
    return found


def key_converter(type_: ColumnType, where: str) -> Converter:
    """Return what turns a map's keys, which are texts, into their array."""
    if type_.kind in _INTEGERS:
        return IntegerKey(type_, required=True, checks=checks_for(type_))
    return _converter(type_, where, required=True)


def _object(type_: ColumnType, where: str, *, required: bool) -> Converter:
    missing = set(type_.limits.required_keys) - {f.name for f in type_.fields}
    if missing:
        raise ContractError(
            cannot=f"decode the object {where}",
            why=f"its option `required` names {', '.join(sorted(missing))}, which is none of its properties",
            do="declare it in `properties`, or take it out of `required`",
        )
    fields = tuple(
        Field(f.name, _converter(f.type, f"{where}.{f.name}", required=is_required(type_, f)))
        for f in type_.fields
    )
    return Object(type_, fields, required=required, checks=checks_for(type_))


def is_required(owner: ColumnType, field: Column) -> bool:
    """Return whether a field of an object must be there: its own `required`, or the object's list says so."""
    return field.required or field.name in owner.limits.required_keys
