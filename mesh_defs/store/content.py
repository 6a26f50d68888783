"""Whether the bytes that a stream keeps are those that came: the ledger's content hash, from the store alone."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

import duckdb
import numpy as np

from mesh_defs.decode import content_hash
from mesh_defs.model.records import RawBatch
from mesh_defs.store.account import Account
from mesh_defs.store.engine import literal
from mesh_defs.store.layout import DEAD_LETTERS_TABLE
from mesh_defs.store.ledger import LedgerEntry, runs
from mesh_defs.store.offsets import HASH_MODULUS
from mesh_defs.store.schema import stored_columns, table_name

_BATCH_ROWS = 10_000

_Columns = tuple[list[int], list[bytes | None], list[bytes | None], list[bool]]


def keeps_bytes(con: duckdb.DuckDBPyConnection, domain: str, tables: Sequence[str]) -> bool:
    """Say whether the tables of a stream have the column of the value's bytes.

    Raises:
        duckdb.Error: The catalog cannot be read.
    """
    return all("_raw" in (stored_columns(con, domain, table) or {}) for table in tables)


def altered(
    con: duckdb.DuckDBPyConnection,
    domain: str,
    tables: Sequence[str],
    account: Account,
    entries: Sequence[LedgerEntry],
) -> Iterator[LedgerEntry]:
    """Yield the entries whose records have other bytes, key or value, than those that were ingested.

    An entry with rows from before the contract said `retainRaw` cannot be compared, nor can one whose rows are gone.

    Args:
        con: A connection with the domain attached.
        domain: Its name.
        tables: That hold the stream's rows; `keeps_bytes` holds of them.
        account: Of the partition.
        entries: Some of its entries, by offset.

    Raises:
        duckdb.Error: A table cannot be read.
    """
    if not account.tells_which:
        return
    own = [e for e in entries if e.from_offset < e.to_offset and account.rows_left(e) == e.row_count]
    for run in runs(own):
        yield from _altered(_records(con, domain, tables, account, run), account, run)


def _altered(
    batches: Iterator[_Columns], account: Account, run: Sequence[LedgerEntry]
) -> Iterator[LedgerEntry]:
    """Yield the entries of a run whose hashes are not those of the batches, which cover it."""
    ends = [e.to_offset for e in run]
    hashes, unknown = [0] * len(run), set[int]()
    for offsets, keys, values, known in batches:
        first = 0
        while first < len(offsets):
            number = bisect_right(ends, offsets[first])
            end = bisect_left(offsets, ends[number], first)
            part = _batch(account, offsets[first:end], keys[first:end], values[first:end])
            hashes[number] = (hashes[number] + content_hash(part)) % HASH_MODULUS
            if not all(known[first:end]):
                unknown.add(number)
            first = end
    for number, entry in enumerate(run):
        if number not in unknown and hashes[number] != entry.content_hash:
            yield entry


def _batch(
    account: Account, offsets: list[int], keys: list[bytes | None], values: list[bytes | None]
) -> RawBatch:
    return RawBatch(
        topic=account.stream,
        partition=account.partition,
        offsets=offsets,
        timestamps=np.full(len(offsets), -1),
        keys=keys,
        values=values,
        headers=[None] * len(offsets),
    )


def _records(
    con: duckdb.DuckDBPyConnection,
    domain: str,
    tables: Sequence[str],
    account: Account,
    run: Sequence[LedgerEntry],
) -> Iterator[_Columns]:
    """Yield offset, key, value, and whether the value is kept, of the run's records; each batch in their order."""
    where = (
        f"_epoch = {account.epoch} AND _partition = {account.partition} "
        f"AND _offset >= {run[0].from_offset} AND _offset < {run[-1].to_offset}"
    )
    parts = [
        f"SELECT _offset o, _key k, _raw v, _raw IS NOT NULL OR coalesce(_tombstone, false) known "
        f"FROM {table_name(domain, table)} WHERE {where}"
        for table in tables
    ]
    letters = (
        f"SELECT _offset, _key, _value, true FROM {table_name(domain, DEAD_LETTERS_TABLE)} "
        f"WHERE stream = {literal(account.stream)} AND {where}"
    )
    reader = con.execute(" UNION ALL ".join([*parts, letters])).to_arrow_reader(_BATCH_ROWS)
    for batch in reader:
        columns: Any = (column.to_pylist() for column in batch.sort_by("o").columns)
        yield tuple(columns)
