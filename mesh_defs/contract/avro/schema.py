"""From the text of a schema to its types: every rule of the specification that a decoder relies on is checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mesh_defs.contract.avro.types import (
    CONNECT_ONLY,
    CONNECT_TYPES,
    LOGICAL_TYPES,
    PRIMITIVES,
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Field,
    Fixed,
    Logical,
    Map,
    Named,
    Primitive,
    Record,
    Reference,
    Union,
    name_of,
)
from mesh_defs.contract.avsc import AvscError, avsc_refusal, avsc_tree
from mesh_defs.contract.document import Node
from mesh_defs.contract.report import did_you_mean

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMESPACE: Final = re.compile(r"[^\s\"\\.]+(\.[^\s\"\\.]+)*")
"""More than the specification allows: Avro's own parser does not look, and databases' names have hyphens."""
_COMPLEX: Final = ("record", "error", "enum", "fixed", "array", "map")
_BITS: Final = 8
_UUID_BYTES: Final = 16
_DURATION_BYTES: Final = 12

_LARGEST: Final = (1 << 31) - 1
"""Bytes of a fixed: the size is an int of 32 bits to Avro's own parsers."""

_MOST_DIGITS: Final = 4_096
"""A decimal of more is taken for an invalid one: to compare with its largest value would take for ever."""


def read_schema(text: str, source: Path | str, references: Sequence[str] = ()) -> AvroSchema:
    """Read a schema.

    Args:
        text: The content of an `.avsc` file, or what a registry holds.
        source: The file, or words for where the text comes from, for messages.
        references: The texts of other schemas whose names this one uses, each before those that use it.

    Raises:
        ContractError: It is no valid schema; the message is one line and names the line where it can.
    """
    names: dict[str, Named] = {}
    try:
        for reference in references:
            names |= _Schema(names).read(avsc_tree(reference)).names
        return _Schema(names).read(avsc_tree(text))
    except AvscError as error:
        raise avsc_refusal(source, error) from None


class _Schema:
    """One schema, in the reading."""

    def __init__(self, names: Mapping[str, Named]) -> None:
        self._names: dict[str, Named] = dict(names)
        self._open: set[str] = set()

    def read(self, tree: Node) -> AvroSchema:
        """Return the schema of a text's tree."""
        return AvroSchema(root=self._type(tree, ""), names=self._names)

    def _type(self, node: Node, namespace: str) -> AvroType:
        if isinstance(node.value, str):
            return self._by_name(node.value, node, namespace)
        if isinstance(node.value, tuple):
            return self._union(node, namespace)
        if not isinstance(node.value, dict):
            raise AvscError("a type is a name, an object or an array of types", node.line)
        kind = node.get("type")
        if kind is None:
            raise AvscError("a type lacks the key 'type'", node.line)
        if not isinstance(kind.value, str):
            return self._type(kind, namespace)
        return self._object(node, kind.value, namespace)

    def _by_name(self, name: str, node: Node, namespace: str) -> AvroType:
        if name in PRIMITIVES:
            return Primitive(name=name)
        full = _full(name, namespace)
        if full in self._names or full in self._open:
            return Reference(name=full)
        known = [*PRIMITIVES, *self._names]
        raise AvscError(f"the type {full!r} is not known here{did_you_mean(name, known)}", node.line)

    def _object(self, node: Node, kind: str, namespace: str) -> AvroType:
        match kind:
            case "array":
                return Array(items=self._type(_child(node, "items"), namespace))
            case "map":
                return Map(values=self._type(_child(node, "values"), namespace))
            case "record" | "error" | "enum" | "fixed":
                return self._named(node, kind, namespace)
            case _ if kind in PRIMITIVES:
                return Primitive(name=kind, logical=_logical(node, kind, None))
            case _:
                if _full(kind, namespace) not in {*self._names, *self._open}:
                    hint = did_you_mean(kind, [*PRIMITIVES, *_COMPLEX, *self._names])
                    raise AvscError(f"the type {kind!r} is not known here{hint}", _line(node, "type"))
                return self._by_name(kind, node, namespace)

    def _union(self, node: Node, namespace: str) -> Union:
        branches: list[AvroType] = []
        seen: set[str] = set()
        for element in node.elements():
            branch = self._type(element, namespace)
            name = name_of(branch)
            if isinstance(branch, Union):
                raise AvscError("a union holds a union", element.line)
            if name in seen:
                raise AvscError(f"a union holds {name!r} twice", element.line)
            seen.add(name)
            branches.append(branch)
        return Union(branches=tuple(branches))

    def _named(self, node: Node, kind: str, namespace: str) -> Named:
        name, below = self._full_name(node, kind, namespace)
        aliases = frozenset(_full(alias, below) for alias in _texts(node, "aliases", required=False))
        named: Named
        if kind == "enum":
            named = _enum(node, name, aliases)
        elif kind == "fixed":
            named = _fixed(node, name, aliases)
        else:
            self._open.add(name)
            fields = self._fields(node, name, below)
            named = Record(name=name, fields=fields, aliases=aliases, doc=_doc(node))
        self._names[name] = named
        return named

    def _full_name(self, node: Node, kind: str, namespace: str) -> tuple[str, str]:
        """Return a named type's full name, and the namespace of what stands in it."""
        said = _child(node, "name")
        if not isinstance(said.value, str) or not _is_full_name(said.value):
            raise AvscError(f"{said.value!r} is no name of {_article(kind)}", said.line)
        space = node.get("namespace")
        if space is not None and space.value is not None and "." not in said.value:
            if not isinstance(space.value, str) or not (
                space.value == "" or _NAMESPACE.fullmatch(space.value)
            ):
                raise AvscError(f"{space.value!r} is no namespace", space.line)
            namespace = space.value
        name = _full(said.value, namespace)
        if name in PRIMITIVES:
            raise AvscError(f"{name!r} is the name of a primitive type", said.line)
        if name in self._names or name in self._open:
            raise AvscError(f"the type {name!r} is defined twice", said.line)
        return name, name.rpartition(".")[0]

    def _fields(self, node: Node, record: str, namespace: str) -> tuple[Field, ...]:
        fields: dict[str, Field] = {}
        listed = _child(node, "fields")
        if not isinstance(listed.value, tuple):
            raise AvscError("'fields' must be an array", listed.line)
        for element in listed.elements():
            field = self._field(element, record, namespace)
            if field.name in fields:
                first = fields[field.name].line
                message = f"the field {field.name!r} of {record} stands twice, first in line {first}"
                raise AvscError(message, field.line)
            fields[field.name] = field
        return tuple(fields.values())

    def _field(self, node: Node, record: str, namespace: str) -> Field:
        if not isinstance(node.value, dict):
            raise AvscError(f"a field of {record} is no object", node.line)
        name = _child(node, "name")
        if not isinstance(name.value, str) or not _NAME.fullmatch(name.value):
            raise AvscError(f"{name.value!r} is no name of a field", name.line)
        return Field(
            name=name.value,
            type=self._type(_child(node, "type"), namespace),
            default=node.get("default"),
            aliases=frozenset(_texts(node, "aliases", required=False)),
            doc=_doc(node),
            line=node.line,
        )


def _enum(node: Node, name: str, aliases: frozenset[str]) -> Enum:
    symbols = _texts(node, "symbols")
    for symbol in symbols:
        if not _NAME.fullmatch(symbol):
            raise AvscError(f"{symbol!r} is no symbol of an enum", _line(node, "symbols"))
    if len(set(symbols)) < len(symbols):
        raise AvscError(f"a symbol of the enum {name} stands twice", _line(node, "symbols"))
    default = node.string("default")
    if default is not None and default not in symbols:
        raise AvscError(f"the default {default!r} is no symbol of the enum {name}", _line(node, "default"))
    return Enum(name=name, symbols=symbols, default=default, aliases=aliases, doc=_doc(node))


def _fixed(node: Node, name: str, aliases: frozenset[str]) -> Fixed:
    size = _whole(node, "size")
    if size is None or size > _LARGEST:
        raise AvscError(
            f"the size of the fixed {name} must be a whole number from 0 to {_LARGEST}", _line(node, "size")
        )
    return Fixed(name=name, size=size, aliases=aliases, logical=_logical(node, "fixed", size))


def _logical(node: Node, kind: str, size: int | None) -> Logical | None:
    """Return the logical type; None also where it is invalid, as the specification demands."""
    meant = CONNECT_TYPES.get(node.string("connect.name") or "")
    name = node.string("logicalType") or meant
    known = {**LOGICAL_TYPES, **(CONNECT_ONLY if name == meant else {})}
    if name is None or kind not in known.get(name, frozenset()):
        return None
    if name == "decimal":
        return _decimal(node, size)
    wanted = {"uuid": _UUID_BYTES, "duration": _DURATION_BYTES}.get(name)
    if size is not None and size != wanted:
        return None
    return Logical(name=name, zoneless=name == meant)


def _decimal(node: Node, size: int | None) -> Logical | None:
    precision = _whole(node, "precision")
    scale = 0 if node.get("scale") is None else _whole(node, "scale")
    if not precision or precision > _MOST_DIGITS or scale is None or scale > precision:
        return None
    if size is not None and 10**precision > 1 << max(_BITS * min(size, _MOST_DIGITS) - 1, 0):
        return None
    return Logical(name="decimal", precision=precision, scale=scale)


def _is_full_name(text: str) -> bool:
    space, _, name = text.rpartition(".")
    return bool(_NAME.fullmatch(name)) and (name == text or bool(_NAMESPACE.fullmatch(space)))


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _child(node: Node, key: str) -> Node:
    child = node.get(key)
    if child is None:
        what = node.string("name") or node.string("type")
        raise AvscError(f"{what + ' ' if what else ''}lacks the key {key!r}", node.line)
    return child


def _line(node: Node, key: str) -> int:
    child = node.get(key)
    return child.line if child is not None else node.line


def _texts(node: Node, key: str, *, required: bool = True) -> tuple[str, ...]:
    child = node.get(key)
    if child is None and not required:
        return ()
    listed = _child(node, key)
    texts = tuple(element.value for element in listed.elements() if isinstance(element.value, str))
    if not isinstance(listed.value, tuple) or len(texts) < len(listed.value):
        raise AvscError(f"{key!r} must be an array of texts", listed.line)
    return texts


def _whole(node: Node, key: str) -> int | None:
    child = node.get(key)
    value = child.value if child is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _doc(node: Node) -> str:
    return (node.string("doc") or "").strip()


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
