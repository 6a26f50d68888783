"""Counting what the tables really hold, for the verification of the ledger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from mesh_defs.store.account import COMPLETENESS, UNIQUENESS, Account
from mesh_defs.store.engine import literal
from mesh_defs.store.layout import DEAD_LETTERS_TABLE
from mesh_defs.store.ledger import LedgerEntry
from mesh_defs.store.schema import table_name

_LONG = 1_000
"""Spans up to here are spelt out together, 2,048 at a time in memory; longer ones are streamed one by one."""

_ENTRIES = "mesh_entries"
_CLEARED = "mesh_cleared"
_GAPS = "mesh_gaps"
_SPANS = "mesh_spans"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recount:
    """What the tables hold of one stream.

    Attributes:
        partitions: For each (epoch, partition): how many rows and dead letters, and the sum of the hashes of their
            offsets from `Account.cleared` on. A key holds None where a row lacks the coordinate.
        entries: The first entry of each (epoch, partition) whose counts differ from the ledger's: its number, then
            the rows and the dead letters that are there.
    """

    partitions: Mapping[tuple[int | None, int | None], tuple[int, int]]
    entries: Mapping[tuple[int, int], tuple[int, int, int]]


def recount(
    con: duckdb.DuckDBPyConnection,
    domain: str,
    stream: str,
    tables: Sequence[str],
    accounts: Sequence[Account],
) -> Recount:
    """Count rows and dead letters by partition and by ledger entry, reading the data themselves.

    Args:
        con: A connection with the domain attached.
        domain: Its name.
        stream: Of the accounts.
        tables: That hold the stream's rows.
        accounts: Of all its partitions.

    Raises:
        duckdb.Error: A table cannot be read.
    """
    claims = [
        (a.epoch, a.partition, number, e.from_offset, a.rows_left(e), e.dead_letter_count)
        for a in accounts
        for number, e in enumerate(a.entries)
        # A load of nothing begins where the next one does.
        if e.from_offset < e.to_offset
    ]
    names = ("epoch", "partition", "number", "from_offset", "row_count", "dead_letter_count")
    con.register(_ENTRIES, integers(names, claims))
    cleared = [(a.epoch, a.partition, a.cleared) for a in accounts if a.cleared > a.start]
    con.register(_CLEARED, integers(("epoch", "partition", "cleared"), cleared))
    found = found_of(domain, stream, tables)
    partitions = con.execute(
        f"SELECT epoch, partition, count(*), sum(hash(o)) FILTER (o >= coalesce(cleared, o)) "
        f"FROM ({found}) LEFT JOIN {_CLEARED} USING (epoch, partition) GROUP BY ALL"
    ).fetchall()
    entries = con.execute(
        f"""
        WITH held AS (
            SELECT e.epoch, e.partition, e.number, count(*) FILTER (f.good) good, count(*) FILTER (NOT f.good) dead
            FROM ({found}) f ASOF JOIN {_ENTRIES} e
              ON f.epoch = e.epoch AND f.partition = e.partition AND f.o >= e.from_offset
            GROUP BY ALL)
        SELECT epoch, partition, min(number), arg_min(held_rows, number), arg_min(held_dead, number)
        FROM (
            SELECT e.epoch, e.partition, e.number, coalesce(good, 0) held_rows, coalesce(dead, 0) held_dead
            FROM {_ENTRIES} e LEFT JOIN held h USING (epoch, partition, number)
            WHERE held_rows <> e.row_count OR held_dead <> e.dead_letter_count)
        GROUP BY epoch, partition
        """
    ).fetchall()
    con.unregister(_ENTRIES)
    con.unregister(_CLEARED)
    return Recount(
        partitions={(row[0], row[1]): (row[2], int(row[3] or 0)) for row in partitions},
        entries={(row[0], row[1]): (row[2], row[3], row[4]) for row in entries},
    )


def expected_sums(
    con: duckdb.DuckDBPyConnection, accounts: Sequence[Account]
) -> Mapping[tuple[int, int], int]:
    """Return, for each (epoch, partition), the sum of the hashes of the offsets that must be records.

    Below `Account.cleared` it is not known which offsets are dead letters: those are left out.
    """
    spans = [
        span
        for number, a in enumerate(accounts)
        for span in (
            (number, a.cleared, a.next, 1),
            *((number, max(a.cleared, g.from_offset), max(a.cleared, g.to_offset), -1) for g in a.gaps),
        )
    ]
    sums = _sums(con, spans, len(accounts))
    return {(a.epoch, a.partition): total for a, total in zip(accounts, sums, strict=True)}


def entry_sums(con: duckdb.DuckDBPyConnection, entries: Sequence[LedgerEntry]) -> list[int]:
    """Return, for each ledger entry, the sum of the hashes of the offsets that must be records."""
    spans = []
    for number, entry in enumerate(entries):
        position = entry.from_offset
        for gap in sorted(entry.gaps, key=lambda g: g.from_offset):
            spans.append((number, position, gap.from_offset, 1))
            position = gap.to_offset
        spans.append((number, position, entry.to_offset, 1))
    return _sums(con, spans, len(entries))


def _sums(
    con: duckdb.DuckDBPyConnection, spans: Sequence[tuple[int, int, int, int]], count: int
) -> list[int]:
    """Return the sum of the hashes of offsets by number; a span is (number, from, to, sign)."""
    sums = [0] * count
    for number, start, end, sign in spans:
        if end - start > _LONG:
            row = con.execute(f"SELECT sum(hash(range)) FROM range({start}, {end})").fetchone()
            sums[number] += sign * int((row and row[0]) or 0)
    names = ("number", "from_offset", "to_offset", "sign")
    con.register(_SPANS, integers(names, [s for s in spans if s[2] - s[1] <= _LONG]))
    for number, total in con.execute(
        f"SELECT number, sum(sign * hash(o)::HUGEINT) "
        f"FROM (SELECT number, sign, unnest(range(from_offset, to_offset)) o FROM {_SPANS}) GROUP BY number"
    ).fetchall():
        sums[number] += int(total)
    con.unregister(_SPANS)
    return sums


def first_fault(
    con: duckdb.DuckDBPyConnection, domain: str, tables: Sequence[str], account: Account
) -> tuple[str, int | None, str] | None:
    """Search for the first duplicate, else stray, else hole; return invariant, offset and predicate."""
    found = (
        f"SELECT o, good FROM ({found_of(domain, account.stream, tables)}) "
        f"WHERE epoch = {account.epoch} AND partition = {account.partition}"
    )
    con.register(
        _GAPS, integers(("from_offset", "to_offset"), [(g.from_offset, g.to_offset) for g in account.gaps])
    )
    in_gap = f"EXISTS (FROM {_GAPS} WHERE o >= from_offset AND o < to_offset)"
    twice = _first(con, f"SELECT o FROM ({found}) GROUP BY o HAVING count(*) > 1 ORDER BY o LIMIT 1")
    outside = f"o IS NULL OR o < {account.start} OR o >= {account.next} OR (good AND o < {account.cleared})"
    stray = _first(con, f"SELECT min(o) FROM ({found}) WHERE {outside} OR {in_gap}")
    hole = _first(
        con,
        f"SELECT min(o) FROM (FROM range({account.cleared}, {account.next}) r(o) "
        f"WHERE o NOT IN (SELECT o FROM ({found})) AND NOT {in_gap})",
    )
    after = None
    if hole is not None:
        starts = f"SELECT from_offset FROM {_GAPS} UNION ALL SELECT {account.next}"
        after = _first(
            con, f"SELECT min(o) FROM (SELECT o FROM ({found}) UNION ALL {starts}) t(o) WHERE o > {hole}"
        )
    con.unregister(_GAPS)
    if twice is not None:
        return UNIQUENESS, twice, f"holds offset {twice} more than once"
    if stray is not None:
        return COMPLETENESS, stray, f"holds offset {stray}, which is outside its account or in a recorded gap"
    if hole is not None:
        return COMPLETENESS, hole, f"has no row, dead letter or gap for the offsets [{hole}, {after})"
    return None


def found_of(domain: str, stream: str, tables: Sequence[str], where: str = "true") -> str:
    """Return the query of the coordinates that the tables hold of a stream: rows (good) and dead letters."""
    parts = [
        f"SELECT _epoch AS epoch, _partition AS partition, _offset AS o, true AS good "
        f"FROM {table_name(domain, table)} WHERE {where}"
        for table in tables
    ]
    letters = (
        f"SELECT _epoch, _partition, _offset, false FROM {table_name(domain, DEAD_LETTERS_TABLE)} "
        f"WHERE stream = {literal(stream)} AND {where}"
    )
    return " UNION ALL ".join([*parts, letters])


def _first(con: duckdb.DuckDBPyConnection, sql: str) -> int | None:
    row = con.execute(sql).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def integers(names: Sequence[str], rows: Sequence[tuple[int, ...]]) -> pa.Table:
    """Return a table of integers for a query to join."""
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return pa.table({name: pa.array(column, pa.int64()) for name, column in zip(names, columns, strict=True)})
