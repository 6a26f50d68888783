"""What tells whether the ledger's old entries are still those that were verified: numbers and sums of hashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb

from mesh_defs.store.layout import LEDGER
from mesh_defs.store.marks import PartitionMark
from mesh_defs.store.recount import integers
from mesh_defs.store.schema import table_name

_BOUNDS = "mesh_bounds"

_COLUMNS = (
    "epoch, partition, from_offset, to_offset, row_count, dead_letter_count, removed_count, gaps, content_hash, "
    "contract_version, writer, epoch_us(committed_at)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prints:
    """What the ledger has of one partition: all entries of ingest, those below a bound, and the corrections.

    Attributes:
        old_entries: How many end at the bound or before; `old_digest` is the sum of their hashes.
        entries: How many there are in all; `digest` is the sum of their hashes.
        corrections: How many reversals and removals; `corrections_digest` is the sum of their hashes.
    """

    old_entries: int = 0
    old_digest: int = 0
    entries: int = 0
    digest: int = 0
    corrections: int = 0
    corrections_digest: int = 0

    def continues(self, mark: PartitionMark) -> bool:
        """Say whether the entries below the mark are those that were verified."""
        return (self.old_entries, self.old_digest) == (mark.entries, mark.digest)

    def corrects(self, mark: PartitionMark | None) -> bool:
        """Say whether there are other corrections than when the mark was set."""
        before = (0, 0) if mark is None else (mark.corrections, mark.corrections_digest)
        return (self.corrections, self.corrections_digest) != before


def ledger_prints(
    con: duckdb.DuckDBPyConnection, domain: str, stream: str, bounds: Mapping[tuple[int, int], int]
) -> dict[tuple[int, int], Prints]:
    """Return what the ledger has of each partition of a stream, by (epoch, partition), in one aggregation.

    Raises:
        duckdb.Error: The ledger cannot be read.
    """
    rows = [(*key, bound) for key, bound in bounds.items()]
    con.register(_BOUNDS, integers(("epoch", "partition", "bound"), rows))
    found = con.execute(
        f"""
        SELECT epoch, partition,
            count(*) FILTER (NOT corrects AND seen), sum(digest) FILTER (NOT corrects AND seen),
            count(*) FILTER (NOT corrects), sum(digest) FILTER (NOT corrects),
            count(*) FILTER (corrects), sum(digest) FILTER (corrects)
        FROM (
            SELECT l.epoch, l.partition, l.digest, l.corrects, l.to_offset <= coalesce(b.bound, -1) AS seen
            FROM (
                SELECT epoch, partition, to_offset, hash({_COLUMNS}) digest,
                    removed_count > 0 OR dead_letter_count < 0 corrects
                FROM {table_name(domain, LEDGER)} WHERE stream = ?) l
            LEFT JOIN {_BOUNDS} b ON l.epoch = b.epoch AND l.partition = b.partition)
        GROUP BY epoch, partition
        """,
        [stream],
    ).fetchall()
    con.unregister(_BOUNDS)
    names = Prints.__slots__
    return {
        (row[0], row[1]): Prints(
            **{name: int(value or 0) for name, value in zip(names, row[2:], strict=True)}
        )
        for row in found
    }
