"""Whether a commit may happen: its partitions are where it began, or another writer was there."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace

from mesh_defs.model.corrections import PartitionExpiry, PartitionReversal
from mesh_defs.model.errors import FencedError
from mesh_defs.model.records import Commit, PartitionAdvance, PartitionRemoval, PartitionStart
from mesh_defs.store.offsets import PartitionOffsets, StoreOffsets, StreamOffsets


def compare_and_set(domain: str, stored: StoreOffsets, commit: Commit, now: dt.datetime) -> StoreOffsets:
    """Return the offsets after `commit`.

    Raises:
        FencedError: With both numbers of every partition that is not where the commit began.
    """
    streams = dict(stored.streams)
    fences = [
        *_start(streams, commit),
        *_move(streams, commit, now),
        *_correct(streams, commit),
        *_acknowledge(streams, commit, now),
    ]
    if fences:
        raise FencedError(
            cannot=f"commit to {domain}",
            why="another writer was there: " + "; ".join(fences),
            do="drop this batch and begin again at the stored offsets; nothing of it was stored",
        )
    _note(stored, streams, commit)
    return stored.with_streams(streams)


def _start(streams: dict[str, StreamOffsets], commit: Commit) -> Iterator[str]:
    """Begin partitions; yield what forbids it."""
    before = dict(streams)
    for start in commit.starts:
        fence = _start_fence(streams.get(start.stream), start) or _follow_fence(
            before.get(start.stream), start
        )
        if fence:
            yield fence
        else:
            streams[start.stream] = _with_start(streams.get(start.stream), start)


def _move(streams: dict[str, StreamOffsets], commit: Commit, now: dt.datetime) -> Iterator[str]:
    """Empty and advance partitions; yield what forbids it."""
    changes: list[PartitionRemoval | PartitionAdvance] = [*commit.removals, *commit.advances]
    for change in changes:
        stream = streams.get(change.stream)
        fence = _fence(stream, change)
        if fence or stream is None:
            yield fence
        else:
            moved = _moved(stream.partitions[change.partition], change, now)
            streams[change.stream] = stream.with_partition(change.partition, moved)


def _correct(streams: dict[str, StreamOffsets], commit: Commit) -> Iterator[str]:
    """Count dead letters as rows, and rows as removed; yield what forbids it. Earlier epochs have no totals."""
    changes: list[PartitionReversal | PartitionExpiry] = [*commit.reversals, *commit.expiries]
    for change in changes:
        stream = streams.get(change.stream)
        fence = _correction_fence(stream, change)
        if fence or stream is None:
            yield fence
        elif change.epoch == stream.epoch:
            corrected = _corrected(stream.partitions[change.partition], change)
            streams[change.stream] = stream.with_partition(change.partition, corrected)


def _acknowledge(streams: dict[str, StreamOffsets], commit: Commit, now: dt.datetime) -> Iterator[str]:
    """Keep the losses that a person took note of; yield what forbids it. Each range is acknowledged once."""
    for said in commit.acknowledgements:
        stream = streams.get(said.stream)
        noted = {lost for entry in stream.acknowledged for lost in entry.ranges} if stream else set()
        if stream is None or noted.intersection(said.ranges):
            yield f"the loss of {said.stream} was acknowledged already, or the stream is unknown"
        else:
            streams[said.stream] = stream.with_acknowledgement(said, now)


def _note(stored: StoreOffsets, streams: dict[str, StreamOffsets], commit: Commit) -> None:
    """Take over the outcomes and the tables of the streams that moved."""
    for name, outcomes in commit.outcomes.items():
        if name in streams:
            streams[name] = streams[name].with_recent(outcomes)
    for name, tables in commit.tables.items():
        if name in streams:
            before = stored.tables(name) if name in stored.streams else ()
            found = tuple(dict.fromkeys((*before, *tables)))
            streams[name] = replace(streams[name], tables=() if found == (name,) else found)


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


def _follow_fence(stream: StreamOffsets | None, start: PartitionStart) -> str:
    if start.follows is None or stream is None or start.epoch == stream.epoch:
        return ""
    known = stream.partitions.get(start.partition)
    stands = -1 if known is None else known.next_offset
    if stands == start.follows:
        return ""
    return f"{start.stream}[{start.partition}] stood at {start.follows}, the store is at {stands}"


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


def _fence(stream: StreamOffsets | None, change: PartitionRemoval | PartitionAdvance) -> str:
    if isinstance(change, PartitionRemoval):
        return _removal_fence(stream, change)
    return _advance_fence(stream, change)


def _moved(
    known: PartitionOffsets, change: PartitionRemoval | PartitionAdvance, now: dt.datetime
) -> PartitionOffsets:
    if isinstance(change, PartitionRemoval):
        return known.without(change.removed_count)
    return known.advanced(change, now)


def _corrected(known: PartitionOffsets, change: PartitionReversal | PartitionExpiry) -> PartitionOffsets:
    if isinstance(change, PartitionExpiry):
        return known.without(change.removed_count)
    return known.reversed(len(change.offsets))


def _removal_fence(stream: StreamOffsets | None, removal: PartitionRemoval) -> str:
    known = stream.partitions.get(removal.partition) if stream and stream.epoch == removal.epoch else None
    where = f"{removal.stream}[{removal.partition}]"
    if known is None:
        return f"{where} is to be emptied, the store does not hold it"
    if (known.next_offset, known.rows - known.removed) != (removal.to_offset, removal.removed_count):
        return (
            f"{where} is to be emptied of {removal.removed_count} rows below {removal.to_offset}, "
            f"the store holds {known.rows - known.removed} below {known.next_offset}"
        )
    return ""


def _correction_fence(stream: StreamOffsets | None, change: PartitionReversal | PartitionExpiry) -> str:
    where = f"{change.stream}[{change.partition}] of epoch {change.epoch}"
    if stream is None:
        return f"{where} is to be corrected, the store has not started the stream"
    known = stream.partitions if stream.epoch == change.epoch else {}
    earlier = {p for e in stream.earlier if e.epoch == change.epoch for p in e.partitions}
    if change.partition not in known and change.partition not in earlier:
        return f"{where} is to be corrected, the store does not hold it"
    return ""
