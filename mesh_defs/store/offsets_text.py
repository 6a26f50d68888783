"""The one row that says how far each stream is: its text.

The row's text is JSON::

    {"layout": 1,
     "streams": {"flight_events": {
        "epoch": 0, "cluster_id": "...", "topic_id": "...",
        "partitions": {"0": {"start": 0, "next": 120, "leader_epoch": 3, "rows": 118, "dead_letters": 1,
                             "skipped": 1, "lost": 0, "removed": 0, "hash": 123, "at": 1700000000000000}},
        "recent": "1a0f",
        "acknowledged": [{"at": "...", "by": "...", "reason": "...", "ranges": [[epoch, partition, from, to]]}],
        "earlier": [{"epoch": ..., "cluster_id": ..., "topic_id": ..., "partitions": {"0": [start, next]},
                     "ended": {"at": "...", "by": "...", "reason": "..."}}]}},
     "refreshed": {"delay_by_hour": {"at": ..., "message": "...", "info": {...}, "batch": "..."}}}

`rows` to `hash` are running totals over the epoch, `hash` modulo 2**64. `recent` holds one bit a record after
a leading 1, in hexadecimal. `at` is microseconds since the epoch.
"""

from __future__ import annotations

import json
from typing import Any

from mesh_defs.model.micros import from_micros, to_micros
from mesh_defs.model.records import TopicIdentity
from mesh_defs.store.acknowledged import (
    acceptance_from_json,
    acceptance_to_json,
    acknowledged_from_json,
    acknowledged_to_json,
)
from mesh_defs.store.offsets import EarlierEpoch, PartitionOffsets, Refresh, StoreOffsets, StreamOffsets


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


def _stream_to_json(stream: StreamOffsets) -> dict[str, Any]:
    return {
        "epoch": stream.epoch,
        "cluster_id": stream.identity.cluster_id,
        "topic_id": stream.identity.topic_id,
        "partitions": {str(p): _partition_to_json(o) for p, o in sorted(stream.partitions.items())},
        "recent": _bits_to_text(stream.recent),
        "tables": list(stream.tables),
        "acknowledged": acknowledged_to_json(stream.acknowledged),
        "earlier": [_earlier_to_json(epoch) for epoch in stream.earlier],
    }


def _earlier_to_json(earlier: EarlierEpoch) -> dict[str, Any]:
    return {
        "epoch": earlier.epoch,
        "cluster_id": earlier.identity.cluster_id,
        "topic_id": earlier.identity.topic_id,
        "partitions": {str(p): list(span) for p, span in sorted(earlier.partitions.items())},
        "ended": acceptance_to_json(earlier.ended),
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
                ended=acceptance_from_json(e.get("ended")),
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
