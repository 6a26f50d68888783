"""Whether the account holds: invariants 1 to 4, recounted from the tables' own rows.

Rows, dead letters and gaps are compared with [start, next) of every partition by count and by the sum of the
offsets' hashes (64 bits): a hole that a duplicate hides changes the sum. That is one pass without sorting; only where
the two differ is the first duplicate, stray or hole searched for. Counts come from the data, never from the
catalog's statistics, which answer even when the files are gone; only from a mark on is the total the catalog's
(`increment`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from mesh_defs.model.errors import StoreError
from mesh_defs.store.account import (
    COMPLETENESS,
    CONTENT,
    READABLE,
    Account,
    Violation,
    accounts_of,
    check_claims,
)
from mesh_defs.store.content import altered, keeps_bytes
from mesh_defs.store.engine import Attached
from mesh_defs.store.errors import first_line, translated
from mesh_defs.store.files import damaged_files
from mesh_defs.store.increment import Increment, advance, begin
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, LOADS_TABLE, parse_row, read_row
from mesh_defs.store.ledger import read_entries
from mesh_defs.store.loads import check_loads
from mesh_defs.store.marks import StreamMark
from mesh_defs.store.offsets import StoreOffsets, StreamOffsets
from mesh_defs.store.recount import Recount, expected_sums, first_fault, recount
from mesh_defs.store.schema import stored_columns
from mesh_defs.store.window import Place

_UNREADABLE = (duckdb.IOException, duckdb.InvalidInputException)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What the verification of one stream found.

    Attributes:
        violations: What does not hold, in the order in which it was found.
        mark: From where on the next verification looks; None where something does not hold.
        recounted: How many offsets were looked at.
    """

    violations: tuple[Violation, ...]
    mark: StreamMark | None
    recounted: int


def verify_stream(
    store: Attached, stream: str, *, mark: StreamMark | None = None, deep: bool = False
) -> Verified:
    """Recount one stream as `verify_store` does, from `mark` on where it fits the store, else from the start.

    Args:
        store: An open store; reading is enough, and writers go on meanwhile.
        stream: Its name.
        mark: What an earlier verification left; None recounts everything. What came since and does not hold is
            named by recounting everything.
        deep: Recount everything, and read every page of every file and check its checksum.

    Raises:
        StoreError: The catalog or the ledger itself cannot be read.
    """
    if mark is not None and not deep:
        with _snapshot(store) as cursor:
            done = _advanced(cursor, store.domain, stream, mark)
        if done is not None:
            return Verified(violations=(), mark=done.mark, recounted=done.offsets)
    with _snapshot(store) as cursor:
        offsets = parse_row(store.domain, read_row(cursor, store.domain))
        known = offsets.streams.get(stream)
        accounts = accounts_of(stream, known, read_entries(cursor, store.domain, stream))
        violations = tuple(_verify(cursor, store.domain, [stream], deep=deep))
        fresh = None
        if known is not None and not violations:
            place = Place(con=cursor, domain=store.domain, stream=stream, tables=offsets.tables(stream))
            fresh = begin(place, known, accounts)
    looked = sum(account.next - account.start for account in accounts)
    return Verified(violations=violations, mark=fresh, recounted=looked)


def _advanced(con: duckdb.DuckDBPyConnection, domain: str, stream: str, mark: StreamMark) -> Increment | None:
    offsets = parse_row(domain, read_row(con, domain))
    known = offsets.streams.get(stream)
    if known is None:
        return None
    place = Place(con=con, domain=domain, stream=stream, tables=offsets.tables(stream))
    try:
        return advance(place, known, mark)
    except duckdb.Error:
        # The recount of everything says what it was: a damaged file is a violation, a busy catalog is an error.
        return None


def verify_store(
    store: Attached, streams: Sequence[str] | None = None, *, deep: bool = False
) -> tuple[Violation, ...]:
    """Recount invariants 1 to 4 from the tables' own rows, as of one snapshot.

    1. completeness: rows, dead letters and recorded gaps are every offset in [start, next);
    2. uniqueness: none of them twice, by (epoch, partition, offset);
    3. atomicity: offsets and running totals are what the ledger's entries lead to;
    4. monotony: each ledger entry begins where the one before ended.

    Where a stream keeps its bytes (`retainRaw`), they are those that the ledger's content hash was taken of.

    Args:
        store: An open store; reading is enough, and writers go on meanwhile.
        streams: Which streams; None means all.
        deep: Also read every page of every file and check its checksum.

    Returns:
        What does not hold, stream by stream; a file that is missing or damaged is named.

    Raises:
        StoreError: The catalog or the ledger itself cannot be read.
    """
    with _snapshot(store) as cursor:
        return tuple(_verify(cursor, store.domain, streams, deep=deep))


@contextmanager
def _snapshot(store: Attached) -> Iterator[duckdb.DuckDBPyConnection]:
    # A cursor sees the attached domains, and keeps its transaction to itself.
    cursor = store.connection.cursor()
    try:
        with translated(f"verify domain {store.domain}"):
            cursor.execute("BEGIN")
            yield cursor
    finally:
        cursor.close()


def _verify(
    con: duckdb.DuckDBPyConnection, domain: str, streams: Sequence[str] | None, *, deep: bool
) -> Iterator[Violation]:
    broken = damaged_files(con, domain, LEDGER, deep=deep)
    if broken:
        raise StoreError(
            cannot=f"verify domain {domain}",
            why=f"its ledger is damaged: {broken[0]}",
            do="restore the domain's folder from its last backup",
        )
    offsets = parse_row(domain, read_row(con, domain))
    entries = read_entries(con, domain, streams[0] if streams and len(streams) == 1 else None)
    shared = [s for t in (DEAD_LETTERS_TABLE, LOADS_TABLE) for s in damaged_files(con, domain, t, deep=deep)]
    for stream in sorted({e.stream for e in entries} | set(offsets.streams)):
        if streams is not None and stream not in streams:
            continue
        known = offsets.streams.get(stream)
        accounts = accounts_of(stream, known, [e for e in entries if e.stream == stream])
        for account in accounts:
            yield from check_claims(account)
        tables = offsets.tables(stream)
        damaged = [sentence for table in tables for sentence in damaged_files(con, domain, table, deep=deep)]
        unreadable = (*damaged, *shared)
        yield from (_unreadable(stream, known, sentence) for sentence in unreadable)
        if not unreadable:
            for violation in _check_rows(con, offsets, domain, stream, accounts):
                yield violation
                if violation.invariant == READABLE:
                    # The error has ended the transaction, and with it the snapshot.
                    return
            yield from check_loads(con, domain, accounts)


def _check_rows(
    con: duckdb.DuckDBPyConnection,
    offsets: StoreOffsets,
    domain: str,
    stream: str,
    accounts: Sequence[Account],
) -> Iterator[Violation]:
    known, tables = offsets.streams.get(stream), offsets.tables(stream)
    missing = [table for table in tables if stored_columns(con, domain, table) is None]
    if missing:
        if any(account.entries for account in accounts):
            yield _unreadable(stream, known, f"the table {domain}.{missing[0]} does not exist")
        return
    try:
        counts = recount(con, domain, stream, tables, accounts)
        yield from _strangers(stream, counts, accounts)
        sums = expected_sums(con, accounts)
        for account in accounts:
            expected = sums[account.epoch, account.partition]
            for invariant, offset, text in _faults(account, counts, expected):
                fault = first_fault(con, domain, tables, account) if offset is None else None
                yield account.violation(*(fault or (invariant, offset, text)))
        if keeps_bytes(con, domain, tables):
            yield from _altered(con, domain, tables, accounts)
    except duckdb.Error as error:
        # Where a page's header is no header, DuckDB has no class for the error.
        if not isinstance(error, _UNREADABLE) and type(error) is not duckdb.Error:
            raise
        yield _unreadable(stream, known, first_line(error))


def _altered(
    con: duckdb.DuckDBPyConnection, domain: str, tables: Sequence[str], accounts: Sequence[Account]
) -> Iterator[Violation]:
    for account in accounts:
        for entry in altered(con, domain, tables, account, account.entries):
            text = (
                f"keeps other bytes in [{entry.from_offset}, {entry.to_offset}) than those that were ingested"
            )
            yield account.violation(CONTENT, entry.from_offset, text)


def _strangers(stream: str, counts: Recount, accounts: Sequence[Account]) -> Iterator[Violation]:
    """Yield partitions that have rows, but no account."""
    for epoch, partition in counts.partitions.keys() - {(a.epoch, a.partition) for a in accounts}:
        yield Violation(
            invariant=COMPLETENESS,
            stream=stream,
            epoch=-1 if epoch is None else epoch,
            partition=partition,
            offset=None,
            message=f"{stream}[{partition}] of epoch {epoch} has rows or dead letters, but no account",
        )


def _faults(account: Account, counts: Recount, expected: int) -> Iterator[tuple[str, int | None, str]]:
    """Yield invariant, offset and predicate of what differs; without an offset it has to be searched for."""
    key = (account.epoch, account.partition)
    records, total = counts.partitions.get(key, (0, 0))
    # After a removal of single rows it is not known which offsets are left, only how many.
    if records != account.records or (account.tells_which and total != expected):
        text = f"holds {records} rows and dead letters where {account.records} are accounted for"
        yield COMPLETENESS, None, text
    elif key in counts.entries and account.tells_which:
        number, rows, dead = counts.entries[key]
        entry = account.entries[number]
        text = (
            f"holds {rows} rows and {dead} dead letters in [{entry.from_offset}, {entry.to_offset}), "
            f"where the ledger has {account.rows_left(entry)} and {entry.dead_letter_count}"
        )
        yield COMPLETENESS, entry.from_offset, text


def _unreadable(stream: str, known: StreamOffsets | None, sentence: str) -> Violation:
    return Violation(
        invariant=READABLE,
        stream=stream,
        epoch=-1 if known is None else known.epoch,
        partition=None,
        offset=None,
        message=sentence,
    )
