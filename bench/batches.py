"""Batches as the benches commit them: two columns of a stream's own, offsets without holes, nothing refused."""

from __future__ import annotations

import sys

import pyarrow as pa

from mesh_defs.contract.arrow import PLATFORM_COLUMNS
from mesh_defs.model.records import PartitionAdvance, PartitionStart, StagedFile, TopicIdentity
from mesh_defs.store import DomainStore

DOMAIN = "bench"
SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("text", pa.string()), *PLATFORM_COLUMNS])
IDENTITY = TopicIdentity(cluster_id="bench", topic_id="bench")


def start(stream: str) -> PartitionStart:
    """Return where the one partition of a stream begins."""
    return PartitionStart(stream=stream, epoch=0, partition=0, offset=0, identity=IDENTITY)


def rows(first: int, count: int) -> pa.Table:
    """Return a batch at the offsets [first, first + count)."""
    offsets = list(range(first, first + count))
    columns = {
        "id": offsets,
        "text": [f"event {n}" for n in offsets],
        "_offset": offsets,
        "_partition": [0] * count,
        "_epoch": [0] * count,
    }
    return pa.Table.from_arrays(
        [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in SCHEMA],
        schema=SCHEMA,
    )


def stage(store: DomainStore, stream: str, batch: pa.Table) -> StagedFile:
    """Write one file."""
    with store.stage(stream, SCHEMA) as writer:
        writer.write(batch)
        file = writer.close()
    if file is None:
        sys.exit("nothing was staged")
    return file


def advance(stream: str, first: int, count: int) -> PartitionAdvance:
    """Return the ledger entry of a batch."""
    return PartitionAdvance(
        stream=stream,
        epoch=0,
        partition=0,
        from_offset=first,
        to_offset=first + count,
        row_count=count,
        dead_letter_count=0,
        gaps=(),
        content_hash=first,
        contract_version="1.0.0",
    )
