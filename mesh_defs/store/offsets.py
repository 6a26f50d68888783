"""The one row that says how far each stream is: its values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mesh_defs.model.corrections import EpochAcceptance, LossAcknowledgement
from mesh_defs.model.records import PartitionAdvance, PartitionStart, TopicIdentity
from mesh_defs.store.acknowledged import Acknowledged

LAYOUT = 1
"""The layout that this mesh writes. It changes when an older mesh could misread the store."""

RECENT_LIMIT = 1_000
HASH_MODULUS = 1 << 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionOffsets:
    """How far one partition is, with its running totals over the epoch.

    Attributes:
        start_offset: The first offset that the store answers for.
        next_offset: The first offset not yet accounted for.
        rows: Rows stored.
        dead_letters: Dead letters stored.
        skipped: Offsets in gaps that the broker did not hand out.
        lost: Offsets in gaps that retention took before they were read.
        removed: Rows that a later load, an erasure or a retention removed since.
        content_hash: The sum over its records, modulo 2**64.
        last_commit_at: When it last moved; None before its first advance.
    """

    start_offset: int
    next_offset: int
    leader_epoch: int = -1
    rows: int = 0
    dead_letters: int = 0
    skipped: int = 0
    lost: int = 0
    removed: int = 0
    content_hash: int = 0
    last_commit_at: dt.datetime | None = None

    def advanced(self, advance: PartitionAdvance, at: dt.datetime) -> PartitionOffsets:
        """Return the partition after `advance`."""
        spans = {"skipped": 0, "lost": 0}
        for gap in advance.gaps:
            spans[gap.kind] += gap.to_offset - gap.from_offset
        return replace(
            self,
            next_offset=advance.to_offset,
            leader_epoch=advance.leader_epoch if advance.leader_epoch >= 0 else self.leader_epoch,
            rows=self.rows + advance.row_count,
            dead_letters=self.dead_letters + advance.dead_letter_count,
            skipped=self.skipped + spans["skipped"],
            lost=self.lost + spans["lost"],
            content_hash=(self.content_hash + advance.content_hash) % HASH_MODULUS,
            last_commit_at=at,
        )

    def reversed(self, count: int) -> PartitionOffsets:
        """Return the partition after so many of its dead letters became rows."""
        return replace(self, rows=self.rows + count, dead_letters=self.dead_letters - count)

    def without(self, count: int) -> PartitionOffsets:
        """Return the partition after so many of its rows were taken away."""
        return replace(self, removed=self.removed + count)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierEpoch:
    """Where an epoch ended that a later one replaced: [start, next) of each partition.

    Attributes:
        ended: Who accepted the later one; None where the store was written by a mesh that did not keep it.
    """

    epoch: int
    identity: TopicIdentity
    partitions: Mapping[int, tuple[int, int]]
    ended: EpochAcceptance | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOffsets:
    """How far one stream is.

    Attributes:
        identity: Of the topic that the epoch was read from.
        recent: One byte a record, in reading order, 1 for a dead letter: the last 1,000 of the stream.
        earlier: The epochs before this one, oldest first.
        acknowledged: The losses that a person took note of, oldest first.
        tables: Every table that ever took rows of the stream; empty where that is one, called as the stream.
    """

    epoch: int
    identity: TopicIdentity
    partitions: Mapping[int, PartitionOffsets] = field(default_factory=dict)
    recent: bytes = b""
    earlier: tuple[EarlierEpoch, ...] = ()
    tables: tuple[str, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()

    def begun(self, start: PartitionStart) -> StreamOffsets:
        """Return the stream with a new partition; a later epoch puts the present one among the earlier."""
        if start.epoch == self.epoch:
            begun = PartitionOffsets(
                start_offset=start.offset, next_offset=start.offset, leader_epoch=start.leader_epoch
            )
            return replace(self, partitions={**self.partitions, start.partition: begun})
        closed = EarlierEpoch(
            epoch=self.epoch,
            identity=self.identity,
            partitions={p: (o.start_offset, o.next_offset) for p, o in self.partitions.items()},
            ended=start.accepted,
        )
        fresh = StreamOffsets(
            epoch=start.epoch,
            identity=start.identity,
            recent=self.recent,
            earlier=(*self.earlier, closed),
            tables=self.tables,
            acknowledged=self.acknowledged,
        )
        return fresh.begun(start)

    def with_partition(self, partition: int, offsets: PartitionOffsets) -> StreamOffsets:
        """Return the stream with one partition replaced."""
        return replace(self, partitions={**self.partitions, partition: offsets})

    def with_recent(self, outcomes: bytes) -> StreamOffsets:
        """Return the stream with its window moved over `outcomes`."""
        return replace(self, recent=(self.recent + outcomes)[-RECENT_LIMIT:])

    def unacknowledged(self, partition: int) -> int:
        """Return how many offsets of a partition are lost, in the present epoch, of which nobody took note."""
        noted = sum(
            lost.to_offset - lost.from_offset
            for entry in self.acknowledged
            for lost in entry.ranges
            if (lost.epoch, lost.partition) == (self.epoch, partition)
        )
        return self.partitions[partition].lost - noted

    def with_acknowledgement(self, said: LossAcknowledgement, at: dt.datetime) -> StreamOffsets:
        """Return the stream with a loss acknowledged."""
        entry = Acknowledged(at=at, by=said.by, reason=said.reason, ranges=said.ranges)
        return replace(self, acknowledged=(*self.acknowledged, entry))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """The last full refresh of a product's table: what its writer said of it.

    Attributes:
        info: JSON values; the snapshots of its inputs among them.
    """

    at: dt.datetime
    message: str
    info: Mapping[str, Any]
    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOffsets:
    """How far a domain's store is, as of one snapshot.

    Attributes:
        batch: The id of the last commit that moved anything here.
        layout: The layout version of the store.
    """

    layout: int = LAYOUT
    batch: str = ""
    streams: Mapping[str, StreamOffsets] = field(default_factory=dict)
    refreshed: Mapping[str, Refresh] = field(default_factory=dict)

    def stream(self, name: str) -> StreamOffsets | None:
        """Return a stream's offsets, or None before its first commit."""
        return self.streams.get(name)

    def tables(self, stream: str) -> tuple[str, ...]:
        """Return every table that holds rows of a stream."""
        known = self.streams.get(stream)
        return (known.tables if known else ()) or (stream,)

    def owner(self, table: str) -> str | None:
        """Return the stream that accounts for a table's rows, or None where none does."""
        return next((name for name in self.streams if table in self.tables(name)), None)

    def partition(self, stream: str, partition: int) -> PartitionOffsets | None:
        """Return a partition's offsets in the stream's present epoch, or None before its start."""
        known = self.streams.get(stream)
        return None if known is None else known.partitions.get(partition)

    def with_streams(self, streams: Mapping[str, StreamOffsets]) -> StoreOffsets:
        """Return the offsets with other streams."""
        return replace(self, streams=dict(streams))

    def with_refresh(self, table: str, refresh: Refresh) -> StoreOffsets:
        """Return the offsets with one product's refresh replaced."""
        return replace(self, refreshed={**self.refreshed, table: refresh})
