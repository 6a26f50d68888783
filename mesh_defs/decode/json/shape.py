"""The strict decoder's Structs, generated from the contract."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from mesh_defs.contract.types import Column, ColumnType, Kind, TimeEncoding
from mesh_defs.decode.columns.build import is_required
from mesh_defs.decode.types.constants import NO_CONSTANTS

_SCALARS: Final[dict[Kind, type]] = {
    Kind.BIGINT: int,
    Kind.INT: int,
    Kind.SMALLINT: int,
    Kind.DOUBLE: float,
    Kind.FLOAT: float,
    Kind.STRING: str,
    Kind.BOOLEAN: bool,
    Kind.DATE: dt.date,
    # As text, which the converters read: msgspec's own readers drop what lies behind microseconds, bits of
    # base64 that stand for nothing, and the spelling.
    Kind.TIME: str,
    Kind.TIMESTAMP: str,
    Kind.BYTES: str,
    Kind.UUID: str,
    # As characters, because a number's digits and a document's numbers must survive.
    Kind.DECIMAL: msgspec.Raw,
    Kind.JSON: msgspec.Raw,
}


def struct_for(
    columns: Sequence[Column], *, forbid_unknown_fields: bool, constants: Mapping[str, str] = NO_CONSTANTS
) -> type[msgspec.Struct]:
    """Return the Struct of a document: one attribute a column, in the contract's order.

    Args:
        columns: The document's fields.
        forbid_unknown_fields: Whether a field that is none of them is refused, at every level, or skipped.
        constants: Further fields, which may hold one text only. Their attributes come last.
    """
    return _struct([(c, c.required) for c in columns], forbid=forbid_unknown_fields, constants=constants)


def _struct(
    columns: list[tuple[Column, bool]], *, forbid: bool, constants: Mapping[str, str] = NO_CONSTANTS
) -> type[msgspec.Struct]:
    names = {f"f{i}": column.name for i, (column, _) in enumerate(columns)}
    fields: list[Any] = [
        (name, annotation) if required else (name, annotation, None)
        for name, (column, required) in zip(names, columns, strict=True)
        for annotation in [_nullable(column.type, required=required, forbid=forbid)]
    ]
    for number, (name, text) in enumerate(constants.items()):
        names[f"c{number}"] = name
        fields.append((f"c{number}", Literal[text] | msgspec.UnsetType, msgspec.UNSET))
    return msgspec.defstruct(
        "Document", fields, rename=names, forbid_unknown_fields=forbid, kw_only=True, gc=False
    )


def _nullable(type_: ColumnType, *, required: bool, forbid: bool) -> Any:
    annotation = _annotation(type_, forbid=forbid)
    # Characters hold a null as they hold anything else; their converter sees to it.
    return annotation if required or annotation is msgspec.Raw else annotation | None


def _annotation(type_: ColumnType, *, forbid: bool) -> Any:
    if type_.encoding is not TimeEncoding.RFC3339:
        return int
    if type_.kind is Kind.OBJECT:
        return _struct([(f, is_required(type_, f)) for f in type_.fields], forbid=forbid)
    if type_.kind is Kind.ARRAY and type_.item is not None:
        return list[_nullable(type_.item.type, required=type_.item.required, forbid=forbid)]  # type: ignore[misc]
    if type_.kind is Kind.MAP and type_.value is not None:
        return dict[str, _nullable(type_.value, required=False, forbid=forbid)]  # type: ignore[misc]
    return _SCALARS[type_.kind]
