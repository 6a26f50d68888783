"""The commit: the rows, dead letters, ledger entries and offsets of one batch become visible at once."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb

from mesh_defs.model.errors import FencedError, StoreError
from mesh_defs.model.records import (
    Commit,
    Committed,
    Gap,
    OnStep,
    PartitionAdvance,
    PartitionStart,
    StagedFile,
    no_step,
)
from mesh_defs.store.engine import literal
from mesh_defs.store.lane import Lane, Transaction, transact
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, LEDGER_INLINE_ROWS
from mesh_defs.store.offsets import HASH_MODULUS, StoreOffsets, StreamOffsets
from mesh_defs.store.schema import table_name

_LEDGER_WIDTH = 13
_LEDGER_CHUNK = LEDGER_INLINE_ROWS // 2


def commit_batch(lane: Lane, data_folder: Path, commit: Commit, on_step: OnStep = no_step) -> Committed:
    """Make a batch visible, whole or not at all, in this order; `on_step` hears each number just before.

    1. The files are complete and fsynced (`StagedWriter.close`); check that they are there and that their
       rows are those that the ledger entries account for. No lock is held.
    2. Take the domain's writer lock; the kernel drops it at `kill -9`.
    3. BEGIN; read the offsets; compare the partitions of this commit only: not where this commit began means
       ROLLBACK and FencedError.
    4. Register the files of every table touched.
    5. Insert the ledger entries, few rows at a time, so that they stay inside the catalog.
    6. Write the offsets: the row just read with the own partitions replaced, and this batch's id.
    7. Name the snapshot, COMMIT, unlock. After an error the batch id is read again and decides.
    8. Return. What the caller does now (mirror group offsets, report) is no part of the account.

    Raises:
        FencedError: Another writer moved or started a partition of this commit; nothing of it was stored.
        StoreLockedError: The lane was not to be had.
        StoreError: The commit does not add up, or the catalog or the disk refused.
    """
    on_step(1)
    problems = list(_problems(commit, data_folder))
    if problems:
        raise StoreError(
            cannot=f"commit to {lane.domain}", why="; ".join(problems), do="report this as a defect"
        )
    work = Transaction(
        purpose=f"commit to {lane.domain}",
        author=commit.writer,
        message=_message(commit),
        compare=lambda stored, _, now: compare_and_set(lane.domain, stored, commit, now),
        register=lambda con: register_files(con, lane.domain, commit.files),
        record=lambda con, now: _insert_ledger(con, lane.domain, commit, now),
    )
    return transact(lane, work, on_step)


def compare_and_set(domain: str, stored: StoreOffsets, commit: Commit, now: dt.datetime) -> StoreOffsets:
    """Return the offsets after `commit`.

    Raises:
        FencedError: With both numbers of every partition that is not where the commit began.
    """
    fences: list[str] = []
    streams = dict(stored.streams)
    for start in commit.starts:
        fence = _start_fence(streams.get(start.stream), start)
        if fence:
            fences.append(fence)
        else:
            streams[start.stream] = _with_start(streams.get(start.stream), start)
    for advance in commit.advances:
        stream = streams.get(advance.stream)
        fence = _advance_fence(stream, advance)
        if fence or stream is None:
            fences.append(fence)
            continue
        moved = stream.partitions[advance.partition].advanced(advance, now)
        streams[advance.stream] = stream.with_partition(advance.partition, moved)
    if fences:
        raise FencedError(
            cannot=f"commit to {domain}",
            why="another writer was there: " + "; ".join(fences),
            do="drop this batch and begin again at the stored offsets; nothing of it was stored",
        )
    for name, outcomes in commit.outcomes.items():
        if name in streams:
            streams[name] = streams[name].with_recent(outcomes)
    for name, tables in commit.tables.items():
        if name in streams:
            before = stored.tables(name) if name in stored.streams else ()
            found = tuple(dict.fromkeys((*before, *tables)))
            streams[name] = replace(streams[name], tables=() if found == (name,) else found)
    return stored.with_streams(streams)


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


def _start_fence(stream: StreamOffsets | None, start: PartitionStart) -> str:
    where = f"{start.stream}[{start.partition}]"
    if stream is None or start.epoch > stream.epoch:
        return ""
    if start.epoch < stream.epoch:
        return f"{where} starts in epoch {start.epoch}, the store is in epoch {stream.epoch}"
    if start.identity != stream.identity:
        return (
            f"{where} starts from topic {start.identity.topic_id}, the store knows {stream.identity.topic_id}"
        )
    known = stream.partitions.get(start.partition)
    if known is not None and known.start_offset != start.offset:
        return f"{where} starts at {start.offset}, the store has it started at {known.start_offset}"
    return ""


def _with_start(stream: StreamOffsets | None, start: PartitionStart) -> StreamOffsets:
    if stream is None:
        return StreamOffsets(epoch=start.epoch, identity=start.identity).begun(start)
    if stream.epoch == start.epoch and start.partition in stream.partitions:
        return stream
    return stream.begun(start)


def _advance_fence(stream: StreamOffsets | None, advance: PartitionAdvance) -> str:
    where = f"{advance.stream}[{advance.partition}]"
    if stream is None:
        return f"{where} begins at {advance.from_offset}, the store has not started the stream"
    if stream.epoch != advance.epoch:
        return f"{where} is of epoch {advance.epoch}, the store is in epoch {stream.epoch}"
    known = stream.partitions.get(advance.partition)
    if known is None:
        return f"{where} begins at {advance.from_offset}, the store has not started the partition"
    if known.next_offset != advance.from_offset:
        return f"{where} begins at {advance.from_offset}, the store is at {known.next_offset}"
    return ""


def _insert_ledger(con: duckdb.DuckDBPyConnection, domain: str, commit: Commit, now: dt.datetime) -> None:
    row = "(" + ", ".join("?" * _LEDGER_WIDTH) + ")"
    for first in range(0, len(commit.advances), _LEDGER_CHUNK):
        chunk = commit.advances[first : first + _LEDGER_CHUNK]
        values = [value for advance in chunk for value in _ledger_row(advance, commit.writer, now)]
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


def gaps_to_json(gaps: Iterable[Gap]) -> str:
    """Return the ledger's text of gaps: ``[{"kind": ..., "from_offset": ..., "to_offset": ...}]``."""
    entries = [{"kind": g.kind, "from_offset": g.from_offset, "to_offset": g.to_offset} for g in gaps]
    return json.dumps(entries, separators=(",", ":"))


def _message(commit: Commit) -> str:
    if commit.note:
        return commit.note
    streams = sorted({a.stream for a in commit.advances} | {s.stream for s in commit.starts})
    return f"ingest {', '.join(streams)}"


def _problems(commit: Commit, data_folder: Path) -> Iterator[str]:
    """Yield what does not add up; each would break an invariant that no later check could mend."""
    if not (commit.starts or commit.advances):
        yield "it moves no partition"
    counts = Counter((a.stream, a.epoch, a.partition) for a in commit.advances)
    for key in (key for key, count in counts.items() if count > 1):
        yield f"it moves {key[0]}[{key[2]}] more than once"
    for advance in commit.advances:
        yield from _advance_problems(advance)
    for file in commit.files:
        if file.path.parent != data_folder / "main" / file.table:
            yield f"{file.path} lies outside its table's folder"
        elif not file.path.is_file():
            yield f"{file.path} does not exist"
    dead = sum(f.row_count for f in commit.files if f.table == DEAD_LETTERS_TABLE)
    rows = sum(f.row_count for f in commit.files) - dead
    claimed = (sum(a.row_count for a in commit.advances), sum(a.dead_letter_count for a in commit.advances))
    if (rows, dead) != claimed:
        yield (
            f"its files hold {rows} rows and {dead} dead letters, its ledger entries "
            f"{claimed[0]} and {claimed[1]}"
        )


def _advance_problems(advance: PartitionAdvance) -> Iterator[str]:
    where = f"{advance.stream}[{advance.partition}] {advance.from_offset} to {advance.to_offset}"
    if not 0 <= advance.from_offset < advance.to_offset:
        yield f"{where} is no range"
    position = advance.from_offset
    for gap in advance.gaps:
        if not position <= gap.from_offset < gap.to_offset <= advance.to_offset:
            yield f"{where} has a gap {gap.from_offset} to {gap.to_offset} out of order or range"
        position = gap.to_offset
    gaps = sum(gap.to_offset - gap.from_offset for gap in advance.gaps)
    accounted = advance.row_count + advance.dead_letter_count + gaps
    if accounted != advance.to_offset - advance.from_offset:
        yield f"{where} accounts for {accounted} of {advance.to_offset - advance.from_offset} offsets"
