"""A writer's schema as a tree: references followed, `null` told apart, and the Arrow type of the values.

What both decoders hand over is an array of a node's Arrow type, so that everything behind them is one code. The
values are the wire's own: a logical type counts only where Arrow's type below it would lose something (decimals).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import pyarrow as pa

from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Reference,
    Union,
    name_of,
)
from mesh_defs.contract.physical import MAX_PRECISION

MAX_NODES: Final = 10_000
"""Following references can make a small schema exponentially large."""

Whole: TypeAlias = Primitive | Array | Map | Union | Fixed | Enum | Record
"""A type that is no reference."""

_ARROW: Final[dict[str, pa.DataType]] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "bytes": pa.binary(),
    "string": pa.string(),
}


class TooLargeError(Exception):
    """A schema has more than `MAX_NODES` types when its references are followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A type where it stands.

    Attributes:
        type: Without null, where a union has one other branch; a union where it has several.
        arrow: Of the values. A map is a list of keys and values, a union of several branches a struct with a
            member a branch, all but one of them null; what contains itself is JSON text where it does.
        names: Of the parts: a record's fields, a union's branches.
        parts: A record's fields, an array's items, a map's values, a union's branches without null.
        union: The union that was taken apart, since the wire tells the branch.
        cut: Whether the type contains itself here.
        above: The full names of the records around it.
    """

    type: Whole
    arrow: pa.DataType
    names: tuple[str, ...] = ()
    parts: tuple[Node, ...] = ()
    union: Union | None = None
    cut: bool = False
    above: tuple[str, ...] = ()

    @property
    def logical(self) -> Logical | None:
        """The logical type, where the type has one."""
        return self.type.logical if isinstance(self.type, Primitive | Fixed) else None


def node_of(schema: AvroSchema, type_: AvroType) -> Node:
    """Return the tree of a type.

    Args:
        schema: Knows the names.
        type_: One of its types.

    Raises:
        TooLargeError: The tree has more than `MAX_NODES` nodes.
    """
    return _Tree(schema).node(type_, ())


class _Tree:
    """One tree, in the making."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._count = 0

    def node(self, type_: AvroType, above: tuple[str, ...]) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise TooLargeError
        whole = self._schema.resolved(type_)
        if isinstance(type_, Reference) and type_.name in above:
            node = Node(type=whole, arrow=pa.string(), cut=True)
        else:
            node = self._whole(whole, above)
        return replace(node, above=above)

    def _whole(self, type_: Whole, above: tuple[str, ...]) -> Node:
        match type_:
            case Union():
                return self._union(type_, above)
            case Record():
                inside = (*above, type_.name)
                names = tuple(field.name for field in type_.fields)
                return _struct(type_, names, tuple(self.node(field.type, inside) for field in type_.fields))
            case Array():
                item = self.node(type_.items, above)
                return Node(type=type_, arrow=_list(item.arrow), parts=(item,))
            case Map():
                value = self.node(type_.values, above)
                entry = pa.struct([pa.field("key", pa.string()), pa.field("value", value.arrow)])
                return Node(type=type_, arrow=_list(entry), parts=(value,))
            case _:
                return Node(type=type_, arrow=_scalar(type_))

    def _union(self, union: Union, above: tuple[str, ...]) -> Node:
        others = [branch for branch in union.branches if not is_null(branch)]
        if not others:
            return Node(type=Primitive(name="null"), arrow=pa.null(), union=union)
        if len(others) == 1:
            return replace(self.node(others[0], above), union=union)
        parts = tuple(self.node(branch, above) for branch in others)
        return replace(_struct(union, tuple(map(name_of, others)), parts), union=union)


def is_null(type_: AvroType) -> bool:
    """Return whether a type is Avro's null."""
    return isinstance(type_, Primitive) and type_.name == "null"


def _struct(type_: Record | Union, names: tuple[str, ...], parts: tuple[Node, ...]) -> Node:
    fields = [pa.field(name, part.arrow) for name, part in zip(names, parts, strict=True)]
    return Node(type=type_, arrow=pa.struct(fields), names=names, parts=parts)


def _list(element: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", element))


def _scalar(type_: Primitive | Fixed | Enum) -> pa.DataType:
    if isinstance(type_, Enum):
        return pa.string()
    logical = type_.logical
    if logical is not None and logical.name == "decimal":
        if logical.precision > MAX_PRECISION:
            return pa.string()
        return pa.decimal128(logical.precision, logical.scale)
    return pa.binary() if isinstance(type_, Fixed) else _ARROW[type_.name]
