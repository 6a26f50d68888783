"""One stream's share of a commit: read, decode, stage, and count every offset on the way."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from mesh_defs.broker import BoundedReader
from mesh_defs.contract.choices import OnError, OnUnknownField
from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import StreamDecoder, content_hash
from mesh_defs.ingest.breaker import WINDOW, crosses
from mesh_defs.ingest.plan import StreamPlan
from mesh_defs.ingest.report import count_fields
from mesh_defs.ingest.staging import Staging
from mesh_defs.model.errors import MeshError, PartitionError, RecordRefusedError, TooManyDeadLettersError
from mesh_defs.model.records import (
    DeadLetter,
    Gap,
    PartitionAdvance,
    PartitionStart,
    RawBatch,
    StagedFile,
    TypedBatch,
)
from mesh_defs.store import DomainStore

_AHEAD_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a chunk is full. Memory depends on none of them: rows leave for the disk as they come.

    Attributes:
        rows: Records a chunk.
        size_bytes: Bytes of rows a chunk, as Arrow holds them, and of the payloads of its dead letters.
        seconds: How long one stream may fill a chunk, so that others and readers are not kept waiting.
        gaps: Ledger gaps a chunk; compacted topics have many.
        batch: Records asked of the broker at once; more leave the processor's cache.
    """

    rows: int = 1_000_000
    size_bytes: int = 512 * 1024 * 1024
    seconds: float = 10.0
    gaps: int = 10_000
    batch: int = 20_000


def never() -> bool:
    """Go on."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What a commit takes from one stream."""

    starts: tuple[PartitionStart, ...]
    advances: tuple[PartitionAdvance, ...]
    files: tuple[StagedFile, ...]
    outcomes: bytes


@dataclass(slots=True, kw_only=True)
class _Tally:
    """The account of one partition within one chunk."""

    from_offset: int
    next_offset: int
    rows: int = 0
    dead_letters: int = 0
    gaps: list[Gap] = field(default_factory=list)
    content_hash: int = 0
    leader_epoch: int = -1

    def skip_to(self, offset: int) -> None:
        if offset > self.next_offset:
            self.gaps.append(Gap(kind="skipped", from_offset=self.next_offset, to_offset=offset))
            self.next_offset = offset

    def take(self, raw: RawBatch, typed: TypedBatch) -> None:
        offsets = raw.offsets
        self.skip_to(offsets[0])
        if offsets[-1] - offsets[0] + 1 == len(offsets):
            self.next_offset = offsets[-1] + 1
        else:
            for offset in offsets:
                self.skip_to(offset)
                self.next_offset = offset + 1
        self.rows += typed.row_count
        self.dead_letters += len(typed.dead_letters)
        self.content_hash = (self.content_hash + content_hash(raw)) % 2**64
        self.leader_epoch = max(self.leader_epoch, raw.leader_epoch)


class StreamRun:
    """One stream within one pass.

    Args:
        contract: The stream.
        plan: Where it begins and ends.
        reader: Over the plan's ranges.
        decoder: Of the contract.
        recent: The outcomes of the records before, for the circuit breaker.
    """

    def __init__(
        self,
        *,
        contract: StreamContract,
        plan: StreamPlan,
        reader: BoundedReader,
        decoder: StreamDecoder,
        recent: bytes,
    ) -> None:
        self.contract = contract
        self.plan = plan
        self.errors: dict[int, MeshError] = dict(plan.errors)
        self.tripped: MeshError | None = None
        self.unknown: Counter[str] = Counter()
        self.warnings: tuple[str, ...] = ()
        self._reader = reader
        self._decoder = decoder
        self._recent = recent
        self._next = {p: from_ for p, (from_, _) in plan.ranges.items()}
        self._lost = dict(plan.lost)
        self._starts = plan.starts

    @property
    def done(self) -> bool:
        """Whether nothing is left to read, or nothing may be read any more."""
        live = [p for p in self._next if p not in self.errors]
        return self.tripped is not None or all(self._next[p] >= self.plan.ranges[p][1] for p in live)

    @property
    def positions(self) -> Mapping[int, int]:
        """The next offset of each partition, as far as chunks have been taken."""
        return self._next

    def collect(self, store: DomainStore, limits: Limits, stopping: Callable[[], bool] = never) -> Chunk:
        """Fill one chunk.

        Args:
            store: Where it is staged.
            limits: When it is full.
            stopping: Whether it is to end as it is.

        Raises:
            BrokerError: The read failed as a whole; nothing of the chunk may be committed.
            StoreError: Staging failed; likewise.
        """
        tallies = {p: self._tally(p) for p in self._next if p not in self.errors}
        outcomes = bytearray()
        with Staging(store, self.contract, self.plan.epoch) as staging:
            deadline = time.monotonic() + limits.seconds
            records = size = 0
            while not self._reader.done and self.tripped is None:
                for raw in self._read(limits.batch):
                    records += len(raw)
                    size += self._take(raw, tallies, staging, outcomes)
                gaps = sum(len(t.gaps) for t in tallies.values())
                if (
                    records >= limits.rows
                    or size >= limits.size_bytes
                    or gaps >= limits.gaps
                    or time.monotonic() >= deadline
                    or stopping()
                ):
                    break
            if self.tripped is None:
                self._close(tallies)
            files = staging.close()
        self._next.update({p: t.next_offset for p, t in tallies.items()})
        self._recent = (self._recent + bytes(outcomes[-WINDOW:]))[-WINDOW:]
        starts, self._starts = self._starts, ()
        return Chunk(
            starts=starts,
            advances=tuple(a for p, t in tallies.items() if (a := self._advance(p, t))),
            files=files,
            outcomes=bytes(outcomes[-WINDOW:]),
        )

    def _read(self, size: int) -> list[RawBatch]:
        """Read on; a partition that cannot be is left where it stands, and the others go on."""
        try:
            return self._reader.read(size)
        except PartitionError as error:
            if error.partition is None:
                raise
            self.errors[error.partition] = error
            self._reader.stop(error.partition)
            return []

    def _tally(self, partition: int) -> _Tally:
        lost = self._lost.pop(partition, None)
        if lost is None:
            return _Tally(from_offset=self._next[partition], next_offset=self._next[partition])
        return _Tally(from_offset=lost.from_offset, next_offset=lost.to_offset, gaps=[lost])

    def _take(self, raw: RawBatch, tallies: dict[int, _Tally], staging: Staging, outcomes: bytearray) -> int:
        """Decode and stage one raw batch; return the size in bytes of what became of it."""
        if raw.partition in self.errors or self.tripped is not None:
            return 0
        if raw.timestamps.max() > staging.ingested_at // 1000 + _AHEAD_MS:
            self.warnings = (_ahead_sentence(self.contract),)
        typed = self._decoder.decode(raw, epoch=self.plan.epoch, ingested_at=staging.ingested_at)
        refused = next((letter for letter in typed.dead_letters if self._refuses(letter)), None)
        if refused is not None:
            self.errors[raw.partition] = _refused_error(self.contract, refused)
            self._reader.stop(raw.partition)
            raw = raw.part(0, refused.index)
            if not raw.offsets:
                return 0
            typed = self._decoder.decode(raw, epoch=self.plan.epoch, ingested_at=staging.ingested_at)
        batch_outcomes = bytearray(len(raw))
        for letter in typed.dead_letters:
            batch_outcomes[letter.index] = 1
        before = (self._recent + bytes(outcomes[-WINDOW:]))[-WINDOW:]
        if crosses(before, bytes(batch_outcomes), self.contract.max_dead_letter_ratio):
            self.tripped = _tripped_error(self.contract, raw, len(typed.dead_letters))
            return 0
        outcomes += batch_outcomes
        tallies[raw.partition].take(raw, typed)
        count_fields(self.unknown, typed.unknown_fields)
        staging.put(typed)
        return _size(typed)

    def _refuses(self, letter: DeadLetter) -> bool:
        if self.contract.on_error is OnError.FAIL:
            return True
        return letter.rule == "unknown_field" and self.contract.on_unknown_field is OnUnknownField.FAIL

    def _close(self, tallies: Mapping[int, _Tally]) -> None:
        """Account for offsets at the end that the broker passed over without handing anything out."""
        for partition, position in self._reader.positions.items():
            if partition in tallies and partition not in self.errors:
                tallies[partition].skip_to(position)

    def _advance(self, partition: int, tally: _Tally) -> PartitionAdvance | None:
        if tally.next_offset == tally.from_offset:
            return None
        return PartitionAdvance(
            stream=self.contract.name,
            epoch=self.plan.epoch,
            partition=partition,
            from_offset=tally.from_offset,
            to_offset=tally.next_offset,
            row_count=tally.rows,
            dead_letter_count=tally.dead_letters,
            gaps=tuple(tally.gaps),
            content_hash=tally.content_hash,
            contract_version=self.contract.version,
            leader_epoch=tally.leader_epoch,
        )


def _ahead_sentence(contract: StreamContract) -> str:
    """Return a sentence that is the same however many records it is about, so that it is told once."""
    return (
        f"{contract.full_name} has records of which Kafka's timestamp is more than a day ahead of this machine's "
        "clock, `_timestamp > _ingested_at + INTERVAL 1 DAY`: a producer's clock is wrong, or this one's"
    )


def _size(typed: TypedBatch) -> int:
    letters = sum(len(letter.value or b"") for letter in typed.dead_letters)
    return letters + sum(rows.nbytes for rows in typed.tables.values())


def _refused_error(contract: StreamContract, letter: DeadLetter) -> RecordRefusedError:
    return RecordRefusedError(
        cannot=f"read {contract.full_name} partition {letter.partition} beyond offset {letter.offset}",
        why=f"the record breaks the contract ({letter.rule} at {letter.path}: {letter.message}) "
        "and the contract says stop",
        do="mend the contract, or set `onError` and `onUnknownField` to keep such records aside",
    )


def _tripped_error(contract: StreamContract, raw: RawBatch, bad: int) -> TooManyDeadLettersError:
    return TooManyDeadLettersError(
        cannot=f"read {contract.full_name} partition {raw.partition} beyond offset {raw.offsets[0]}",
        why=f"{bad} of the next {len(raw)} records break the contract: more than "
        f"maxDeadLetterRatio {contract.max_dead_letter_ratio:g} of the last 1,000",
        do="mend the producer or the contract, or raise maxDeadLetterRatio to keep them as dead letters",
    )
