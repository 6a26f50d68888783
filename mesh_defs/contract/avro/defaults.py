"""Whether the defaults of a schema's fields are values of their types: "Complex Types" of the specification (1.12)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Union,
    name_of,
)
from mesh_defs.contract.document import Node

_BITS: Final = {"int": 32, "long": 64}


def wrong_defaults(schema: AvroSchema) -> tuple[str, ...]:
    """Return which fields have a default that no reader could take; empty where there is none.

    A schema that holds one can still be read by: it matters only where a writer lacks the field. Avro's own parser
    refuses it in a new schema, and so do registries.

    Returns:
        A sentence for each: ``the default of Order.total (line 7) is no long``.
    """
    records = (named for named in schema.names.values() if isinstance(named, Record))
    return tuple(
        f"the default of {record.name}.{field.name} (line {field.default.line}) is no {name_of(field.type)}"
        for record in records
        for field in record.fields
        if field.default is not None and not _Values(schema).takes(field.type, field.default)
    )


class _Values:
    """What the types of one schema take as a default."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema
        self._standing_in: set[tuple[str, str]] = set()

    def takes(self, type_: AvroType, node: Node) -> bool:
        """Return whether a default is a value of a type; of a union, any branch's."""
        match self._schema.resolved(type_):
            case Primitive(name=name):
                fits = _primitive(name, node)
            case Array(items=items):
                fits = isinstance(node.value, tuple) and all(self.takes(items, e) for e in node.elements())
            case Map(values=values):
                held = node.entries().values()
                fits = isinstance(node.value, dict) and all(self.takes(values, e) for e in held)
            case Union(branches=branches):
                fits = any(self.takes(branch, node) for branch in branches)
            case Enum(symbols=symbols):
                fits = node.value in symbols
            case Fixed(size=size):
                fits = _bytes(node) == size
            case Record() as record:
                fits = isinstance(node.value, dict) and all(self._members(record, node))
        return fits

    def _members(self, record: Record, node: Node) -> Iterator[bool]:
        """Yield for each field whether there is a value of it; its own default stands in for one that is missing."""
        for field in record.fields:
            value, place = node.get(field.name), (record.name, field.name)
            if value is not None:
                yield self.takes(field.type, value)
            elif field.default is None or place in self._standing_in:
                yield False  # a default that holds itself never ends
            else:
                self._standing_in.add(place)
                fits = self.takes(field.type, field.default)
                self._standing_in.discard(place)
                yield fits


def _primitive(name: str, node: Node) -> bool:
    value = node.value
    match name:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "int" | "long":
            limit = 1 << _BITS[name] - 1
            return isinstance(value, int) and not isinstance(value, bool) and -limit <= value < limit
        case "float" | "double":
            return _number(value)
        case "bytes":
            return _bytes(node) is not None
        case _:
            return isinstance(value, str)


def _number(value: object) -> bool:
    """Return whether it is a number; Avro's parser reads one from a text, too, which JSON needs for `NaN`."""
    if isinstance(value, str):
        with suppress(ValueError):
            float(value)
            return True
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bytes(node: Node) -> int | None:
    """Return how many bytes a text means, a character each; None where it is none of bytes."""
    if isinstance(node.value, str):
        with suppress(UnicodeEncodeError):
            return len(node.value.encode("latin-1"))
    return None
