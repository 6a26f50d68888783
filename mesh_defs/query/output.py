"""A result on standard output: a table for people, CSV, JSON or Arrow for programs."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
from collections.abc import Callable, Iterator
from io import IOBase
from typing import Any, BinaryIO, cast

import duckdb
import msgspec
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from mesh_defs.model.errors import QueryError
from mesh_defs.model.text import visible

BATCH_ROWS = 65_536

TABLE_ROWS = 1_000
"""A table is for eyes; the other formats are complete."""


ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

PRINTABLE = frozenset(range(32, 127)) - frozenset(b"\"'\\")
"""The bytes that DuckDB's cast of a BLOB to text leaves as they are."""


def write_result(relation: duckdb.DuckDBPyRelation, format_: str, out: BinaryIO) -> None:
    """Write a relation to a stream, batch by batch: memory does not grow with the result.

    Args:
        relation: What to write.
        format_: One of `FORMATS`.
        out: A binary stream.

    Raises:
        QueryError: The query failed while it ran.
    """
    try:
        FORMATS[format_](relation.to_arrow_reader(BATCH_ROWS), out)
    except duckdb.Error as error:
        raise QueryError(
            cannot="run this SQL", why=" ".join(str(error).split()), do="mend the query"
        ) from error
    out.flush()


def _json(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    out.write(b"[")
    for number, row in enumerate(_rows(reader)):
        out.write(b",\n " if number else b"\n ")
        document = dict(zip(reader.schema.names, row, strict=True))
        out.write(ENCODER.encode(document))
    out.write(b"\n]\n")


def _csv(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(reader.schema.names)
    for row in _rows(reader):
        writer.writerow("" if v is None else _text(v) for v in row)
    text.flush()
    text.detach()


def _arrow(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    with pa.ipc.new_stream(cast("IOBase", out), reader.schema) as stream:
        for batch in reader:
            stream.write_batch(batch)


def _table(reader: pa.RecordBatchReader, out: BinaryIO) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for field in reader.schema:
        numeric = pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        table.add_column(visible(field.name), justify="right" if numeric else "left", overflow="fold")
    count = 0
    for row in _rows(reader):
        count += 1
        if count <= TABLE_ROWS:
            table.add_row(*("" if v is None else visible(_text(v)) for v in row))
    text = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    width = None if out.isatty() else 200
    console = Console(file=text, soft_wrap=False, width=width, highlight=False, emoji=False)
    console.print(table, markup=False)
    more = f", the first {TABLE_ROWS:,} shown" if count > TABLE_ROWS else ""
    console.print(f"({count:,} row{'' if count == 1 else 's'}{more})", markup=False)
    text.flush()
    text.detach()


FORMATS: dict[str, Callable[[pa.RecordBatchReader, BinaryIO], None]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "arrow": _arrow,
}


def _rows(reader: pa.RecordBatchReader) -> Iterator[tuple[Any, ...]]:
    for batch in reader:
        columns = [
            [_plain(value) for value in column.to_pylist(maps_as_pydicts="strict")]
            for column in batch.columns
        ]
        yield from zip(*columns, strict=True)


def _text(value: Any) -> str:
    """Return a value as a cell: what JSON writes as a string (dates, times, UUIDs) stands without its quotes."""
    if isinstance(value, str):
        return value
    text = ENCODER.encode(value)
    return str(msgspec.json.decode(text)) if text.startswith(b'"') else text.decode()


def _plain(value: Any) -> Any:
    """Return a value that JSON can say without loss; what it cannot say is text.

    Instants are RFC 3339 with `Z`, bytes are written as DuckDB casts a BLOB to text, decimals keep their digits.
    """
    if isinstance(value, bytes):
        return "".join(chr(b) if b in PRINTABLE else f"\\x{b:02X}" for b in value)
    if isinstance(value, dt.datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
