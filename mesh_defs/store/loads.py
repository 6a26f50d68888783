"""The loads of data at rest: which files each one took in, and whether that agrees with the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb

from mesh_defs.model.micros import from_micros
from mesh_defs.store.account import ATOMICITY, Account, Violation
from mesh_defs.store.engine import Attached, first_row
from mesh_defs.store.errors import translated
from mesh_defs.store.layout import LOADS_TABLE
from mesh_defs.store.schema import stored_columns, table_name


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFile:
    """A file as a load took it in.

    Attributes:
        load: The load's number, from 1.
        mode: `snapshot` or `append`.
        path: As the contract names it: relative to the project's root, or absolute.
        modified_at: When the file was last changed.
        sha256: Of the file's bytes, hexadecimal.
        from_offset: Of the file's first row or dead letter.
        skipped_count: Records that were none of the load's: not above the cursor, or dead letters of an earlier one.
        contract_hash: Of what the contract says of columns and files.
        ingested_at: When the load began.
    """

    load: int
    mode: str
    path: str
    size_bytes: int
    modified_at: dt.datetime
    sha256: str
    from_offset: int
    to_offset: int
    row_count: int
    dead_letter_count: int
    skipped_count: int
    contract_version: str
    contract_hash: str
    ingested_at: dt.datetime

    def row(self, stream: str) -> dict[str, object]:
        """Return the file as a row of the table `loads`."""
        names = self.__slots__
        return {"stream": stream} | {
            "_ingested_at" if name == "ingested_at" else name: getattr(self, name) for name in names
        }


def read_loads(store: Attached, stream: str) -> tuple[LoadedFile, ...]:
    """Return the files that the loads of a stream took in, in their order; none before its first load.

    Raises:
        StoreError: The catalog or a file of the table cannot be read.
    """
    with translated(f"read the loads of {store.domain}.{stream}"):
        if stored_columns(store.connection, store.domain, LOADS_TABLE) is None:
            return ()
        rows = store.connection.execute(
            "SELECT load, mode, path, size_bytes, epoch_us(modified_at), sha256, from_offset, to_offset, row_count, "
            "dead_letter_count, skipped_count, contract_version, contract_hash, epoch_us(_ingested_at) "
            f"FROM {table_name(store.domain, LOADS_TABLE)} WHERE stream = ? ORDER BY load, from_offset, path",
            [stream],
        ).fetchall()
    return tuple(
        LoadedFile(
            load=row[0],
            mode=row[1],
            path=row[2],
            size_bytes=row[3],
            modified_at=from_micros(row[4]),
            sha256=row[5],
            from_offset=row[6],
            to_offset=row[7],
            row_count=row[8],
            dead_letter_count=row[9],
            skipped_count=row[10],
            contract_version=row[11],
            contract_hash=row[12],
            ingested_at=from_micros(row[13]),
        )
        for row in rows
    )


def has_loads(con: duckdb.DuckDBPyConnection, domain: str, stream: str) -> bool:
    """Say whether a stream is data at rest that was loaded.

    Raises:
        duckdb.Error: The table cannot be read.
    """
    if stored_columns(con, domain, LOADS_TABLE) is None:
        return False
    sql = f"SELECT 1 FROM {table_name(domain, LOADS_TABLE)} WHERE stream = ? LIMIT 1"
    return first_row(con, sql, [stream]) is not None


def check_loads(
    con: duckdb.DuckDBPyConnection, domain: str, accounts: Sequence[Account]
) -> Iterator[Violation]:
    """Yield the ledger entries that are not the sum of their load's files.

    Raises:
        duckdb.Error: The table cannot be read.
    """
    if not accounts or stored_columns(con, domain, LOADS_TABLE) is None:
        return
    found = con.execute(
        "SELECT min(from_offset), max(to_offset), sum(row_count), sum(dead_letter_count) "
        f"FROM {table_name(domain, LOADS_TABLE)} WHERE stream = ? GROUP BY load ORDER BY load",
        [accounts[0].stream],
    ).fetchall()
    if not found:
        return
    told = {(int(row[0]), int(row[1]), int(row[2]), int(row[3])) for row in found}
    for account in accounts:
        for entry in account.entries:
            if (entry.from_offset, entry.to_offset, entry.row_count, entry.dead_letter_count) not in told:
                text = (
                    f"has the ledger entry [{entry.from_offset}, {entry.to_offset}), "
                    "which is not the sum of a load's files"
                )
                yield account.violation(ATOMICITY, entry.from_offset, text)
    entries = sum(len(account.entries) for account in accounts)
    if entries != len(found):
        text = f"has {entries} ledger entries and {len(found)} loads"
        yield accounts[0].violation(ATOMICITY, None, text)
