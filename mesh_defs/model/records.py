"""The values that travel the way of an event: raw batch, typed batch, commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mesh_defs.model.corrections import (
    EpochAcceptance,
    LossAcknowledgement,
    PartitionExpiry,
    PartitionReversal,
)

Headers = list[tuple[str, bytes | None]]
"""A record's headers as Kafka holds them: ordered, names may repeat, values may be null."""


class Stage(StrEnum):
    """Where on its way a record turned out to be bad."""

    ENVELOPE = "envelope"
    FRAMING = "framing"
    DECODE = "decode"
    VALIDATE = "validate"


@dataclass(frozen=True, slots=True, kw_only=True)
class RawBatch:
    """Consecutive records of one partition, column-wise, exactly as the broker handed them out.

    The columns are sequences of equal length; bytes are Python's, not Arrow's: the decoder needs them as objects,
    and a trip through Arrow and back costs more than the decoding.

    Attributes:
        topic: The topic's name.
        partition: The partition that all records come from.
        offsets: Ascending, with holes where the broker handed nothing out; a range where there are none.
        timestamps: Milliseconds since the epoch; -1 where the record has none. One number a record.
        keys: Bytes, or None for a null key. Null and empty are distinct.
        values: Bytes, or None for a tombstone.
        headers: A list a record, or None where it has no headers.
        leader_epoch: Of the last record, -1 where the broker does not say.
        lines: Of data at rest: the line that each record begins in, from 1; the topic is then the file.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps: npt.NDArray[np.int64]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers | None]
    leader_epoch: int = -1
    lines: list[int] | None = None

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, begin: int, end: int) -> RawBatch:
        """Return the records in [begin, end) as a batch of their own."""
        return RawBatch(
            topic=self.topic,
            partition=self.partition,
            offsets=self.offsets[begin:end],
            timestamps=self.timestamps[begin:end],
            keys=self.keys[begin:end],
            values=self.values[begin:end],
            headers=self.headers[begin:end],
            leader_epoch=self.leader_epoch,
            lines=None if self.lines is None else self.lines[begin:end],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that broke its contract, whole: what is wrong, where it stood, and its bytes.

    Attributes:
        index: The record's position in its raw batch.
        rule: A short stable word: `json_syntax`, `type`, `required`, `unknown_field`, `duplicate_id`, ...
        path: Where in the document, as `$.route.origin`; `$` for the document itself.
        message: A sentence about types and limits; it never quotes the payload.
        file: Of data at rest: the file that it stood in.
        line: Of data at rest: the line that it began in, from 1.
    """

    index: int
    partition: int
    offset: int
    timestamp: int
    stage: Stage
    rule: str
    path: str
    message: str
    key: bytes | None
    value: bytes | None
    headers: Headers | None
    file: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedBatch:
    """What became of a raw batch: each record is a row of one table, or a dead letter.

    Attributes:
        tables: For each table of the stream its rows, which may be none: the contract's columns, then the platform's
            (`contract.arrow.table_schema`), in offset order.
        dead_letters: In offset order.
        unknown_fields: For each unknown field's path, how many records of the batch carried it.
    """

    partition: int
    tables: Mapping[str, pa.RecordBatch]
    dead_letters: tuple[DeadLetter, ...]
    unknown_fields: Mapping[str, int] = field(default_factory=dict)

    @property
    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(rows.num_rows for rows in self.tables.values())

    @property
    def rows(self) -> pa.RecordBatch:
        """The rows of a stream of one table.

        Raises:
            ValueError: The stream has several.
        """
        (rows,) = self.tables.values()
        return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicIdentity:
    """Which topic this really is: a name alone survives a deletion, these two do not (KIP-516)."""

    cluster_id: str
    topic_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """What a partition holds: offsets in [low, end); `end` is the last stable offset (KIP-98).

    Attributes:
        leader_epoch: Of the present leader; -1 where the broker does not say.
    """

    low: int
    end: int
    leader_epoch: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """Where the log of a partition is not the one that was read before (KIP-101).

    Attributes:
        offset: The first offset that is another record now, or is not there.
        leader_epoch: In which the record there was written; -1 where there is none.
    """

    offset: int
    leader_epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Offsets in [from_offset, to_offset) that are no rows, and why.

    `skipped`: the broker did not hand them out (transaction markers, aborted or compacted records; the client
    cannot tell which). `lost`: below the low watermark before they were read.
    """

    kind: Literal["skipped", "lost"]
    from_offset: int
    to_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedFile:
    """A complete, fsynced Parquet file in its table's folder that no commit has registered yet."""

    table: str
    path: Path
    row_count: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStart:
    """Where a partition that the store does not know yet begins: the first offset it answers for.

    Attributes:
        accepted: Who let the epoch begin, where it is a later one than the store's.
        follows: The partition's next offset in the epoch before, -1 where the store did not know it: the commit is
            fenced where that has moved since. None where nothing can have.
        leader_epoch: Under which the records before the offset were read, where the log is still theirs; -1 where not.
    """

    stream: str
    epoch: int
    partition: int
    offset: int
    identity: TopicIdentity
    accepted: EpochAcceptance | None = None
    follows: int | None = None
    leader_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionAdvance:
    """One ledger entry: what became of the offsets [from_offset, to_offset) of one partition."""

    stream: str
    epoch: int
    partition: int
    from_offset: int
    to_offset: int
    row_count: int
    dead_letter_count: int
    gaps: tuple[Gap, ...]
    content_hash: int
    contract_version: str
    leader_epoch: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRemoval:
    """One ledger entry: all rows that the store holds of a partition are taken away; its dead letters stay.

    Attributes:
        from_offset: Where the first of the loads began whose rows are taken away.
        to_offset: The partition's next offset.
        removed_count: How many rows those are.
    """

    stream: str
    epoch: int
    partition: int
    from_offset: int
    to_offset: int
    removed_count: int
    contract_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """All that one transaction of a domain's store makes visible at once.

    Attributes:
        starts: Partitions seen for the first time. Their `advances` may follow in the same commit.
        advances: The ledger entries, at most one a (stream, epoch, partition).
        removals: Streams whose table is emptied before its new files come.
        expiries: Rows that are older than their contract keeps them.
        acknowledgements: Losses that a person takes note of.
        reversals: Dead letters that are rows now: those go, and their rows are in the files.
        files: The staged files of every table touched, `dead_letters` included.
        tables: For each stream of the commit, the tables that its rows are in; those of before are remembered.
        writer: Who commits: host, process id and pass id.
        outcomes: For each stream, one byte a record in reading order, 1 for a dead letter; at most the last
            1,000 matter (the window of `maxDeadLetterRatio`).
        note: For people, beside the snapshot; by default which streams moved.
    """

    writer: str
    starts: Sequence[PartitionStart] = ()
    advances: Sequence[PartitionAdvance] = ()
    removals: Sequence[PartitionRemoval] = ()
    reversals: Sequence[PartitionReversal] = ()
    expiries: Sequence[PartitionExpiry] = ()
    acknowledgements: Sequence[LossAcknowledgement] = ()
    files: Sequence[StagedFile] = ()
    tables: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outcomes: Mapping[str, bytes] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The proof of a commit: the snapshot that holds it, and the batch id by which it is recognised."""

    snapshot: int
    batch: str


OnStep = Callable[[int], None]
"""Told of each numbered step of a commit just before it happens; the fault tests kill the process there."""


def no_step(_step: int) -> None:
    """Let the step happen."""
