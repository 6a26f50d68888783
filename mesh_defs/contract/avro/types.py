"""The types of an Avro schema, as its specification names them (version 1.12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mesh_defs.contract.document import Node

PRIMITIVES: Final = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")

LOGICAL_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "decimal": frozenset(["bytes", "fixed"]),
    "uuid": frozenset(["string", "fixed"]),
    "date": frozenset(["int"]),
    "time-millis": frozenset(["int"]),
    "time-micros": frozenset(["long"]),
    "timestamp-millis": frozenset(["long"]),
    "timestamp-micros": frozenset(["long"]),
    "timestamp-nanos": frozenset(["long"]),
    "local-timestamp-millis": frozenset(["long"]),
    "local-timestamp-micros": frozenset(["long"]),
    "local-timestamp-nanos": frozenset(["long"]),
    "duration": frozenset(["fixed"]),
}
"""What each logical type may annotate; elsewhere it is ignored, as the specification demands."""


CONNECT_TYPES: Final[Mapping[str, str]] = {
    "io.debezium.time.Date": "date",
    "io.debezium.time.Time": "time-millis",
    "io.debezium.time.MicroTime": "time-micros",
    "io.debezium.time.Timestamp": "timestamp-millis",
    "io.debezium.time.MicroTimestamp": "timestamp-micros",
    "io.debezium.time.NanoTimestamp": "timestamp-nanos",
    "io.debezium.time.NanoTime": "time-nanos",
    "io.debezium.time.IsoDate": "iso-date",
    "io.debezium.time.IsoTime": "iso-time",
    "io.debezium.time.IsoTimestamp": "iso-timestamp",
    "org.apache.kafka.connect.data.Date": "date",
    "org.apache.kafka.connect.data.Time": "time-millis",
    "org.apache.kafka.connect.data.Timestamp": "timestamp-millis",
}
"""What `connect.name` says of a value: Kafka Connect's converters write Debezium's types without a logical type."""

CONNECT_ONLY: Final[Mapping[str, frozenset[str]]] = {
    "time-nanos": frozenset(["long"]),
    "iso-date": frozenset(["string"]),
    "iso-time": frozenset(["string"]),
    "iso-timestamp": frozenset(["string"]),
}
"""Those of them that Avro has no logical type for, as `LOGICAL_TYPES`; texts end in Z although they know no zone."""

VARIABLE_DECIMAL: Final = "io.debezium.data.VariableScaleDecimal"
"""Debezium's record of a decimal and its scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logical:
    """A logical type that is valid where it stands.

    Attributes:
        precision: Digits in all, for a decimal.
        scale: Digits behind the point, for a decimal.
        zoneless: Whether a timestamp may as well be a wall clock: Kafka Connect's types do not tell.
    """

    name: str
    precision: int = 0
    scale: int = 0
    zoneless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """`null`, `boolean`, `int`, `long`, `float`, `double`, `bytes` or `string`."""

    name: str
    logical: Logical | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    """An array."""

    items: AvroType


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """A map, whose keys are strings."""

    values: AvroType


@dataclass(frozen=True, slots=True, kw_only=True)
class Union:
    """A union; no branch is a union itself."""

    branches: tuple[AvroType, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """A number of bytes, under a full name."""

    name: str
    size: int
    aliases: frozenset[str] = frozenset()
    logical: Logical | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enum:
    """An enumeration, under a full name.

    Attributes:
        default: The symbol that a reader takes for one it does not know.
    """

    name: str
    symbols: tuple[str, ...]
    default: str | None = None
    aliases: frozenset[str] = frozenset()
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field of a record.

    Attributes:
        default: What a reader takes where a writer knows no such field; as it is written, and not yet looked at.
        line: Of the schema's text.
    """

    name: str
    type: AvroType
    default: Node | None = field(default=None, compare=False)
    aliases: frozenset[str] = frozenset()
    doc: str = ""
    line: int = 0

    @property
    def has_default(self) -> bool:
        """Whether a reader can do without a writer's value."""
        return self.default is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, under a full name."""

    name: str
    fields: tuple[Field, ...]
    aliases: frozenset[str] = frozenset()
    doc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A named type, used by its full name; `AvroSchema.names` holds it, which lets a record contain itself."""

    name: str


Named = Fixed | Enum | Record
AvroType = Primitive | Array | Map | Union | Fixed | Enum | Record | Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class AvroSchema:
    """A schema, valid.

    Attributes:
        root: Its type.
        names: Every named type in it, and those that it was given, by full name.
    """

    root: AvroType
    names: Mapping[str, Named] = field(default_factory=dict)

    def resolved(self, type_: AvroType) -> Primitive | Array | Map | Union | Named:
        """Return a type, or what a reference refers to."""
        return self.names[type_.name] if isinstance(type_, Reference) else type_


def simple_name(name: str) -> str:
    """Return the last part of a full name, by which records of writers and readers match."""
    return name.rpartition(".")[2]


def name_of(type_: AvroType) -> str:
    """Return what a union's branch is called: the full name of a named type, else the type's word."""
    match type_:
        case Array():
            return "array"
        case Map():
            return "map"
        case Union():
            return "union"
        case _:
            return type_.name
