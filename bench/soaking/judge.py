"""The judgement: every acknowledged record is there once, as it was produced, or what is recorded explains it."""

from __future__ import annotations

import datetime as dt
import json
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from mesh_defs.consistency import verify_domain
from mesh_defs.contract.project import Project
from mesh_defs.query import Mesh
from mesh_defs.store import DomainStore, LedgerEntry, read_ledger
from soaking import readers
from soaking.producers import Facts
from soaking.streams import STREAMS, Stream, key_of

Where = tuple[int, int]
"""Partition and offset."""


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What was found of one stream.

    Attributes:
        compacted: Acknowledged records that compaction took before they were read; a newer one of their key is there.
        removed: Acknowledged records that retention took away, with a ledger entry, when they were old enough.
        found: One line a finding, for people.
    """

    stream: str
    acknowledged: int = 0
    aborted: int = 0
    rows: int = 0
    dead_letters: int = 0
    compacted: int = 0
    removed: int = 0
    commits: int = 0
    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    backwards: int = 0
    unexplained: int = 0
    reader_errors: int = 0
    found: list[str] = field(default_factory=list)

    @property
    def columns(self) -> tuple[int, int, int, int, int, int]:
        """The six numbers that must be 0."""
        return (
            self.lost,
            self.duplicated,
            self.torn,
            self.backwards,
            self.unexplained,
            self.reader_errors,
        )

    def blame(self, column: str, count: int, text: str) -> None:
        """Add to a column that must be 0, and say why."""
        if count:
            setattr(self, column, getattr(self, column) + count)
            self.found.append(f"{self.stream}: {column} {count}: {text}")


def judge(project: Project, facts: dict[str, Facts], notes: list[Path]) -> tuple[list[Verdict], Counter[str]]:
    """Compare the stores with what was acknowledged, the ledgers with both and with the broker.

    Returns:
        A verdict a stream; and how often the readers asked and were overtaken.
    """
    verdicts = {}
    for stream in STREAMS:
        verdict = Verdict(stream=stream.full_name)
        verdicts[stream.full_name] = verdict
        _Case(project, stream, facts[stream.full_name], verdict).judge()
    for domain in {stream.domain for stream in STREAMS}:
        for result in verify_domain(project, project.domain(domain), full=True):
            for violation in result.violations:
                verdicts[f"{domain}.{result.stream}"].blame("unexplained", 1, violation.message)
    asked = _read_notes(notes, verdicts)
    return list(verdicts.values()), asked


def _read_notes(notes: list[Path], verdicts: dict[str, Verdict]) -> Counter[str]:
    columns = {readers.TORN: "torn", readers.BACKWARDS: "backwards", readers.ERROR: "reader_errors"}
    asked: Counter[str] = Counter()
    for path in notes:
        for line in path.read_text(encoding="utf-8").splitlines():
            note = json.loads(line)
            asked[note["kind"]] += 1
            if note["kind"] in columns:
                verdict = verdicts.get(note["stream"]) or next(iter(verdicts.values()))
                when = dt.datetime.fromtimestamp(note["at"], dt.UTC).isoformat(timespec="milliseconds")
                verdict.blame(columns[note["kind"]], 1, f"{when} reader {note['pid']}: {note['text']}")
    return asked


class _Case:
    """One stream's judgement.

    Args:
        project: The mesh.
        stream: Which one.
        facts: What was acknowledged of it.
        verdict: Takes what is found.
    """

    def __init__(self, project: Project, stream: Stream, facts: Facts, verdict: Verdict) -> None:
        self._stream = stream
        self._facts = facts
        self._verdict = verdict
        self._seen: Counter[Where] = Counter()
        self._numbers: Counter[int] = Counter()
        self._stored = _stored(project, stream)
        with DomainStore.open(project.data_folder(stream.domain), stream.domain, read_only=True) as store:
            self._ledger = read_ledger(store, stream.name)
        self._gaps = {
            (entry.partition, offset)
            for entry in self._ledger
            for gap in entry.gaps
            for offset in range(gap.from_offset, gap.to_offset)
        }

    def judge(self) -> None:
        """Judge rows and dead letters, what is missing, and the gaps."""
        verdict, facts = self._verdict, self._facts
        verdict.acknowledged, verdict.aborted = len(facts.numbers), len(facts.aborted)
        verdict.commits = len({(entry.writer, entry.committed_at) for entry in self._ledger})
        self._look_at_stored()
        verdict.blame("duplicated", sum(self._seen.values()) - len(self._seen), "the same offset again")
        verdict.blame(
            "duplicated",
            sum(self._numbers.values()) - len(self._numbers),
            "the same number at another offset",
        )
        self._look_at_missing(self._removals())
        self._look_at_gaps()

    def _look_at_stored(self) -> None:
        for partition, offset, values in self._stored:
            where = (partition, offset)
            self._seen[where] += 1
            number = self._facts.numbers.get(where)
            if number is None and values[0] in self._facts.unknown:
                number = int(values[0])
            if number is None:
                kind = "of an aborted transaction" if where in self._facts.aborted else "that nobody produced"
                self._verdict.blame("unexplained", 1, f"a record {kind}: {where}")
                continue
            self._numbers[number] += self._seen[where] == 1
            self._verdict.rows += not self._stream.is_bad(number)
            self._verdict.dead_letters += self._stream.is_bad(number)
            if values != self._stream.stored_of(number):
                self._verdict.blame("unexplained", 1, f"number {number} at {where} is stored as {values}")

    def _removals(self) -> dict[int, int]:
        """Return below which offset retention took the rows of each partition; blame what it took too early."""
        cleared: dict[int, int] = {}
        span = dt.timedelta(seconds=self._stream.kept)
        entries: dict[int, list[LedgerEntry]] = {}
        for entry in self._ledger:  # they come in order
            if not entry.is_correction:
                entries.setdefault(entry.partition, []).append(entry)
        for removal in (entry for entry in self._ledger if entry.removed_count):
            cleared[removal.partition] = max(cleared.get(removal.partition, 0), removal.to_offset)
            own = entries[removal.partition]
            first = bisect_left(own, removal.from_offset, key=lambda e: e.from_offset)
            last = bisect_left(own, removal.to_offset, key=lambda e: e.from_offset)
            for entry in own[first:last]:
                if removal.committed_at - entry.committed_at < span:
                    self._verdict.blame("lost", entry.row_count, f"removed too early: {entry}")
        return cleared

    def _look_at_missing(self, cleared: dict[int, int]) -> None:
        newest: dict[tuple[int, bytes], int] = {}
        for (partition, offset), number in self._facts.numbers.items():
            key = (partition, key_of(number))
            newest[key] = max(newest.get(key, -1), offset)
        for where, number in self._facts.numbers.items():
            partition, offset = where
            gone = offset < cleared.get(partition, 0) and not self._stream.is_bad(number)
            if where in self._seen:
                self._verdict.blame("unexplained", int(gone), f"{where} is stored, though removed")
            elif gone:
                self._verdict.removed += 1
            elif (
                self._stream.compacted and where in self._gaps and newest[partition, key_of(number)] > offset
            ):
                self._verdict.compacted += 1
            else:
                self._verdict.blame("lost", 1, f"number {number} at {where}")

    def _look_at_gaps(self) -> None:
        """Blame gaps that neither compaction, nor aborted records, nor markers of transactions explain."""
        for entry in self._ledger:
            for gap in entry.gaps:
                if gap.kind != "skipped":
                    self._verdict.blame("unexplained", 1, f"partition {entry.partition}: {gap}")
        strange: Counter[int] = Counter(
            partition
            for partition, offset in self._gaps
            if (partition, offset) not in self._facts.aborted
            and (partition, offset) not in self._facts.numbers
        )
        for partition, count in strange.items():
            # A transaction whose outcome is unknown may have left its records as gaps.
            known = self._facts.markers.get(partition, 0) + len(self._facts.unknown)
            text = f"partition {partition}: {count} offsets in gaps, {known} explained"
            self._verdict.blame("unexplained", max(0, count - known), text)


def _stored(project: Project, stream: Stream) -> list[tuple[int, int, tuple[object, ...]]]:
    """Return partition, offset and values of all rows and dead letters of a stream."""
    with Mesh.open(project) as mesh:
        rows = mesh.query(
            f"SELECT _partition, _offset, number, key, note, _key FROM {stream.full_name}"  # noqa: S608
        ).fetchall()
        letters = mesh.query(
            f"SELECT _partition, _offset, _value FROM {stream.domain}.dead_letters "  # noqa: S608
            f"WHERE stream = '{stream.name}'"
        ).fetchall()
    return [(row[0], row[1], tuple(row[2:])) for row in [*rows, *letters]]
