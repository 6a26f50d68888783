"""What a pass has done to one stream so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mesh_defs.contract.contract import StreamContract
from mesh_defs.ingest.plan import StreamPlan
from mesh_defs.ingest.report import PartitionReport, StreamReport, Trouble
from mesh_defs.model.records import PartitionAdvance, StagedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a pass is with a stream: offsets accounted for, of those it set out for; or bytes of files."""

    stream: str
    done: int
    total: int
    unit: str = "offsets"


OnProgress = Callable[[Progress], None]


@dataclass(slots=True, kw_only=True)
class StreamAccount:
    """The running account of one stream within one pass; it outlives a fenced start."""

    contract: StreamContract
    partitions: dict[int, PartitionReport] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    tables: Counter[str] = field(default_factory=Counter)

    def begin(self, plan: StreamPlan) -> None:
        """Note where each partition stands and where the pass will end."""
        for partition, (from_offset, to_offset) in plan.ranges.items():
            lost = plan.lost.get(partition)
            begin = lost.from_offset if lost else from_offset
            report = PartitionReport(
                partition=partition,
                epoch=plan.epoch,
                from_offset=begin,
                to_offset=begin,
                end_offset=to_offset,
            )
            self.partitions.setdefault(partition, report)

    def advance(self, advance: PartitionAdvance, snapshot: int) -> None:
        """Note one committed ledger entry."""
        self.partitions[advance.partition] = self.partitions[advance.partition].plus(advance, snapshot)

    def count(self, files: Iterable[StagedFile]) -> None:
        """Note the rows of a commit's files, table by table."""
        own = {table.name for table in self.contract.tables}
        self.tables.update({f.table: f.row_count for f in files if f.table in own})

    @property
    def progress(self) -> Progress:
        """How far the stream is."""
        reports = self.partitions.values()
        return Progress(
            stream=self.contract.full_name,
            done=sum(r.to_offset - r.from_offset for r in reports),
            total=sum(r.end_offset - r.from_offset for r in reports),
        )

    def report(self) -> StreamReport:
        """Return the account as a value."""
        return StreamReport(
            domain=self.contract.domain,
            stream=self.contract.name,
            partitions=tuple(self.partitions[p] for p in sorted(self.partitions)),
            troubles=tuple(self.troubles),
            warnings=tuple(self.warnings),
            unknown_fields=tuple(sorted(self.unknown.items())),
            tables=tuple((t.name, self.tables[t.name]) for t in self.contract.tables),
        )
