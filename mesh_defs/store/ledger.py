"""The ledger as it is read: one entry a range of offsets, append-only."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from mesh_defs.model.micros import from_micros
from mesh_defs.model.records import Gap
from mesh_defs.store.engine import Attached, first_row
from mesh_defs.store.errors import translated
from mesh_defs.store.layout import LEDGER
from mesh_defs.store.schema import table_name


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """What became of the offsets [from_offset, to_offset) of one partition.

    Attributes:
        dead_letter_count: Below 0 for a reversal: so many dead letters of the entry over the same offsets are rows now.
        removed_count: Rows that this entry took away (erasure, retention); 0 for what an ingest pass stored.
        content_hash: The sum over the records, modulo 2**64.
    """

    stream: str
    epoch: int
    partition: int
    from_offset: int
    to_offset: int
    row_count: int
    dead_letter_count: int
    removed_count: int
    gaps: tuple[Gap, ...]
    content_hash: int
    contract_version: str
    writer: str
    committed_at: dt.datetime

    @property
    def is_reversal(self) -> bool:
        """Whether it takes back what an earlier entry said of dead letters."""
        return self.dead_letter_count < 0

    @property
    def is_correction(self) -> bool:
        """Whether it corrects the account of offsets that an earlier entry accounted for."""
        return self.is_reversal or self.removed_count > 0

    @property
    def in_gaps(self) -> int:
        """How many offsets are in gaps."""
        return sum(gap.to_offset - gap.from_offset for gap in self.gaps)


def read_entries(
    con: duckdb.DuckDBPyConnection, domain: str, stream: str | None = None, where: str = "true"
) -> tuple[LedgerEntry, ...]:
    """Return the ledger's entries over a connection of the caller's, inside its transaction.

    Args:
        con: With the domain attached.
        domain: Its name.
        stream: None means all.
        where: Which of them, in SQL over the ledger's columns.

    Raises:
        StoreError: The catalog or a file of the ledger cannot be read.
    """
    with translated(f"read the ledger of domain {domain}"):
        rows = con.execute(
            f"SELECT stream, epoch, partition, from_offset, to_offset, row_count, dead_letter_count, "
            f"removed_count, gaps, content_hash, contract_version, writer, epoch_us(committed_at) "
            f"FROM {table_name(domain, LEDGER)} WHERE stream = coalesce(?, stream) AND ({where}) "
            # Corrections lie over the offsets of what they correct: of these, the order is that of their commits.
            f"ORDER BY stream, epoch, partition, from_offset, to_offset, committed_at",
            [stream],
        ).fetchall()
    return tuple(_entry(row) for row in rows)


def read_ledger(store: Attached, stream: str | None = None, where: str = "true") -> tuple[LedgerEntry, ...]:
    """Return an open store's ledger entries by stream, epoch, partition and offset; of one stream, or of all.

    Args:
        store: An open store.
        stream: None means all.
        where: Which of them, in SQL over the ledger's columns.

    Raises:
        StoreError: The catalog or a file of the ledger cannot be read.
    """
    return read_entries(store.connection, store.domain, stream, where)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSums:
    """What the ledger says of a stream in all.

    Attributes:
        offsets: That it answers for.
    """

    entries: int
    offsets: int
    rows: int
    dead_letters: int

    @property
    def in_gaps(self) -> int:
        """How many offsets are in gaps."""
        return self.offsets - self.rows - self.dead_letters


def read_sums(store: Attached, stream: str) -> LedgerSums:
    """Return the sums over a stream's ledger entries.

    Raises:
        StoreError: The catalog or a file of the ledger cannot be read.
    """
    with translated(f"read the ledger of domain {store.domain}"):
        row = first_row(
            store.connection,
            "SELECT count(*), sum(to_offset - from_offset) FILTER (removed_count = 0 AND dead_letter_count >= 0), "
            f"sum(row_count), sum(dead_letter_count) FROM {table_name(store.domain, LEDGER)} WHERE stream = ?",
            [stream],
        )
    entries, offsets, rows, letters = (int(value or 0) for value in row or (0, 0, 0, 0))
    return LedgerSums(entries=entries, offsets=offsets, rows=rows, dead_letters=letters)


def runs(entries: Sequence[LedgerEntry]) -> Iterator[tuple[LedgerEntry, ...]]:
    """Yield the entries of one partition, by offset, cut where one does not begin where the one before ended."""
    begin = 0
    for end in range(1, len(entries) + 1):
        if end == len(entries) or entries[end].from_offset != entries[end - 1].to_offset:
            yield tuple(entries[begin:end])
            begin = end


def gaps_from_json(text: str) -> tuple[Gap, ...]:
    """Read the ledger's text of gaps."""
    if text == "[]":
        return ()
    return tuple(
        Gap(kind=g["kind"], from_offset=g["from_offset"], to_offset=g["to_offset"]) for g in json.loads(text)
    )


def _entry(row: tuple[Any, ...]) -> LedgerEntry:
    return LedgerEntry(
        stream=row[0],
        epoch=row[1],
        partition=row[2],
        from_offset=row[3],
        to_offset=row[4],
        row_count=row[5],
        dead_letter_count=row[6],
        removed_count=row[7],
        gaps=gaps_from_json(row[8]),
        content_hash=row[9],
        contract_version=row[10],
        writer=row[11],
        committed_at=from_micros(row[12]),
    )
