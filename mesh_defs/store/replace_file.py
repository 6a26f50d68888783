"""A damaged data file gives way to one with the same rows: in the catalog at once, and itself into quarantine."""

from __future__ import annotations

import datetime as dt
import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from mesh_defs.model.errors import FencedError, StoreError
from mesh_defs.model.records import StagedFile
from mesh_defs.store.damage import DamagedFile
from mesh_defs.store.engine import Attached, metadata
from mesh_defs.store.errors import translated
from mesh_defs.store.staging import sync
from mesh_defs.store.steps import Housekeeping, transaction

QUARANTINE_FOLDER: Final = "quarantine"

_FIELD_ID: Final = b"PARQUET:field_id"
_TAIL_BYTES: Final = 8
"""At the end of a Parquet file: the footer's length in 4 bytes, and 4 of magic."""


def with_field_ids(store: Attached, table: str, schema: pa.Schema) -> pa.Schema:
    """Return the schema with the numbers by which the catalog knows the table's columns.

    A file that is put in another's place cannot be matched by names: these are noted when a file is added.

    Raises:
        StoreError: The table lacks a column, or the catalog cannot be read.
    """
    catalog = metadata(store.domain)
    with translated(f"read the columns of {store.domain}.{table}"):
        rows = store.connection.execute(
            f"SELECT c.parent_column, lower(c.column_name), c.column_id FROM {catalog}.ducklake_column c "
            f"JOIN {catalog}.ducklake_table t USING (table_id) "
            "WHERE t.table_name = ? AND t.end_snapshot IS NULL AND c.end_snapshot IS NULL",
            [table],
        ).fetchall()
    numbers = {(parent, name): number for parent, name, number in rows}
    try:
        return pa.schema([_numbered(field, field.name, None, numbers) for field in schema])
    except KeyError as error:
        raise StoreError(
            cannot=f"write rows of {store.domain}.{table}",
            why=f"the table has no column {error.args[0][1]}",
            do="report this as a defect",
        ) from None


def replace_file(
    store: Housekeeping, folder: Path, damaged: DamagedFile, fresh: StagedFile, author: str
) -> Path:
    """Put a file in the place of a damaged one; the rows are the same, so that no ledger entry changes.

    1. What is left of the damaged file gets a second name under `quarantine`, with a note of what it was.
    2. In the writer's lane the catalog's row of the file is given the new file, if it is still there; in one
       transaction. The newest snapshot has the rows again; older ones, which could not be read, leave them out.
    3. The damaged file's first name goes.

    Args:
        store: Open for writing.
        folder: The domain's data folder.
        damaged: The file.
        fresh: The other one: complete, fsynced, in the same folder, with `with_field_ids`.
        author: Who repairs, for the note.

    Returns:
        The note.

    Raises:
        FencedError: The file was merged or dropped, or rows of it were deleted meanwhile; it stays as it is.
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    purpose = f"put a sound file in the place of {damaged.path.name} of {store.domain}.{damaged.table}"
    with translated(purpose):
        note = _quarantine(folder, damaged, fresh, author)
    catalog = metadata(store.domain)
    with transaction(store, purpose) as con:
        snapshot = f"(SELECT max(snapshot_id) FROM {catalog}.ducklake_snapshot)"
        changed = con.execute(
            f"UPDATE {catalog}.ducklake_data_file SET path = ?, path_is_relative = true, file_size_bytes = ?, "
            f"footer_size = ?, mapping_id = NULL, partial_max = NULL, begin_snapshot = {snapshot} "
            "WHERE data_file_id = ? AND end_snapshot IS NULL AND record_count = ? "
            # Deletions go by a row's position, which the new file's rows do not have.
            f"AND NOT EXISTS (FROM {catalog}.ducklake_delete_file d WHERE d.data_file_id = ?)",
            [
                fresh.path.name,
                fresh.size_bytes,
                _footer_size(fresh.path),
                damaged.number,
                fresh.row_count,
                damaged.number,
            ],
        ).fetchone()
        if changed is None or changed[0] != 1:
            with suppress(OSError):  # a note of what did not happen
                note.unlink()
            raise FencedError(
                cannot=purpose,
                why="it was merged or dropped, or rows of it were deleted meanwhile",
                do="run the same command again; this file stays as it is",
            )
    with translated(purpose):
        damaged.path.unlink(missing_ok=True)
        sync(damaged.path.parent)
    return note


def _quarantine(folder: Path, damaged: DamagedFile, fresh: StagedFile, author: str) -> Path:
    home = folder / QUARANTINE_FOLDER / damaged.table
    home.mkdir(parents=True, exist_ok=True)
    kept = home / damaged.path.name
    if damaged.path.exists() and not kept.exists():
        os.link(damaged.path, kept)
    note = kept.with_suffix(".json")
    note.write_text(
        json.dumps(
            {
                "damage": damaged.damage,
                "rows": damaged.row_count,
                "offsets": [[s.epoch, s.partition, s.from_offset, s.to_offset] for s in damaged.spans],
                "replaced_by": fresh.path.name,
                "by": author,
                "at": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            },
            indent=1,
        )
    )
    sync(note)
    sync(home)
    return note


def _footer_size(path: Path) -> int:
    with path.open("rb") as file:
        file.seek(-_TAIL_BYTES, os.SEEK_END)
        return int(struct.unpack("<I", file.read(4))[0])


def _numbered(
    field: pa.Field[Any], name: str, parent: int | None, numbers: dict[tuple[int | None, str], int]
) -> pa.Field[Any]:
    number = numbers[parent, name.lower()]
    type_: pa.DataType = field.type
    if isinstance(type_, pa.StructType):
        type_ = pa.struct([_numbered(f, f.name, number, numbers) for f in type_])
    elif isinstance(type_, pa.MapType):
        type_ = pa.map_(  # type: ignore[call-overload] # stubs: types only
            _numbered(type_.key_field, "key", number, numbers),
            _numbered(type_.item_field, "value", number, numbers),
        )
    elif isinstance(type_, pa.ListType):
        type_ = pa.list_(_numbered(type_.value_field, "element", number, numbers))
    return pa.field(field.name, type_, field.nullable, {_FIELD_ID: str(number).encode()})
