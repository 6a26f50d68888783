"""What a pass says about itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mesh_defs.model.errors import MeshError
from mesh_defs.model.records import Gap, PartitionAdvance

MOST_GAPS = 1_000
"""Of a partition in a report that is made of several; the ledger has all of them."""

MOST_FIELDS = 1_000
"""Unknown fields that are counted each: a producer may write its data as the names of fields."""


def count_fields(known: Counter[str], more: Mapping[str, int]) -> None:
    """Add counts of unknown fields; of more than `MOST_FIELDS` different ones the first are told."""
    for name, count in more.items():
        if name in known or len(known) < MOST_FIELDS:
            known[name] += count


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionReport:
    """What one pass did to one partition: the offsets [from_offset, to_offset), accounted for.

    Attributes:
        end_offset: The last stable offset when the pass began.
        snapshot: The store's snapshot after the last commit; None where nothing was committed.
    """

    partition: int
    epoch: int
    from_offset: int
    to_offset: int
    end_offset: int
    row_count: int = 0
    dead_letter_count: int = 0
    gaps: tuple[Gap, ...] = ()
    snapshot: int | None = None

    @property
    def lag(self) -> int:
        """How many offsets below the pass's end were not reached."""
        return max(0, self.end_offset - self.to_offset)

    def plus(self, advance: PartitionAdvance, snapshot: int) -> PartitionReport:
        """Return the report after one more commit."""
        return replace(
            self,
            to_offset=advance.to_offset,
            row_count=self.row_count + advance.row_count,
            dead_letter_count=self.dead_letter_count + advance.dead_letter_count,
            gaps=self.gaps + advance.gaps,
            snapshot=snapshot,
        )

    def joined(self, later: PartitionReport) -> PartitionReport:
        """Return one report of this span and of a later one; where an epoch began between, only of the later."""
        if later.epoch != self.epoch:
            return later
        return replace(
            later,
            from_offset=self.from_offset,
            row_count=self.row_count + later.row_count,
            dead_letter_count=self.dead_letter_count + later.dead_letter_count,
            gaps=(self.gaps + later.gaps)[:MOST_GAPS],
            snapshot=self.snapshot if later.snapshot is None else later.snapshot,
        )


def reason_of(error: MeshError) -> str:
    """Return what tells an error from another one at the same place, and stays while it is tried again in vain.

    Its other words may tell how far things have come meanwhile.
    """
    return f"{type(error).__name__}: {error.cannot}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a stream, or one of its partitions, did not reach its end.

    Attributes:
        partition: None where the whole stream is concerned.
    """

    error: MeshError
    partition: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReport:
    """What one pass did to one stream.

    Attributes:
        troubles: Why the stream, or some of its partitions, did not reach the end; empty when all did.
        warnings: What a person should know of, although it stopped nothing; a sentence each.
        unknown_fields: For each path of a field that the contract does not name, how many records carried it.
        tables: For each table of the stream, one an event type, the rows stored by the pass.
    """

    domain: str
    stream: str
    partitions: tuple[PartitionReport, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    warnings: tuple[str, ...] = ()
    unknown_fields: tuple[tuple[str, int], ...] = ()
    tables: tuple[tuple[str, int], ...] = ()

    def plus(self, later: StreamReport) -> StreamReport:
        """Return one report of two passes, one after the other; what stops the stream is what the later one says."""
        own = {p.partition: p for p in self.partitions}
        for part in later.partitions:
            known = own.get(part.partition)
            own[part.partition] = part if known is None else known.joined(part)
        before = dict(self.tables)
        unknown = Counter(dict(self.unknown_fields))
        count_fields(unknown, dict(later.unknown_fields))
        return replace(
            later,
            partitions=tuple(own[p] for p in sorted(own)),
            warnings=tuple(dict.fromkeys(self.warnings + later.warnings)),
            unknown_fields=tuple(sorted(unknown.items())),
            tables=tuple((name, before.get(name, 0) + rows) for name, rows in later.tables) or self.tables,
        )

    @property
    def row_count(self) -> int:
        """Rows stored by the pass."""
        return sum(p.row_count for p in self.partitions)

    @property
    def dead_letter_count(self) -> int:
        """Dead letters stored by the pass."""
        return sum(p.dead_letter_count for p in self.partitions)

    @property
    def snapshot(self) -> int | None:
        """The snapshot after the last commit, or None where nothing was committed."""
        return max((p.snapshot for p in self.partitions if p.snapshot is not None), default=None)

    @property
    def errors(self) -> tuple[MeshError, ...]:
        """The reasons why the stream, or some of its partitions, did not reach the end."""
        return tuple(t.error for t in self.troubles)

    @property
    def error(self) -> MeshError | None:
        """The first reason why the stream did not reach the end, or None."""
        return self.troubles[0].error if self.troubles else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """What one pass did to a domain."""

    domain: str
    streams: tuple[StreamReport, ...] = ()

    @property
    def failed(self) -> tuple[StreamReport, ...]:
        """The streams that did not reach their end."""
        return tuple(s for s in self.streams if s.troubles)

    @property
    def row_count(self) -> int:
        """Rows stored by the pass."""
        return sum(s.row_count for s in self.streams)
