"""What a store says at one snapshot, and whether that is one whole state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb

from mesh_defs.store import LedgerEntry, StoreOffsets, StreamOffsets
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, parse_row, read_row
from mesh_defs.store.ledger import read_entries
from mesh_defs.store.schema import stored_columns
from tests.faults.machine.records import Row
from tests.faults.machine.work import DOMAIN, STREAM

Place = tuple[int, int, int]
"""Epoch, partition and offset."""

_ENVELOPE = "_epoch, _partition, _offset, epoch_ms(_timestamp), _key, _headers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What stands around a payload."""

    milliseconds: int
    key: bytes | None
    headers: list[tuple[str, bytes | None]] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All of a stream at one snapshot.

    Attributes:
        rows: Each row of the table, by place; a place that is there twice fails when the view is read.
        letters: Each dead letter: its value.
        around: What stood around the payload of each row and letter.
    """

    offsets: StoreOffsets
    entries: tuple[LedgerEntry, ...]
    rows: Mapping[Place, Row] = field(default_factory=dict)
    letters: Mapping[Place, bytes | None] = field(default_factory=dict)
    around: Mapping[Place, Envelope] = field(default_factory=dict)

    @property
    def stream(self) -> StreamOffsets | None:
        """How far it is."""
        return self.offsets.streams.get(STREAM)

    @property
    def spans(self) -> dict[tuple[int, int], tuple[int, int]]:
        """The offsets [start, next) of each epoch and partition."""
        known = self.stream
        if known is None:
            return {}
        earlier = {(e.epoch, p): span for e in known.earlier for p, span in e.partitions.items()}
        now = {(known.epoch, p): (o.start_offset, o.next_offset) for p, o in known.partitions.items()}
        return earlier | now

    @property
    def nexts(self) -> dict[int, int]:
        """The next offset of each partition of the present epoch."""
        known = self.stream
        return {p: o.next_offset for p, o in known.partitions.items()} if known else {}

    def gaps(self, kind: str) -> set[Place]:
        """Return the places in recorded gaps of a kind."""
        return {
            (entry.epoch, entry.partition, offset)
            for entry in self.entries
            for gap in entry.gaps
            if gap.kind == kind
            for offset in range(gap.from_offset, gap.to_offset)
        }

    def cleared(self, epoch: int, partition: int) -> int:
        """Return below which offset retention has taken the rows away; 0 where it took none."""
        ends = [
            entry.to_offset
            for entry in self.entries
            if (entry.epoch, entry.partition) == (epoch, partition) and entry.removed_count
        ]
        return max(ends, default=0)

    def whole(self) -> None:
        """Assert that the rows, dead letters and gaps are what the ledger of the same snapshot says of them."""
        lost, skipped = self.gaps("lost"), self.gaps("skipped")
        groups = [set(self.rows), set(self.letters), lost, skipped]
        assert len(set().union(*groups)) == sum(len(group) for group in groups), "a place is taken twice"
        for (epoch, partition), (start, next_offset) in self.spans.items():
            held = {place for group in groups for place in group if place[:2] == (epoch, partition)}
            assert all(start <= place[2] < next_offset for place in held)
            missing = next_offset - start - len(held)
            gone = sum(e.removed_count for e in self.entries if (e.epoch, e.partition) == (epoch, partition))
            assert missing == gone, (
                f"[{partition}] of epoch {epoch} lacks {missing} offsets, removed are {gone}"
            )


def read_view(con: duckdb.DuckDBPyConnection) -> View:
    """Read all tables over a connection; the transaction, one snapshot, is the caller's."""
    offsets = parse_row(DOMAIN, read_row(con, DOMAIN))
    entries = read_entries(con, DOMAIN)
    stored = stored_columns(con, DOMAIN, STREAM)
    if stored is None:
        return View(offsets=offsets, entries=entries)
    note = "note" if "note" in stored else "NULL"
    columns = f"order_id, customer, {note}, _unknown, _tombstone"
    rows = con.table(f"{DOMAIN}.{STREAM}").select(f"{_ENVELOPE}, {columns}").fetchall()
    letters = con.table(f"{DOMAIN}.{DEAD_LETTERS_TABLE}").select(f"{_ENVELOPE}, _value").fetchall()
    found = [tuple(record[:3]) for record in (*rows, *letters)]
    assert len(found) == len(set(found)), f"stored twice: {sorted(p for p in found if found.count(p) > 1)}"
    return View(
        offsets=offsets,
        entries=entries,
        rows={_place(row): _row(row[6:]) for row in rows},
        letters={_place(letter): letter[6] for letter in letters},
        around={_place(record): _envelope(record[3:6]) for record in (*rows, *letters)},
    )


def _place(record: tuple[Any, ...]) -> Place:
    return (record[0], record[1], record[2])


def _row(columns: tuple[Any, ...]) -> Row:
    order_id, customer, note, unknown, tombstone = columns
    return Row(order_id=order_id, customer=customer, note=note, unknown=unknown, tombstone=tombstone)


def _envelope(columns: tuple[Any, ...]) -> Envelope:
    milliseconds, key, headers = columns
    pairs = None if headers is None else [(h["name"], h["value"]) for h in headers]
    return Envelope(milliseconds=milliseconds, key=key, headers=pairs)
