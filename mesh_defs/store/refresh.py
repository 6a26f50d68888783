"""The full refresh of a product's table: the old rows go and the new ones come in one commit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from mesh_defs.model.errors import StoreError
from mesh_defs.model.records import Committed, OnStep, StagedFile, no_step
from mesh_defs.store.commit import register_files
from mesh_defs.store.lane import Lane, Transaction, transact
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, OFFSETS
from mesh_defs.store.offsets import Refresh, StoreOffsets
from mesh_defs.store.schema import table_name

_RESERVED = frozenset({LEDGER, OFFSETS, DEAD_LETTERS_TABLE})


def replace_rows(
    lane: Lane,
    data_folder: Path,
    table: str,
    files: Sequence[StagedFile],
    message: str,
    *,
    author: str,
    info: Mapping[str, Any],
    on_step: OnStep = no_step,
) -> Committed:
    """Replace all rows of a product's table by those of `files`, with the steps of `commit.commit_batch`.

    A DELETE without WHERE drops the old files from the snapshot as a whole: no tombstone a row is written,
    and readers of older snapshots keep them until these expire. `info` is kept beside the offsets, because a
    snapshot's own message goes when the snapshot expires.

    Raises:
        StoreError: A file is of another table, or the catalog or the disk refused.
        StoreLockedError: The lane was not to be had.
    """
    on_step(1)
    for file in files:
        if file.table != table or table in _RESERVED or file.path.parent != data_folder / "main" / table:
            raise StoreError(
                cannot=f"refresh {lane.domain}.{table}",
                why=f"{file.path} is no file of that table, or the table is the platform's own",
                do="report this as a defect",
            )

    def compare(stored: StoreOffsets, batch: str, now: dt.datetime) -> StoreOffsets:
        return stored.with_refresh(table, Refresh(at=now, message=message, info=info, batch=batch))

    def register(con: duckdb.DuckDBPyConnection) -> None:
        con.execute(f"DELETE FROM {table_name(lane.domain, table)}")
        register_files(con, lane.domain, files)

    work = Transaction(
        purpose=f"refresh {lane.domain}.{table}",
        author=author,
        message=message,
        compare=compare,
        register=register,
        record=lambda _con, _now: None,
        info=info,
    )
    return transact(lane, work, on_step)
