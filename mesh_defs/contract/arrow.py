"""The Arrow schema of a contract's table: its own columns, then the platform's."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mesh_defs.contract.contract import InputContract, ProductContract, RestContract
from mesh_defs.contract.types import Column, ColumnType, Kind

INSTANT = pa.timestamp("us", tz="UTC")

HEADERS = pa.list_(
    pa.field("element", pa.struct([pa.field("name", pa.string()), pa.field("value", pa.binary())]))
)

PLATFORM_COLUMNS: tuple[pa.Field[Any], ...] = (
    pa.field("_partition", pa.int32()),
    pa.field("_offset", pa.int64()),
    pa.field("_timestamp", INSTANT),
    pa.field("_key", pa.binary()),
    pa.field("_headers", HEADERS),
    pa.field("_event_id", pa.string()),
    pa.field("_event_time", INSTANT),
    pa.field("_epoch", pa.int32()),
    pa.field("_schema_id", pa.int32()),
    pa.field("_ingested_at", INSTANT),
    pa.field("_tombstone", pa.bool_()),
    pa.field("_unknown", pa.string()),
)

CHANGE_COLUMNS: tuple[pa.Field[Any], ...] = (
    pa.field("_op", pa.string()),
    pa.field("_source_position", pa.string()),
    pa.field("_before", pa.string()),
)
"""What a table has besides where its stream holds change events (`envelope: debezium`)."""

RAW_COLUMN = pa.field("_raw", pa.binary())

FILE_COLUMNS: tuple[pa.Field[Any], ...] = (pa.field("_file", pa.string()), pa.field("_line", pa.int64()))
"""Where a row of data at rest stood."""

RESERVED_COLUMNS = frozenset(f.name for f in (*PLATFORM_COLUMNS, *CHANGE_COLUMNS, RAW_COLUMN, *FILE_COLUMNS))

RESERVED_TABLES = frozenset(["ledger", "dead_letters", "offsets", "loads"])

_DEAD_LETTER_FIELDS: tuple[pa.Field[Any], ...] = (
    pa.field("stream", pa.string()),
    pa.field("_epoch", pa.int32()),
    pa.field("_partition", pa.int32()),
    pa.field("_offset", pa.int64()),
    pa.field("_timestamp", INSTANT),
    pa.field("stage", pa.string()),
    pa.field("rule", pa.string()),
    pa.field("path", pa.string()),
    pa.field("message", pa.string()),
    pa.field("_key", pa.binary()),
    pa.field("_value", pa.binary()),
    pa.field("_headers", HEADERS),
    pa.field("contract_version", pa.string()),
    pa.field("_ingested_at", INSTANT),
    *FILE_COLUMNS,
)

DEAD_LETTERS = pa.schema(_DEAD_LETTER_FIELDS)
"""The table `dead_letters` of a domain: all its streams' bad records, byte for byte."""

_LOAD_FIELDS: tuple[pa.Field[Any], ...] = (
    pa.field("stream", pa.string()),
    pa.field("load", pa.int64()),
    pa.field("mode", pa.string()),
    pa.field("path", pa.string()),
    pa.field("size_bytes", pa.int64()),
    pa.field("modified_at", INSTANT),
    pa.field("sha256", pa.string()),
    pa.field("from_offset", pa.int64()),
    pa.field("to_offset", pa.int64()),
    pa.field("row_count", pa.int64()),
    pa.field("dead_letter_count", pa.int64()),
    pa.field("skipped_count", pa.int64()),
    pa.field("contract_version", pa.string()),
    pa.field("contract_hash", pa.string()),
    pa.field("_ingested_at", INSTANT),
)

LOADS = pa.schema(_LOAD_FIELDS)
"""The table `loads` of a domain: each file that a load of data at rest took in."""

_SCALARS: dict[Kind, pa.DataType] = {
    Kind.BIGINT: pa.int64(),
    Kind.INT: pa.int32(),
    Kind.SMALLINT: pa.int16(),
    Kind.DOUBLE: pa.float64(),
    Kind.FLOAT: pa.float32(),
    Kind.STRING: pa.string(),
    Kind.BYTES: pa.binary(),
    Kind.UUID: pa.uuid(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.time64("us"),
    Kind.JSON: pa.string(),
}


def arrow_type(type_: ColumnType) -> pa.DataType:
    """Return the Arrow type that a column's values are stored as."""
    if type_.kind in _SCALARS:
        return _SCALARS[type_.kind]
    if type_.kind is Kind.DECIMAL:
        return pa.decimal128(type_.precision, type_.scale)
    if type_.kind is Kind.TIMESTAMP:
        return INSTANT if type_.timezone else pa.timestamp("us")
    if type_.kind is Kind.OBJECT:
        return pa.struct([arrow_field(f) for f in type_.fields])
    if type_.kind is Kind.ARRAY and type_.item is not None:
        return pa.list_(pa.field("element", arrow_type(type_.item.type)))
    if type_.kind is Kind.MAP and type_.key is not None and type_.value is not None:
        return pa.map_(arrow_type(type_.key), arrow_type(type_.value))
    msg = f"incomplete type {type_}"
    raise AssertionError(msg)


def arrow_field(column: Column) -> pa.Field[Any]:
    """Return a column's Arrow field; always nullable, since a tombstone's row holds nulls."""
    return pa.field(column.name, arrow_type(column.type))


def platform_columns(contract: InputContract) -> tuple[pa.Field[Any], ...]:
    """Return the platform's columns of the table of a stream, or of data at rest, in their stored order."""
    changes = CHANGE_COLUMNS if contract.has_changes else ()
    raw = (RAW_COLUMN,) if contract.retain_raw else ()
    places = FILE_COLUMNS if isinstance(contract, RestContract) else ()
    return (*PLATFORM_COLUMNS, *changes, *raw, *places)


def table_schema(contract: InputContract) -> pa.Schema:
    """Return the schema of the table of a stream, or of data at rest, in its stored order."""
    return pa.schema([*map(arrow_field, contract.columns), *platform_columns(contract)])


def product_schema(contract: ProductContract) -> pa.Schema:
    """Return the schema of a product's table, in its stored order."""
    return pa.schema([arrow_field(c) for c in contract.columns])
