"""What the broker has handed out to whom, as the state machine knows it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.machine.records import Sent


@dataclass(slots=True, kw_only=True)
class PartitionLog:
    """One partition of one topic.

    Attributes:
        entries: For each offset the record; None where the broker hands nothing out: markers, and what was aborted.
        low: The low watermark.
        open_from: Where the open transaction begins; None where there is none.
        lost: Offsets that were removed before the store had accounted for them.
        either: Those of them that a stopped pass may have read before.
    """

    entries: list[Sent | None] = field(default_factory=list)
    low: int = 0
    open_from: int | None = None
    lost: set[int] = field(default_factory=set)
    either: set[int] = field(default_factory=set)

    @property
    def end(self) -> int:
        """The last stable offset."""
        return len(self.entries) if self.open_from is None else self.open_from

    def append(self, records: list[Sent]) -> list[int]:
        """Add records, and return their offsets."""
        begin = len(self.entries)
        self.entries += records
        return list(range(begin, len(self.entries)))

    def mark(self, aborted: list[int]) -> None:
        """Add the marker that ends a transaction, and forget the records that it aborted."""
        for offset in aborted:
            self.entries[offset] = None
        self.entries.append(None)

    def expire(self, before: int, next_offset: int | None, *, stopped_reader: bool) -> bool:
        """Forget the offsets below `before`; return whether some of them are lost.

        Args:
            before: The new low watermark.
            next_offset: Of the store; None where the store does not know the partition.
            stopped_reader: Whether a stopped pass may have read them.
        """
        # Where the store does not know the partition, it will begin behind them; unless a stopped pass begins it.
        known = next_offset is not None or stopped_reader
        gone = range(max(self.low, next_offset or 0), before) if known else range(0)
        self.lost.update(gone)
        if stopped_reader:
            self.either.update(gone)
        self.low = max(self.low, before)
        return len(gone) > 0


@dataclass(slots=True, kw_only=True)
class TopicLog:
    """One topic, of one identity."""

    topic_id: str
    partitions: list[PartitionLog]

    def lows(self) -> dict[int, int]:
        """Return the low watermarks."""
        return {p: log.low for p, log in enumerate(self.partitions)}
