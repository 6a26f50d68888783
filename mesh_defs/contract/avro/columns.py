"""From Avro's types to a contract's columns: lossless, as `docs/how-to/avro-and-registries.md` tabulates it.

What no column type can hold exactly becomes JSON text: a union of several branches, a record inside of itself, a
decimal of more than 38 digits, a type nested too deeply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mesh_defs.contract.arrow import RESERVED_COLUMNS
from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Field,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Union,
    name_of,
)
from mesh_defs.contract.columns import COLUMN_NAME
from mesh_defs.contract.physical import MAX_PRECISION

Property = dict[str, Any]
"""A column, or the type of an element, as the Open Data Contract Standard writes it."""

MAX_NESTING: Final = 8
"""Objects, arrays and maps in each other: checking a document against the standard costs three times more a level."""

_JSON: Final[Mapping[str, str]] = {"logicalType": "object", "physicalType": "json"}
_PRIMITIVES: Final[Mapping[str, Mapping[str, str]]] = {
    "null": _JSON,
    "boolean": {"logicalType": "boolean"},
    "int": {"logicalType": "integer", "physicalType": "int"},
    "long": {"logicalType": "integer"},
    "float": {"logicalType": "number", "physicalType": "float"},
    "double": {"logicalType": "number"},
    "bytes": {"logicalType": "string", "physicalType": "bytes"},
    "string": {"logicalType": "string"},
}
_WALL_CLOCK: Final = {"logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}}
_LOGICAL: Final[Mapping[str, Mapping[str, Any]]] = {
    "uuid": {"logicalType": "string", "physicalType": "uuid"},
    "date": {"logicalType": "date"},
    "time-millis": {"logicalType": "time"},
    "time-micros": {"logicalType": "time"},
    "timestamp-millis": {"logicalType": "timestamp"},
    "timestamp-micros": {"logicalType": "timestamp"},
    "local-timestamp-millis": _WALL_CLOCK,
    "local-timestamp-micros": _WALL_CLOCK,
    "iso-date": {"logicalType": "date"},
    "iso-time": {"logicalType": "time"},
    "iso-timestamp": {"logicalType": "timestamp"},
}
"""Logical types that a column type holds exactly; of the others the type below them is taken."""

_NANOSECONDS: Final = {
    "timestamp-nanos": "nanoseconds since 1970-01-01T00:00:00Z",
    "time-nanos": "nanoseconds since midnight",
    "local-timestamp-nanos": "nanoseconds since 1970-01-01T00:00:00 on the local clock",
}
_IN_A_MAP: Final[Mapping[tuple[str, str | None], str]] = {
    ("integer", None): "bigint",
    ("number", None): "double",
}
_LONG: Final = frozenset(["quality", "items", "map", "properties"])
_NESTED: Final = frozenset(["object", "array", "map"])
_ARRAY, _MAP = "array[]", "map{}"
_SEVERAL: Final = frozenset([_ARRAY, _MAP])
"""What stands above a type that a column holds several of; no record has such a name."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe\uffff]+")


@dataclass(slots=True, kw_only=True)
class Columns:
    """The columns of a record, and what a person should know about them.

    Attributes:
        properties: As the contract writes them.
        notes: Sentences about fields that are no columns of their own.
    """

    properties: list[Property] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def columns_of(schema: AvroSchema, record: Record) -> Columns:
    """Return the columns that hold what a record holds.

    A field whose name no column can have is none: its value is kept in `_unknown`, and a note says so.

    Args:
        schema: The schema that knows the record's named types.
        record: Of the events.
    """
    return _Mapping(schema).columns(record)


class _Mapping:
    """One schema, in the mapping."""

    def __init__(self, schema: AvroSchema) -> None:
        self._schema = schema

    def columns(self, record: Record) -> Columns:
        columns = Columns()
        taken: dict[str, str] = {}
        for member in record.fields:
            trouble = _trouble(member.name, taken)
            if trouble is not None:
                columns.notes.append(
                    f"the field {member.name!r} {trouble}: its values are kept in `_unknown`"
                )
                continue
            taken[member.name.casefold()] = member.name
            columns.properties.append(self._property(member, (record.name,)))
        return columns

    def _property(self, member: Field, above: tuple[str, ...]) -> Property:
        type_, nullable = self._branch(member.type)
        said = self._type(type_, above)
        note = said.pop("description", "")
        description = ". ".join(text.rstrip(".") for text in (plain_text(member.doc), note) if text)
        # What was written before a field with a default was added lacks it.
        lacking = nullable or member.has_default
        named: Property = {"name": member.name, **said, **({} if lacking else {"required": True})}
        if description:
            named["description"] = description
        if isinstance(type_, Enum) and not _SEVERAL & set(above):
            named["quality"] = [
                {"metric": "invalidValues", "arguments": {"validValues": list(type_.symbols)}, "mustBe": 0}
            ]
        return _in_order(named)

    def _branch(self, type_: AvroType) -> tuple[AvroType, bool]:
        """Return a type without null, references followed, and whether it may be null."""
        found: AvroType = self._schema.resolved(type_)
        if not isinstance(found, Union):
            return found, _is_null(found)
        others = [branch for branch in found.branches if not _is_null(branch)]
        nullable = len(others) < len(found.branches)
        if len(others) == 1:
            return self._schema.resolved(others[0]), nullable
        return found, nullable or not others

    def _type(self, type_: AvroType, above: tuple[str, ...]) -> Property:
        """Return a type's words; a `description` among them is what they cannot say."""
        if len(above) > MAX_NESTING and isinstance(type_, Array | Map | Record):
            return _json(f"the Avro {_word(type_)}, nested too deeply for columns")
        match type_:
            case Record():
                return self._record(type_, above)
            case Array():
                return {"logicalType": "array", "items": self._item(type_.items, (*above, _ARRAY))}
            case Map():
                return self._map(type_, (*above, _MAP))
            case _:
                return _leaf(type_)

    def _record(self, record: Record, above: tuple[str, ...]) -> Property:
        if record.name in above:
            return _json(f"the Avro record {record.name}, which contains itself")
        names = [member.name for member in record.fields]
        if not names or len({name.casefold() for name in names}) < len(names):
            why = "whose fields differ only in case" if names else "which has no fields"
            return _json(f"the Avro record {record.name}, {why}")
        if not all(COLUMN_NAME.fullmatch(name) for name in names):
            return _json(f"the Avro record {record.name}, with a field name too long for a column")
        inside = (*above, record.name)
        return {
            "logicalType": "object",
            **({"description": doc} if (doc := plain_text(record.doc)) else {}),
            "properties": [self._property(member, inside) for member in record.fields],
        }

    def _item(self, type_: AvroType, above: tuple[str, ...]) -> Property:
        found, nullable = self._branch(type_)
        return _in_order({**self._type(found, above), **({} if nullable else {"required": True})})

    def _map(self, type_: Map, above: tuple[str, ...]) -> Property:
        value, _ = self._branch(type_.values)
        words = self._type(value, above)
        simple = _in_a_map(words)
        if simple is None:
            words.pop("description", None)
            return {"logicalType": "map", "map": {"key": {"logicalType": "string"}, "value": words}}
        return {"logicalType": "object", "physicalType": f"map<string,{simple}>"}


def _in_a_map(words: Property) -> str | None:
    """Return the word for a map's values; None where `map<K,V>` cannot say their type."""
    if words["logicalType"] in _NESTED or not set(words) <= {"logicalType", "physicalType", "description"}:
        return words.get("physicalType") if words["logicalType"] == "object" else None
    logical, physical = words["logicalType"], words.get("physicalType")
    return _IN_A_MAP.get((logical, physical), physical or logical)


def _leaf(type_: AvroType) -> Property:
    match type_:
        case Union():
            return _json(f"one of the Avro types {', '.join(map(name_of, type_.branches)) or 'none'}")
        case Enum():
            return {"logicalType": "string"}
        case Primitive() | Fixed():
            return _scalar(type_)
        case _:
            message = f"{type_} is no leaf"
            raise AssertionError(message)


def _scalar(type_: Primitive | Fixed) -> Property:
    logical = type_.logical
    if logical is not None and logical.name == "decimal":
        return _decimal(logical)
    if logical is not None and logical.name in _LOGICAL:
        return _copied(_LOGICAL[logical.name])
    if isinstance(type_, Fixed):
        length = {"minLength": type_.size, "maxLength": type_.size}
        words: Property = {**_PRIMITIVES["bytes"], "logicalTypeOptions": length}
        duration = logical is not None and logical.name == "duration"
        note = "an Avro duration: months, days and milliseconds, each 4 bytes, little-endian"
        return {**words, "description": note} if duration else words
    said = _copied(_PRIMITIVES[type_.name])
    if logical is not None and logical.name in _NANOSECONDS:
        said["description"] = _NANOSECONDS[logical.name]
    return said


def _decimal(logical: Logical) -> Property:
    if logical.precision > MAX_PRECISION:
        return _json(
            f"an Avro decimal of {logical.precision} digits, {logical.scale} of them behind the point"
        )
    return {"logicalType": "number", "physicalType": f"decimal({logical.precision},{logical.scale})"}


def _json(what: str) -> Property:
    return {**_JSON, "description": f"JSON text: {what}"}


def _in_order(words: Property) -> Property:
    """Return a column's words with what is long at the end."""
    return {key: words[key] for key in sorted(words, key=lambda key: key in _LONG)}


def _copied(words: Mapping[str, Any]) -> Property:
    return {key: dict(value) if isinstance(value, dict) else value for key, value in words.items()}


def _is_null(type_: AvroType) -> bool:
    return isinstance(type_, Primitive) and type_.name == "null"


def _word(type_: Array | Map | Record) -> str:
    return f"record {type_.name}" if isinstance(type_, Record) else name_of(type_)


def _trouble(name: str, taken: Mapping[str, str]) -> str | None:
    """Return why a field's name can be no column's, or None."""
    if name.casefold() in RESERVED_COLUMNS:
        return "has the name of a column of the platform's own"
    if name.casefold() in taken:
        return f"differs from {taken[name.casefold()]!r} only in case"
    if not COLUMN_NAME.fullmatch(name):
        return "has a name of more than 128 characters"
    return None


def plain_text(text: str) -> str:
    """Return a text on one line, without what YAML cannot hold."""
    return " ".join(_CONTROL.sub(" ", text).split())
