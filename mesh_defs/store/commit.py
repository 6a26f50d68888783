"""The commit: the rows, dead letters, ledger entries and offsets of one batch become visible at once."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import duckdb

from mesh_defs.model.corrections import PartitionExpiry, PartitionReversal
from mesh_defs.model.errors import StoreError
from mesh_defs.model.records import (
    Commit,
    Committed,
    Gap,
    OnStep,
    PartitionAdvance,
    PartitionRemoval,
    StagedFile,
    no_step,
)
from mesh_defs.store.engine import literal
from mesh_defs.store.fences import compare_and_set
from mesh_defs.store.lane import Lane, Transaction, transact
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, LEDGER_INLINE_ROWS
from mesh_defs.store.offsets import HASH_MODULUS
from mesh_defs.store.schema import table_name
from mesh_defs.store.steps import kept_files
from mesh_defs.store.sums import problems
from mesh_defs.store.withdraw import take_away, take_back

_LEDGER_WIDTH = 13
_LEDGER_CHUNK = LEDGER_INLINE_ROWS // 2


def commit_batch(lane: Lane, data_folder: Path, commit: Commit, on_step: OnStep = no_step) -> Committed:
    """Make a batch visible, whole or not at all, in this order; `on_step` hears each number just before.

    1. The files are complete and fsynced (`StagedWriter.close`); check that they are there and that their
       rows are those that the ledger entries account for. No lock is held.
    2. Take the domain's writer lock; the kernel drops it at `kill -9`.
    3. BEGIN; read the offsets; compare the partitions of this commit only: not where this commit began means
       ROLLBACK and FencedError.
    4. Empty the tables whose rows are replaced; delete the dead letters that are rows now and the rows that are
       too old; register the files of every table touched.
    5. Insert the ledger entries, few rows at a time, so that they stay inside the catalog.
    6. Write the offsets: the row just read with the own partitions replaced, and this batch's id.
    7. Name the snapshot, COMMIT, unlock. After an error the batch id is read again and decides.
    8. Return. What the caller does now (mirror group offsets, report) is no part of the account.

    Raises:
        FencedError: Another writer moved or started a partition of this commit, or took its dead letters back;
            nothing of it was stored.
        StoreLockedError: The lane was not to be had.
        StoreError: The commit does not add up, or the catalog or the disk refused.
    """
    on_step(1)
    wrong = list(problems(commit, data_folder))
    if wrong:
        raise StoreError(
            cannot=f"commit to {lane.domain}", why="; ".join(wrong), do="report this as a defect"
        )
    written = {table for expiry in commit.expiries for table in expiry.tables}
    written |= {DEAD_LETTERS_TABLE} if commit.reversals else set()
    with kept_files(lane, data_folder, written) as keep:
        return transact(lane, _transaction(lane, commit, keep), on_step)


def _transaction(lane: Lane, commit: Commit, keep: Callable[[], int]) -> Transaction:
    def register(con: duckdb.DuckDBPyConnection) -> None:
        _change_files(con, lane.domain, commit)
        keep()

    return Transaction(
        purpose=f"commit to {lane.domain}",
        author=commit.writer,
        message=_message(commit),
        compare=lambda stored, _, now: compare_and_set(lane.domain, stored, commit, now),
        register=register,
        record=lambda con, now: _insert_ledger(con, lane.domain, commit, now),
    )


def _change_files(con: duckdb.DuckDBPyConnection, domain: str, commit: Commit) -> None:
    for removal in commit.removals:
        # Without WHERE: the files leave the snapshot as a whole, and older snapshots keep them until they expire.
        con.execute(f"DELETE FROM {table_name(domain, removal.stream)}")
    take_back(con, domain, commit.reversals)
    take_away(con, domain, commit.expiries)
    register_files(con, domain, commit.files)


def register_files(con: duckdb.DuckDBPyConnection, domain: str, files: Iterable[StagedFile]) -> None:
    """Register complete Parquet files with their tables, inside the open transaction.

    Raises:
        duckdb.Error: A file is unreadable, or does not fit its table.
    """
    tables: dict[str, list[str]] = {}
    for file in files:
        tables.setdefault(file.table, []).append(literal(str(file.path)))
    for table, paths in tables.items():
        con.execute(
            f"CALL ducklake_add_data_files({literal(domain)}, {literal(table)}, [{', '.join(paths)}], "
            "allow_missing => true)"
        )


def _insert_ledger(con: duckdb.DuckDBPyConnection, domain: str, commit: Commit, now: dt.datetime) -> None:
    row = "(" + ", ".join("?" * _LEDGER_WIDTH) + ")"
    gone: list[PartitionRemoval | PartitionExpiry] = [*commit.removals, *commit.expiries]
    rows = [_removal_row(removal, commit.writer, now) for removal in gone]
    rows += [_reversal_row(reversal, commit.writer, now) for reversal in commit.reversals]
    rows += [_ledger_row(advance, commit.writer, now) for advance in commit.advances]
    for first in range(0, len(rows), _LEDGER_CHUNK):
        chunk = rows[first : first + _LEDGER_CHUNK]
        values = [value for row in chunk for value in row]
        con.execute(
            f"INSERT INTO {table_name(domain, LEDGER)} VALUES {', '.join([row] * len(chunk))}", values
        )


def _ledger_row(advance: PartitionAdvance, writer: str, now: dt.datetime) -> tuple[object, ...]:
    return (
        advance.stream,
        advance.epoch,
        advance.partition,
        advance.from_offset,
        advance.to_offset,
        advance.row_count,
        advance.dead_letter_count,
        0,
        gaps_to_json(advance.gaps),
        advance.content_hash % HASH_MODULUS,
        advance.contract_version,
        writer,
        now,
    )


def _removal_row(
    removal: PartitionRemoval | PartitionExpiry, writer: str, now: dt.datetime
) -> tuple[object, ...]:
    return (
        removal.stream,
        removal.epoch,
        removal.partition,
        removal.from_offset,
        removal.to_offset,
        0,
        0,
        removal.removed_count,
        gaps_to_json(()),
        0,
        removal.contract_version,
        writer,
        now,
    )


def _reversal_row(reversal: PartitionReversal, writer: str, now: dt.datetime) -> tuple[object, ...]:
    count = len(reversal.offsets)
    return (
        reversal.stream,
        reversal.epoch,
        reversal.partition,
        reversal.from_offset,
        reversal.to_offset,
        count,
        -count,
        0,
        gaps_to_json(()),
        0,
        reversal.contract_version,
        writer,
        now,
    )


def gaps_to_json(gaps: Iterable[Gap]) -> str:
    """Return the ledger's text of gaps: ``[{"kind": ..., "from_offset": ..., "to_offset": ...}]``."""
    entries = [{"kind": g.kind, "from_offset": g.from_offset, "to_offset": g.to_offset} for g in gaps]
    return json.dumps(entries, separators=(",", ":"))


def _message(commit: Commit) -> str:
    if commit.note:
        return commit.note
    streams = sorted({a.stream for a in commit.advances} | {s.stream for s in commit.starts})
    return f"ingest {', '.join(streams)}"
