"""A stream whose every offset is known: what any pass over it must store, however it is cut into commits."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pyarrow as pa

from mesh_defs.contract.arrow import DEAD_LETTERS, PLATFORM_COLUMNS
from mesh_defs.model.corrections import PartitionReversal
from mesh_defs.model.records import (
    Commit,
    Committed,
    Gap,
    OnStep,
    PartitionAdvance,
    PartitionStart,
    StagedFile,
    TopicIdentity,
    no_step,
)
from mesh_defs.store import DomainStore

DOMAIN = "operations"
STREAM = "events"
IDENTITY = TopicIdentity(cluster_id="cluster", topic_id="topic")
SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("name", pa.string()), *PLATFORM_COLUMNS])

CYCLE = 10
"""Of ten offsets, the seventh is a dead letter and the last is in a gap."""


def is_dead(offset: int) -> bool:
    """Say whether the record at an offset is a dead letter."""
    return offset % CYCLE == 7


def is_gap(offset: int) -> bool:
    """Say whether the broker hands nothing out at an offset."""
    return offset % CYCLE == 9


def is_row(offset: int) -> bool:
    """Say whether the record at an offset is a row."""
    return not (is_dead(offset) or is_gap(offset))


def table(schema: pa.Schema, columns: dict[str, list[Any]], count: int) -> pa.Table:
    """Return a table of a schema, with nulls in the columns that are not given."""
    return pa.Table.from_arrays(
        [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in schema],
        schema=schema,
    )


def rows(offsets: list[int], *, partition: int = 0, epoch: int = 0) -> pa.Table:
    """Return the stream's rows at these offsets."""
    columns = {
        "id": [partition * 1_000_000 + o for o in offsets],
        "name": [f"event {o}" for o in offsets],
        "_partition": [partition] * len(offsets),
        "_offset": offsets,
        "_epoch": [epoch] * len(offsets),
    }
    return table(SCHEMA, columns, len(offsets))


def dead_letters(offsets: list[int], *, stream: str = STREAM, partition: int = 0, epoch: int = 0) -> pa.Table:
    """Return the stream's dead letters at these offsets."""
    columns: dict[str, list[Any]] = {
        "stream": [stream] * len(offsets),
        "_epoch": [epoch] * len(offsets),
        "_partition": [partition] * len(offsets),
        "_offset": offsets,
        "_value": [b"{" for _ in offsets],
    }
    return table(DEAD_LETTERS, columns, len(offsets))


def stage(store: DomainStore, name: str, data: pa.Table) -> StagedFile | None:
    """Stage one file."""
    with store.stage(name, data.schema) as writer:
        writer.write(data)
        return writer.close()


def span(
    store: DomainStore, start: int, stop: int, *, partition: int = 0, epoch: int = 0, stream: str = STREAM
) -> tuple[PartitionAdvance, tuple[StagedFile, ...]]:
    """Stage what the offsets [start, stop) hold, and return the ledger entry and the files."""
    offsets = range(start, stop)
    good = [o for o in offsets if is_row(o)]
    dead = [o for o in offsets if is_dead(o)]
    files = (
        stage(store, stream, rows(good, partition=partition, epoch=epoch)),
        stage(store, "dead_letters", dead_letters(dead, stream=stream, partition=partition, epoch=epoch)),
    )
    advance = PartitionAdvance(
        stream=stream,
        epoch=epoch,
        partition=partition,
        from_offset=start,
        to_offset=stop,
        row_count=len(good),
        dead_letter_count=len(dead),
        gaps=tuple(Gap(kind="skipped", from_offset=o, to_offset=o + 1) for o in offsets if is_gap(o)),
        content_hash=sum(hash((partition, o)) for o in offsets if not is_gap(o)) % 2**64,
        contract_version="1.0.0",
        leader_epoch=3,
    )
    return advance, tuple(f for f in files if f is not None)


def start_of(partition: int = 0, *, offset: int = 0, epoch: int = 0, stream: str = STREAM) -> PartitionStart:
    """Return a partition's start."""
    return PartitionStart(stream=stream, epoch=epoch, partition=partition, offset=offset, identity=IDENTITY)


def begin(store: DomainStore, *partitions: int) -> None:
    """Make the stream's table, and start partitions at offset 0."""
    store.ensure_table(STREAM, SCHEMA)
    store.commit(Commit(writer="kit", starts=[start_of(p) for p in partitions or (0,)]))


def append(store: DomainStore, count: int, *, partition: int = 0, on_step: OnStep = no_step) -> Committed:
    """Store the next `count` offsets of a partition."""
    known = store.offsets().partition(STREAM, partition)
    assert known is not None
    advance, files = span(store, known.next_offset, known.next_offset + count, partition=partition)
    outcomes = bytes(is_dead(o) for o in range(advance.from_offset, advance.to_offset) if not is_gap(o))
    commit = Commit(writer="kit", advances=[advance], files=files, outcomes={STREAM: outcomes})
    return store.commit(commit, on_step=on_step)


def reversal(store: DomainStore, *offsets: int, begin: int = 0) -> Commit:
    """Stage the dead letters of an entry over 20 offsets as rows; return the commit that takes them back."""
    file = stage(store, STREAM, rows(list(offsets)))
    assert file is not None
    correction = PartitionReversal(
        stream=STREAM,
        epoch=0,
        partition=0,
        from_offset=begin,
        to_offset=begin + 20,
        offsets=offsets,
        contract_version="2.0.0",
    )
    return Commit(writer="kit", reversals=[correction], files=[file])


def stored_offsets(store: DomainStore, name: str = STREAM) -> list[tuple[int, int]]:
    """Return (partition, offset) of every record in a table, ordered."""
    return store.connection.execute(
        f'SELECT _partition, _offset FROM {DOMAIN}."{name}" ORDER BY ALL'  # noqa: S608
    ).fetchall()


def files_under(folder: Path) -> set[Path]:
    """Return the Parquet files of a store."""
    return set(folder.rglob("*.parquet"))


def processes() -> ForkServerContext:
    """Return where test processes come from: a server that has the imports behind it, and no DuckDB open."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["mesh_defs.store", "tests.store.kit"])
    return context


def spawn(target: Callable[..., None], *args: object) -> ForkServerProcess:
    """Start a process that runs `target`."""
    process = processes().Process(target=target, args=args, daemon=True)
    process.start()
    return process


def finished(process: ForkServerProcess, timeout: float = 120) -> int | None:
    """Wait for a process and return its exit code; negative where a signal ended it."""
    process.join(timeout)
    assert not process.is_alive()
    code = process.exitcode
    process.close()
    return code


def die(signal_number: int = signal.SIGKILL) -> None:
    """Send this process a signal that nothing can catch."""
    os.kill(os.getpid(), signal_number)


def open_store(folder: Path, **options: Any) -> DomainStore:
    """Open the store of the tests' domain."""
    return DomainStore.open(folder, DOMAIN, **options)
