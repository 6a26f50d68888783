"""Parquet files that no commit has registered yet: written whole, fsynced, in their table's folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from mesh_defs.model.errors import StoreError
from mesh_defs.model.records import StagedFile
from mesh_defs.store.errors import store_error

ROW_GROUP_ROWS = 122_880
"""DuckDB's own row group: its scans split work at these."""

ROW_GROUP_BYTES = 128 << 20
"""A row group ends earlier where records are large, so that memory stays bounded."""

SUFFIX = ".parquet"

T = TypeVar("T")


class StagedWriter:
    """Writes one Parquet file of a table, row group by row group, and hands it over complete.

    Memory holds at most one row group (`ROW_GROUP_ROWS` rows or about `ROW_GROUP_BYTES` bytes) and the batch
    that is being written. Pages carry checksums. Leaving a `with` block without `close` leaves no file behind.

    Args:
        table: The table's name.
        folder: The table's folder under the lake's data path.
        schema: Every batch must have exactly this schema.
        sharing: How many writers share the memory of one: their row groups end earlier.
    """

    def __init__(self, table: str, folder: Path, schema: pa.Schema, *, sharing: int = 1) -> None:
        self.table = table
        self.row_count = 0
        self._folder = folder
        self._schema = schema
        self._path = folder / f"{uuid.uuid4()}{SUFFIX}"
        self._group_bytes = ROW_GROUP_BYTES // sharing
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._pending_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._closed = False

    def write(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take rows; full row groups go to the file at once.

        Raises:
            StoreError: The batch has another schema, or the disk refused; no file is left then.
        """
        if self._closed:
            raise self._refusal("the writer is closed")
        if not batch.schema.equals(self._schema):
            self.abort()
            raise self._refusal("the rows have another schema than the table")
        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        while table.num_rows:
            head = table.slice(0, ROW_GROUP_ROWS - self._pending_rows)
            table = table.slice(head.num_rows)
            self._pending.append(head)
            self._pending_rows += head.num_rows
            self._pending_bytes += head.nbytes
            self.row_count += head.num_rows
            if self._pending_rows >= ROW_GROUP_ROWS or self._pending_bytes >= self._group_bytes:
                self._guarded(self._flush)

    def close(self) -> StagedFile | None:
        """Complete the file, make it durable, and return it; None where no row was written.

        Raises:
            StoreError: The disk refused; no file is left then.
        """
        if self._closed or self.row_count == 0:
            self.abort()
            return None
        return self._guarded(self._finish)

    def abort(self) -> None:
        """Leave no file. Harmless after `close`, which handed the file over."""
        if self._closed:
            return
        self._closed = True
        self._pending.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            with suppress(OSError, pa.ArrowException):
                writer.close()
            with suppress(OSError):  # an orphan then, which the sweep takes
                self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    def _flush(self) -> None:
        if not self._pending_rows:
            return
        if self._writer is None:
            self._writer = self._open()
        self._writer.write_table(pa.concat_tables(self._pending), row_group_size=ROW_GROUP_ROWS)
        self._pending.clear()
        self._pending_rows = self._pending_bytes = 0

    def _open(self) -> pq.ParquetWriter:
        self._folder.mkdir(parents=True, exist_ok=True)
        return pq.ParquetWriter(
            self._path,
            self._schema,
            compression="zstd",
            write_page_checksum=True,
            write_statistics=statistics_columns(self._schema),
            use_dictionary=dictionary_columns(self._schema),  # type: ignore[arg-type] # stubs: bool only
            column_encoding={n: e for n, e in _ENCODINGS.items() if n in self._schema.names},
        )

    def _finish(self) -> StagedFile:
        self._flush()
        writer = self._writer
        if writer is not None:
            writer.close()
        sync(self._path)
        sync(self._folder)
        self._closed = True
        self._writer = None
        return StagedFile(
            table=self.table, path=self._path, row_count=self.row_count, size_bytes=self._path.stat().st_size
        )

    def _refusal(self, why: str) -> StoreError:
        return StoreError(cannot=f"write rows of {self.table}", why=why, do="report this as a defect")

    def _guarded(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (OSError, pa.ArrowException) as error:
            self.abort()
            raise store_error(f"write rows of {self.table} to {self._folder}", error) from error


def statistics_columns(schema: pa.Schema) -> list[str]:
    """Return the Parquet leaves whose minimum and maximum are written.

    Floating-point leaves are left out because Parquet's statistics leave NaN out and DuckLake then prunes
    files that hold NaN from `column > x`; bytes, headers and unknown fields because a record's payload does
    not belong in the catalog.
    """
    return [
        path
        for field in schema
        for path, type_ in _leaves(field.name, field.type)
        if field.name not in _OPAQUE and not pa.types.is_floating(type_) and not pa.types.is_binary(type_)
    ]


def dictionary_columns(schema: pa.Schema) -> list[str]:
    """Return the Parquet leaves that a dictionary may shrink: all but those that hardly repeat a value."""
    return [
        path
        for field in schema
        for path, _ in _leaves(field.name, field.type)
        if field.name not in _ENCODINGS
    ]


_OPAQUE = frozenset({"_headers", "_unknown", "_raw", "_key", "_value"})

_ENCODINGS = {
    "_offset": "DELTA_BINARY_PACKED",
    "_timestamp": "DELTA_BINARY_PACKED",
    "_event_time": "DELTA_BINARY_PACKED",
    "_event_id": "DELTA_BYTE_ARRAY",
}
"""Columns that grow or share prefixes from row to row: half the file, and less work than a futile dictionary."""


def _leaves(path: str, type_: pa.DataType) -> list[tuple[str, pa.DataType]]:
    if isinstance(type_, pa.StructType):
        return [leaf for f in type_ for leaf in _leaves(f"{path}.{f.name}", f.type)]
    if isinstance(type_, pa.MapType):
        key = _leaves(f"{path}.key_value.key", type_.key_type)
        return key + _leaves(f"{path}.key_value.value", type_.item_type)
    if isinstance(type_, pa.ListType):
        return _leaves(f"{path}.list.element", type_.value_type)
    return [(path, type_)]


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, survive a power failure.

    Raises:
        OSError: The disk refused.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
