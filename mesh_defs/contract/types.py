"""The types of columns: a closed set, as `CONTRACTS.md` names them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What a column holds. The value is the word that messages use."""

    BIGINT = "integer"
    INT = "int"
    SMALLINT = "smallint"
    DOUBLE = "number"
    FLOAT = "float"
    DECIMAL = "decimal"
    STRING = "string"
    BYTES = "bytes"
    UUID = "uuid"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TIMESTAMP = "timestamp"
    OBJECT = "object"
    JSON = "json"
    ARRAY = "array"
    MAP = "map"


class TimeEncoding(StrEnum):
    """How a moment is written on the wire: as text, or as a count.

    The counts `epoch_*` begin with 1970, in UTC (of a date, whole days), `time_*` with midnight.
    """

    RFC3339 = "rfc3339"
    EPOCH_S = "epoch_s"
    EPOCH_MS = "epoch_ms"
    EPOCH_US = "epoch_us"
    EPOCH_NS = "epoch_ns"
    EPOCH_D = "epoch_d"
    TIME_MS = "time_ms"
    TIME_US = "time_us"
    TIME_NS = "time_ns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The `logicalTypeOptions` that decide about a record. None means no limit.

    `minimum` and `maximum` (inclusive) and their exclusive kin hold for numbers, dates, times and timestamps;
    lengths are characters of a string or bytes; `pattern` is an unanchored regular expression (JSON Schema).
    """

    minimum: int | float | Decimal | dt.date | dt.time | dt.datetime | None = None
    maximum: int | float | Decimal | dt.date | dt.time | dt.datetime | None = None
    exclusive_minimum: int | float | Decimal | dt.date | dt.time | dt.datetime | None = None
    exclusive_maximum: int | float | Decimal | dt.date | dt.time | dt.datetime | None = None
    multiple_of: int | float | Decimal | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    format: str | None = None
    min_items: int | None = None
    max_items: int | None = None
    unique_items: bool = False
    min_properties: int | None = None
    max_properties: int | None = None
    required_keys: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there is anything to check."""
        return self != NO_LIMITS


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnType:
    """A column's type, nested for objects, arrays and maps.

    Attributes:
        kind: What it holds.
        precision: Digits in all, for decimals.
        scale: Digits behind the point, for decimals.
        timezone: For timestamps: True is an instant (TIMESTAMPTZ), False a wall clock (TIMESTAMP).
        encoding: For timestamps, dates and times: how the wire writes them.
        fields: The fields of an object.
        item: The element of an array; its `required` says whether elements may be null.
        key: The key type of a map.
        value: The value type of a map.
        limits: What `logicalTypeOptions` demands.
    """

    kind: Kind
    precision: int = 0
    scale: int = 0
    timezone: bool = True
    encoding: TimeEncoding = TimeEncoding.RFC3339
    fields: tuple[Column, ...] = ()
    item: Column | None = None
    key: ColumnType | None = None
    value: ColumnType | None = None
    limits: Limits = field(default=NO_LIMITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityEntry:
    """An entry of `quality`, as it stands in the file.

    Attributes:
        line: Where the entry stands in the file, from 1; likewise `column`.
        where: The place in the document: `schema[0].properties[2].quality[0]`.
    """

    rule: Mapping[str, Any]
    line: int = field(default=1, compare=False)
    column: int = field(default=1, compare=False)
    where: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A named, typed column of a table, or a field of an object.

    Attributes:
        required: Present and not null in every record that is no tombstone.
        quality: Rules that are measured, not enforced.
        source: The line of the contract file, for messages.
    """

    name: str
    type: ColumnType
    required: bool = False
    unique: bool = False
    primary_key: bool = False
    primary_key_position: int | None = None
    description: str = ""
    classification: str | None = None
    quality: tuple[QualityEntry, ...] = ()
    source: int = 0
