"""What the offsets and the ledger claim of each partition, and whether the two agree with each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mesh_defs.model.records import Gap
from mesh_defs.store.ledger import LedgerEntry
from mesh_defs.store.offsets import HASH_MODULUS, PartitionOffsets, StreamOffsets

COMPLETENESS = "completeness"
UNIQUENESS = "uniqueness"
ATOMICITY = "atomicity"
MONOTONY = "monotony"
READABLE = "readable"
CONTENT = "content"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One invariant that does not hold.

    Attributes:
        invariant: `completeness`, `uniqueness`, `atomicity`, `monotony`, `content` where bytes that are kept are not
            those that came, or `readable` where data cannot be read.
        partition: None where the whole stream is meant.
        offset: The first offset concerned; None where there is none.
        message: A sentence.
    """

    invariant: str
    stream: str
    epoch: int
    partition: int | None
    offset: int | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Account:
    """What is claimed of one partition in one epoch.

    What is derived of its entries is derived once: it is asked for at each of them, and a day leaves 86,400.

    Attributes:
        start: The first offset answered for.
        next: The first offset not answered for.
        totals: The running totals; None for an earlier epoch.
        entries: What ingest stored, by offset, with the reversals of each taken into account.
        reversals: What took back some dead letters, which are rows now.
        removals: What erasure and retention took away.
    """

    stream: str
    epoch: int
    partition: int
    start: int
    next: int
    totals: PartitionOffsets | None
    entries: tuple[LedgerEntry, ...]
    removals: tuple[LedgerEntry, ...]
    reversals: tuple[LedgerEntry, ...] = ()

    @cached_property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps of all entries."""
        return tuple(gap for entry in self.entries for gap in entry.gaps)

    @cached_property
    def removed(self) -> int:
        """How many rows were taken away."""
        return sum(entry.removed_count for entry in self.removals)

    @cached_property
    def cleared(self) -> int:
        """Below which offset no row is left, only dead letters; the start, where rows were taken away one by one."""
        end = max((entry.to_offset for entry in self.removals), default=self.start)
        whole = sum(entry.row_count for entry in self.entries if entry.to_offset <= end) == self.removed
        return end if whole else self.start

    @property
    def tells_which(self) -> bool:
        """Whether it is known which rows are left, and not only how many."""
        return not self.removed or self.cleared > self.start

    def rows_left(self, entry: LedgerEntry) -> int:
        """Return how many rows of an entry there must be, as far as it is known which are left."""
        return 0 if entry.to_offset <= self.cleared and self.removed else entry.row_count

    @property
    def records(self) -> int:
        """How many rows and dead letters there must be."""
        in_gaps = sum(entry.in_gaps for entry in self.entries)
        return self.next - self.start - in_gaps - self.removed

    def violation(self, invariant: str, offset: int | None, predicate: str) -> Violation:
        """Return a violation of this partition; `predicate` completes the sentence that names it."""
        return Violation(
            invariant=invariant,
            stream=self.stream,
            epoch=self.epoch,
            partition=self.partition,
            offset=offset,
            message=f"{self.stream}[{self.partition}] of epoch {self.epoch} {predicate}",
        )


def accounts_of(
    stream: str, known: StreamOffsets | None, entries: Sequence[LedgerEntry]
) -> tuple[Account, ...]:
    """Return the account of each partition that the offsets or the ledger know, by epoch and partition.

    A partition that only the ledger knows has an empty range, so that its entries are violations.
    """
    own: dict[tuple[int, int], list[LedgerEntry]] = {}
    for entry in entries:
        own.setdefault((entry.epoch, entry.partition), []).append(entry)
    spans: dict[tuple[int, int], tuple[int, int, PartitionOffsets | None]] = {}
    for key, found in own.items():
        spans[key] = (found[0].from_offset, found[0].from_offset, None)
    if known is not None:
        for earlier in known.earlier:
            for partition, (start, end) in earlier.partitions.items():
                spans[earlier.epoch, partition] = (start, end, None)
        for partition, offsets in known.partitions.items():
            spans[known.epoch, partition] = (offsets.start_offset, offsets.next_offset, offsets)
    return tuple(
        Account(
            stream=stream,
            epoch=epoch,
            partition=partition,
            start=start,
            next=end,
            totals=totals,
            entries=_balanced(own.get((epoch, partition), ())),
            removals=tuple(e for e in own.get((epoch, partition), ()) if e.removed_count),
            reversals=tuple(e for e in own.get((epoch, partition), ()) if e.is_reversal),
        )
        for (epoch, partition), (start, end, totals) in sorted(spans.items())
    )


def _balanced(own: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Return what ingest stored, with the rows that its dead letters have become since."""
    moved: dict[tuple[int, int], int] = {}
    for entry in own:
        if entry.is_reversal:
            span = (entry.from_offset, entry.to_offset)
            moved[span] = moved.get(span, 0) - entry.dead_letter_count
    return tuple(
        replace(e, row_count=e.row_count + count, dead_letter_count=e.dead_letter_count - count)
        if (count := moved.get((e.from_offset, e.to_offset), 0))
        else e
        for e in own
        if not e.is_correction
    )


def check_claims(account: Account) -> Iterator[Violation]:
    """Yield where entries do not follow one another, do not add up, or do not lead to the offsets."""
    position = account.start
    for entry in account.entries:
        name = f"the ledger entry [{entry.from_offset}, {entry.to_offset})"
        if entry.from_offset != position:
            verb = "leaves offsets out" if entry.from_offset > position else "goes backwards"
            text = f"was at {position} when {name} {verb}"
            yield account.violation(MONOTONY, min(position, entry.from_offset), text)
        held, span = (
            entry.row_count + entry.dead_letter_count + entry.in_gaps,
            entry.to_offset - entry.from_offset,
        )
        if held != span:
            text = f"has {held} rows, dead letters and gaps in {name}, which spans {span} offsets"
            yield account.violation(COMPLETENESS, entry.from_offset, text)
        position = max(position, entry.to_offset)
    yield from _check_reversals(account)
    if position != account.next:
        text = f"is at {account.next} by the offsets and at {position} by the ledger"
        yield account.violation(ATOMICITY, min(position, account.next), text)
    if account.totals is not None and not _agrees(account, account.totals):
        yield account.violation(
            ATOMICITY, None, "has running totals that are not the sums of its ledger entries"
        )


def _check_reversals(account: Account) -> Iterator[Violation]:
    """Yield the reversals that do not balance, or that take back more than the entry over their offsets had."""
    entries = {(e.from_offset, e.to_offset): e for e in account.entries}
    for reversal in account.reversals:
        span = (reversal.from_offset, reversal.to_offset)
        entry = entries.get(span)
        balances = reversal.row_count == -reversal.dead_letter_count and not reversal.in_gaps
        if entry is None or entry.dead_letter_count < 0 or not balances or reversal.content_hash:
            text = f"has a reversal over [{span[0]}, {span[1]}) that no ledger entry over these offsets bears"
            yield account.violation(COMPLETENESS, reversal.from_offset, text)


def _agrees(account: Account, totals: PartitionOffsets) -> bool:
    spans = {"skipped": 0, "lost": 0}
    for gap in account.gaps:
        spans[gap.kind] += gap.to_offset - gap.from_offset
    summed = (
        sum(e.row_count for e in account.entries),
        sum(e.dead_letter_count for e in account.entries),
        spans["skipped"],
        spans["lost"],
        account.removed,
        sum(e.content_hash for e in account.entries) % HASH_MODULUS,
    )
    stored = (totals.rows, totals.dead_letters, totals.skipped, totals.lost, totals.removed)
    return summed == (*stored, totals.content_hash)
