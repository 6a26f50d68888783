"""How far a store was verified: a hint beside it, never a part of the account.

Whatever is wrong with the file (missing, damaged, of another layout, of another store) only means that the next
verification recounts everything. It is written after a verification that found nothing, by whoever verified.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash

from mesh_defs.model.records import TopicIdentity

MARKS_FILE = "verified.json"

_LAYOUT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionMark:
    """What held of one partition of one epoch when it was last verified.

    Attributes:
        next: Offsets in [start, next) were verified.
        entries: How many ledger entries of ingest they are; `digest` is the sum of those entries' hashes.
        corrections: How many corrections were known; `corrections_digest` is the sum of their hashes.
        rows: The running totals at `next`, as are the five that follow.
        broker: Below which offset the broker's records were compared; 0 where none were.
    """

    start: int
    next: int
    entries: int = 0
    digest: int = 0
    corrections: int = 0
    corrections_digest: int = 0
    rows: int = 0
    dead_letters: int = 0
    skipped: int = 0
    lost: int = 0
    removed: int = 0
    content_hash: int = 0
    broker: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMark:
    """What held of one stream.

    Attributes:
        identity: Of the topic that the present epoch was read from.
        tables: That held the stream's rows.
        partitions: By (epoch, partition).
    """

    identity: TopicIdentity
    epoch: int
    tables: tuple[str, ...]
    partitions: Mapping[tuple[int, int], PartitionMark] = field(default_factory=dict)

    def with_broker(self, epoch: int, ends: Mapping[int, int]) -> StreamMark:
        """Return the mark after the broker's records were compared up to these offsets, by partition."""
        compared = {
            (epoch, partition): replace(self.partitions[epoch, partition], broker=end)
            for partition, end in ends.items()
            if (epoch, partition) in self.partitions
        }
        return replace(self, partitions={**self.partitions, **compared})

    def compared(self, epoch: int) -> dict[int, int]:
        """Return below which offset the broker's records were compared, by partition."""
        return {p: found.broker for (e, p), found in self.partitions.items() if e == epoch}


def load_marks(folder: Path) -> dict[str, StreamMark]:
    """Return what the marks beside a store say, by stream; nothing where they cannot be trusted."""
    try:
        document = json.loads((folder / MARKS_FILE).read_bytes())
        streams = document["streams"]
        if document["layout"] != _LAYOUT or document["checksum"] != _checksum(streams):
            return {}
        return {name: _stream(found) for name, found in streams.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def save_marks(folder: Path, marks: Mapping[str, StreamMark]) -> None:
    """Replace the marks beside a store, whole or not at all; a folder that cannot be written keeps the old ones."""
    streams = {name: _plain(mark) for name, mark in marks.items()}
    document = {"layout": _LAYOUT, "checksum": _checksum(streams), "streams": streams}
    draft = folder / f"{MARKS_FILE}.{os.getpid()}"
    # A mark only saves work: without it the next verification recounts everything.
    with suppress(OSError):
        draft.write_text(json.dumps(document))
        draft.replace(folder / MARKS_FILE)


def _checksum(streams: object) -> str:
    return xxhash.xxh3_64_hexdigest(json.dumps(streams, sort_keys=True).encode())


def _plain(mark: StreamMark) -> dict[str, Any]:
    partitions = [[*key, asdict(found)] for key, found in sorted(mark.partitions.items())]
    return {
        "identity": asdict(mark.identity),
        "epoch": mark.epoch,
        "tables": list(mark.tables),
        "partitions": partitions,
    }


def _stream(found: Mapping[str, Any]) -> StreamMark:
    return StreamMark(
        identity=TopicIdentity(**found["identity"]),
        epoch=found["epoch"],
        tables=tuple(found["tables"]),
        partitions={(epoch, number): PartitionMark(**told) for epoch, number, told in found["partitions"]},
    )
