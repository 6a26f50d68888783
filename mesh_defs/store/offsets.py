"""The one row that says how far each stream is: its shape, reading and writing.

The row's text is JSON::

    {"layout": 1,
     "streams": {"flight_events": {
        "epoch": 0, "cluster_id": "...", "topic_id": "...",
        "partitions": {"0": {"start": 0, "next": 120, "leader_epoch": 3, "rows": 118, "dead_letters": 1,
                             "skipped": 1, "lost": 0, "removed": 0, "hash": 123, "at": 1700000000000000}},
        "recent": "1a0f",
        "acknowledged": [{"at": "...", "by": "...", "reason": "...", "ranges": [[epoch, partition, from, to]]}],
        "earlier": [{"epoch": ..., "cluster_id": ..., "topic_id": ..., "partitions": {"0": [start, next]}}]}},
     "refreshed": {"delay_by_hour": {"at": ..., "message": "...", "info": {...}, "batch": "..."}}}

`rows` to `hash` are running totals over the epoch, `hash` modulo 2**64. `recent` holds one bit a record after
a leading 1, in hexadecimal. `at` is microseconds since the epoch.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mesh_defs.model.corrections import LossAcknowledgement
from mesh_defs.model.records import PartitionAdvance, PartitionRemoval, PartitionStart, TopicIdentity
from mesh_defs.store.acknowledged import Acknowledged, acknowledged_from_json, acknowledged_to_json

LAYOUT = 1
"""The layout that this mesh writes. It changes when an older mesh could misread the store."""

RECENT_LIMIT = 1_000
HASH_MODULUS = 1 << 64

_EPOCH_START = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


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

    def cleared(self, removal: PartitionRemoval) -> PartitionOffsets:
        """Return the partition after all its rows were taken away."""
        return replace(self, removed=self.removed + removal.removed_count)


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierEpoch:
    """Where an epoch ended that a later one replaced: [start, next) of each partition."""

    epoch: int
    identity: TopicIdentity
    partitions: Mapping[int, tuple[int, int]]


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
            begun = PartitionOffsets(start_offset=start.offset, next_offset=start.offset)
            return replace(self, partitions={**self.partitions, start.partition: begun})
        closed = EarlierEpoch(
            epoch=self.epoch,
            identity=self.identity,
            partitions={p: (o.start_offset, o.next_offset) for p, o in self.partitions.items()},
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


def offsets_to_json(offsets: StoreOffsets) -> str:
    """Return the row's text; the batch id is a column of its own."""
    document = {
        "layout": offsets.layout,
        "streams": {name: _stream_to_json(stream) for name, stream in offsets.streams.items()},
        "refreshed": {
            table: {"at": to_micros(r.at), "message": r.message, "info": dict(r.info), "batch": r.batch}
            for table, r in offsets.refreshed.items()
        },
    }
    return json.dumps(document, separators=(",", ":"))


def offsets_from_json(text: str, batch: str) -> StoreOffsets:
    """Read the row's text.

    Raises:
        ValueError: It is no such document.
    """
    document = json.loads(text)
    return StoreOffsets(
        layout=document["layout"],
        batch=batch,
        streams={name: _stream_from_json(s) for name, s in document["streams"].items()},
        refreshed={
            table: Refresh(at=from_micros(r["at"]), message=r["message"], info=r["info"], batch=r["batch"])
            for table, r in document["refreshed"].items()
        },
    )


def to_micros(instant: dt.datetime) -> int:
    """Return microseconds since the epoch, exactly."""
    return (instant - _EPOCH_START) // dt.timedelta(microseconds=1)


def from_micros(micros: int) -> dt.datetime:
    """Return the instant, in UTC."""
    return _EPOCH_START + dt.timedelta(microseconds=micros)


def _stream_to_json(stream: StreamOffsets) -> dict[str, Any]:
    return {
        "epoch": stream.epoch,
        "cluster_id": stream.identity.cluster_id,
        "topic_id": stream.identity.topic_id,
        "partitions": {str(p): _partition_to_json(o) for p, o in sorted(stream.partitions.items())},
        "recent": _bits_to_text(stream.recent),
        "tables": list(stream.tables),
        "acknowledged": acknowledged_to_json(stream.acknowledged),
        "earlier": [
            {
                "epoch": e.epoch,
                "cluster_id": e.identity.cluster_id,
                "topic_id": e.identity.topic_id,
                "partitions": {str(p): list(span) for p, span in sorted(e.partitions.items())},
            }
            for e in stream.earlier
        ],
    }


def _stream_from_json(document: dict[str, Any]) -> StreamOffsets:
    return StreamOffsets(
        epoch=document["epoch"],
        identity=_identity(document),
        partitions={int(p): _partition_from_json(o) for p, o in document["partitions"].items()},
        recent=_bits_from_text(document["recent"]),
        tables=tuple(document.get("tables", ())),
        acknowledged=acknowledged_from_json(document.get("acknowledged", ())),
        earlier=tuple(
            EarlierEpoch(
                epoch=e["epoch"],
                identity=_identity(e),
                partitions={int(p): (span[0], span[1]) for p, span in e["partitions"].items()},
            )
            for e in document["earlier"]
        ),
    )


def _identity(document: dict[str, Any]) -> TopicIdentity:
    return TopicIdentity(cluster_id=document["cluster_id"], topic_id=document["topic_id"])


def _partition_to_json(offsets: PartitionOffsets) -> dict[str, int | None]:
    return {
        "start": offsets.start_offset,
        "next": offsets.next_offset,
        "leader_epoch": offsets.leader_epoch,
        "rows": offsets.rows,
        "dead_letters": offsets.dead_letters,
        "skipped": offsets.skipped,
        "lost": offsets.lost,
        "removed": offsets.removed,
        "hash": offsets.content_hash,
        "at": None if offsets.last_commit_at is None else to_micros(offsets.last_commit_at),
    }


def _partition_from_json(document: dict[str, Any]) -> PartitionOffsets:
    return PartitionOffsets(
        start_offset=document["start"],
        next_offset=document["next"],
        leader_epoch=document["leader_epoch"],
        rows=document["rows"],
        dead_letters=document["dead_letters"],
        skipped=document["skipped"],
        lost=document["lost"],
        removed=document["removed"],
        content_hash=document["hash"],
        last_commit_at=None if document["at"] is None else from_micros(document["at"]),
    )


def _bits_to_text(outcomes: bytes) -> str:
    return format(int("1" + "".join("1" if o else "0" for o in outcomes), 2), "x")


def _bits_from_text(text: str) -> bytes:
    return bytes(int(bit) for bit in format(int(text, 16), "b")[1:])
