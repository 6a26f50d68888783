"""From a writer's types to a contract's: which column takes what, and what turns the one into the other.

A column takes what Avro's own resolution of schemas would promote to it without losing anything, and what the
contract's words for it (`epoch_ms`, `uuid`) say that a number or a text is. All rules are those of JSON streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from mesh_defs.contract.avro.types import VARIABLE_DECIMAL, Array, Map, Record, Union, name_of, simple_name
from mesh_defs.contract.types import Column, ColumnType, Kind
from mesh_defs.decode.avro.embedded import Embedded
from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.avro.scalars import JsonText, document_converter, is_decimal, is_text, scalar
from mesh_defs.decode.avro.text import Texts, variable_decimal
from mesh_defs.decode.columns.arrow import Listed, Misfit, Nothing
from mesh_defs.decode.columns.arrow_nested import Either, Lists, Maps, Part, Structs
from mesh_defs.decode.columns.base import Converter
from mesh_defs.decode.columns.build import is_required, key_converter
from mesh_defs.decode.columns.limits import checks_for
from mesh_defs.decode.refusal import Refusal

Aliases: TypeAlias = Mapping[str, Mapping[str, str]]
"""For a record's full name: what a contract's schema file calls the fields that a writer calls otherwise."""


def members_of(node: Node, aliases: Aliases) -> dict[str, int]:
    """Return the places of a record's fields, or of a union's branches, by the names that a column may give them.

    A branch of a named type has its name's last part, where no other branch has the same, and its full name with `_`
    for each dot.
    """
    if isinstance(node.type, Record):
        places = {name: place for place, name in enumerate(node.names)}
        known = aliases.get(node.type.name) or aliases.get(simple_name(node.type.name), {})
        return {known[name]: place for name, place in places.items() if name in known} | places
    short = list(map(simple_name, node.names))
    single = {name: place for place, name in enumerate(short) if short.count(name) == 1}
    return single | {name.replace(".", "_"): place for place, name in enumerate(node.names)}


class Fit:
    """Puts converters together, for one writer's schema.

    Args:
        texts: Of the writer's schema.
        aliases: Of its records' fields.
        embedded: Whether a text may hold the JSON of an object, an array or a map, as connectors write it.
    """

    def __init__(self, texts: Texts, aliases: Aliases, *, embedded: bool = False) -> None:
        self._texts = texts
        self._aliases = aliases
        self._embedded = embedded

    def column(self, node: Node | None, column: Column) -> Converter:
        """Return what turns arrays of a node's type into a column.

        Args:
            node: None where the writer has no such field.
            column: Of the contract.
        """
        return self._fit(node, column, required=column.required)

    def _fit(self, node: Node | None, column: Column, *, required: bool) -> Converter:
        type_ = column.type
        if node is None or pa.types.is_null(node.arrow):
            return Nothing(type_, required=required)
        found: Converter | None = None
        if type_.kind is Kind.JSON:
            found = self._json(node, column, required=required)
        elif isinstance(node.type, Union):
            found = self._union(node, column, required=required)
        elif not node.cut:
            found = self._nested(node, column, required=required)
            found = found or scalar(node, column, required=required)
        return found or Misfit(type_, _refusal(node, type_), required=required)

    def _nested(self, node: Node, column: Column, *, required: bool) -> Converter | None:
        type_ = column.type
        checks = checks_for(type_)
        match node.type, type_.kind:
            case Record(name=name), Kind.DECIMAL if name == VARIABLE_DECIMAL:
                return Listed(type_, document_converter(column, required=required), variable_decimal)
            case Record(), Kind.OBJECT:
                return self._struct(node, type_, required=required)
            case Array(), Kind.ARRAY if type_.item is not None:
                return Lists(type_, self.column(node.parts[0], type_.item), required=required, checks=checks)
            case Map(), Kind.MAP if type_.key is not None and type_.value is not None:
                key = Listed(type_.key, key_converter(type_.key, column.name))
                value = self.column(node.parts[0], Column(name=column.name, type=type_.value))
                return Maps(type_, key, value, required=required, checks=checks)
            case _, Kind.OBJECT | Kind.ARRAY | Kind.MAP if self._embedded and is_text(node):
                return Listed(type_, document_converter(column, required=required), Embedded(column))
        return None

    def _struct(self, node: Node, type_: ColumnType, *, required: bool) -> Converter:
        places = members_of(node, self._aliases)
        parts = tuple(
            Part(field.name, self._fit(part, field, required=is_required(type_, field)), place)
            for field in type_.fields
            for place in [places.get(field.name)]
            for part in [None if place is None else node.parts[place]]
        )
        return Structs(type_, parts, required=required, checks=checks_for(type_))

    def _union(self, node: Node, column: Column, *, required: bool) -> Converter:
        if by_branch(node, column.type):
            return self._struct(node, column.type, required=required)
        branches = tuple(self._fit(part, column, required=False) for part in node.parts)
        return Either(column.type, branches, required=required)

    def _json(self, node: Node, column: Column, *, required: bool) -> Converter | None:
        checks = checks_for(column.type)
        if node.cut:
            return JsonText(column.type, self._texts.cut, required=required, checks=checks)
        if is_text(node):
            return Listed(column.type, document_converter(column, required=required), _raw)
        if isinstance(node.type, Array | Map | Record | Union) or is_decimal(node):
            text = self._texts.of(node.type, node.above)
            return JsonText(column.type, text, required=required, checks=checks)
        return None


def by_branch(node: Node, type_: ColumnType) -> bool:
    """Return whether an object's properties are the branches of a union."""
    if type_.kind is not Kind.OBJECT or not isinstance(node.type, Union):
        return False
    return {field.name for field in type_.fields} <= set(members_of(node, {}))


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(str(value).encode())


def _refusal(node: Node, type_: ColumnType) -> Refusal:
    logical = f" ({node.logical.name})" if node.logical is not None else ""
    given = name_of(node.type)
    return Refusal("type", f"the writer's {given}{logical} does not fit the column's type, {type_.kind}")
