"""Whether the rows and dead letters of some ledger entries are there, each once, and the tables hold no others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from mesh_defs.store.account import Account
from mesh_defs.store.content import altered, keeps_bytes
from mesh_defs.store.engine import first_row
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER
from mesh_defs.store.ledger import LedgerEntry, runs
from mesh_defs.store.marks import PartitionMark
from mesh_defs.store.recount import entry_sums, found_of, integers
from mesh_defs.store.schema import table_name

_WINDOWS = 100
"""Each is a query of its own, so that files are left out by the offsets they hold; beyond that all is recounted."""

_CHOSEN = "mesh_chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a stream's rows are.

    Attributes:
        con: A connection with the domain attached, inside the verification's transaction.
        domain: Its name.
        tables: That hold the stream's rows.
    """

    con: duckdb.DuckDBPyConnection
    domain: str
    stream: str
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What is looked at of one partition: some entries, and how they stand in the account."""

    account: Account
    entries: tuple[LedgerEntry, ...]
    mark: PartitionMark


def parts_hold(place: Place, parts: Sequence[Part]) -> bool:
    """Say whether the tables hold what some entries of a stream claim, and by the catalog's count nothing beyond.

    Raises:
        duckdb.Error: A table cannot be read.
    """
    con, domain, tables = place.con, place.domain, place.tables
    windows = [(part.account, *window) for part in parts for window in _windows(part)]
    if len(windows) > _WINDOWS:
        return False
    rows = sum(part.mark.rows - part.mark.removed for part in parts)
    if sum(_count(con, domain, table) for table in tables) != rows:
        return False
    if _count(con, domain, DEAD_LETTERS_TABLE) != _count(con, domain, LEDGER, "sum(dead_letter_count)"):
        return False
    chosen = [(part.account, entry) for part in parts for entry in part.entries]
    if _held(place, windows, chosen) != _expected(con, chosen):
        return False
    return not keeps_bytes(con, domain, tables) or not any(
        True for part in parts for _ in altered(con, domain, tables, part.account, part.entries)
    )


def _windows(part: Part) -> Iterator[tuple[int, int | None]]:
    """Yield the ranges of offsets that the entries cover; the last has no end, so that strays behind it are seen."""
    for run in runs(part.entries):
        end = run[-1].to_offset
        yield run[0].from_offset, None if end == part.account.next else end


def _count(con: duckdb.DuckDBPyConnection, domain: str, table: str, what: str = "count(*)") -> int:
    row = first_row(con, f"SELECT {what} FROM {table_name(domain, table)}")
    return int((row and row[0]) or 0)


def _held(
    place: Place,
    windows: Sequence[tuple[Account, int, int | None]],
    chosen: Sequence[tuple[Account, LedgerEntry]],
) -> dict[int, tuple[int, int, int]]:
    """Return the rows, the dead letters and the sum of the offsets' hashes of each entry, by its number."""
    if not windows:
        return {}
    found = " UNION ALL ".join(
        found_of(
            place.domain, place.stream, place.tables, window_condition(a.epoch, a.partition, begin_at, end)
        )
        for a, begin_at, end in windows
    )
    starts = [(a.epoch, a.partition, n, e.from_offset) for n, (a, e) in enumerate(chosen)]
    place.con.register(_CHOSEN, integers(("epoch", "partition", "number", "from_offset"), starts))
    rows = place.con.execute(
        f"SELECT e.number, count(*) FILTER (f.good), count(*) FILTER (NOT f.good), sum(hash(f.o)) "
        f"FROM ({found}) f ASOF JOIN {_CHOSEN} e "
        "ON f.epoch = e.epoch AND f.partition = e.partition AND f.o >= e.from_offset GROUP BY ALL"
    ).fetchall()
    place.con.unregister(_CHOSEN)
    told = {row[0]: (row[1], row[2], int(row[3])) for row in rows}
    return {n: (rows, dead, total if _is_whole(chosen[n]) else 0) for n, (rows, dead, total) in told.items()}


def window_condition(epoch: int, partition: int, begin_at: int, end: int | None) -> str:
    """Return which rows lie in a window, as DuckDB can compare it with the files' statistics."""
    upper = "" if end is None else f" AND _offset < {end}"
    return f"_epoch = {epoch} AND _partition = {partition} AND _offset >= {begin_at}{upper}"


def _expected(
    con: duckdb.DuckDBPyConnection, chosen: Sequence[tuple[Account, LedgerEntry]]
) -> dict[int, tuple[int, int, int]]:
    """Return what the ledger says of each entry that has records left, by its number."""
    sums = entry_sums(con, [entry for _, entry in chosen])
    claims = {
        n: (a.rows_left(e), e.dead_letter_count, sums[n] if _is_whole((a, e)) else 0)
        for n, (a, e) in enumerate(chosen)
    }
    return {n: claim for n, claim in claims.items() if claim[0] or claim[1]}


def _is_whole(chosen: tuple[Account, LedgerEntry]) -> bool:
    """Say whether retention left the entry's rows, so that it is known which offsets are there."""
    account, entry = chosen
    return account.rows_left(entry) == entry.row_count
