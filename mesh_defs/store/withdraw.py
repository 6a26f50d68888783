"""What leaves a table one by one, in the transaction whose ledger entry says so: letters taken back, rows too old."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from mesh_defs.model.corrections import PartitionExpiry, PartitionReversal
from mesh_defs.model.errors import FencedError
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER
from mesh_defs.store.schema import table_name

_TAKEN_BACK = "mesh_taken_back"


def take_back(con: duckdb.DuckDBPyConnection, domain: str, reversals: Sequence[PartitionReversal]) -> None:
    """Delete the dead letters that reversals name, inside the open transaction.

    That each of them was still there is the fence: whoever takes one back first has it. So is retention: below what
    it has cleared, a row that comes late would outlive all others, and no later round could account for it.

    Raises:
        FencedError: One of them is there no more, or retention has taken the rows around it away.
        duckdb.Error: The catalog refused.
    """
    if not reversals:
        return
    _stay_above_retention(con, domain, reversals)
    places = [(r.stream, r.epoch, r.partition, offset) for r in reversals for offset in r.offsets]
    streams, epochs, partitions, offsets = zip(*places, strict=True)
    columns = {
        "stream": pa.array(streams, pa.string()),
        "_epoch": pa.array(epochs, pa.int32()),
        "_partition": pa.array(partitions, pa.int32()),
        "_offset": pa.array(offsets, pa.int64()),
    }
    con.register(_TAKEN_BACK, pa.table(columns))
    try:
        found = con.execute(
            f"DELETE FROM {table_name(domain, DEAD_LETTERS_TABLE)} "
            f"WHERE (stream, _epoch, _partition, _offset) IN (FROM {_TAKEN_BACK})"
        ).fetchone()
    finally:
        con.unregister(_TAKEN_BACK)
    count = found[0] if found else 0
    if count != len(places):
        raise FencedError(
            cannot=f"take back {len(places)} dead letters of {domain}",
            why=f"only {count} of them are there: another writer was faster",
            do="run the same command again; nothing of this attempt was stored",
        )


def _stay_above_retention(
    con: duckdb.DuckDBPyConnection, domain: str, reversals: Sequence[PartitionReversal]
) -> None:
    for reversal in reversals:
        found = con.execute(
            f"SELECT max(to_offset) FROM {table_name(domain, LEDGER)} "
            "WHERE stream = ? AND epoch = ? AND partition = ? AND removed_count > 0",
            [reversal.stream, reversal.epoch, reversal.partition],
        ).fetchone()
        cleared = found[0] if found else None
        if cleared is not None and cleared > min(reversal.offsets):
            raise FencedError(
                cannot=f"take back dead letters of {domain}.{reversal.stream}[{reversal.partition}] "
                f"from offset {min(reversal.offsets)} on",
                why=f"retention has taken away the rows below {cleared} meanwhile",
                do="run the same command again; nothing of this attempt was stored",
            )


def take_away(con: duckdb.DuckDBPyConnection, domain: str, expiries: Sequence[PartitionExpiry]) -> None:
    """Delete the rows that are too old, inside the open transaction.

    Raises:
        FencedError: There are not as many as the entry is going to say.
        duckdb.Error: The catalog refused.
    """
    for expiry in expiries:
        count = 0
        for table in expiry.tables:
            found = con.execute(
                f"DELETE FROM {table_name(domain, table)} "
                "WHERE _epoch = ? AND _partition = ? AND _offset >= ? AND _offset < ?",
                [expiry.epoch, expiry.partition, expiry.from_offset, expiry.to_offset],
            ).fetchone()
            count += found[0] if found else 0
        if count != expiry.removed_count:
            raise FencedError(
                cannot=f"take away {expiry.removed_count} rows of {domain}.{expiry.stream}[{expiry.partition}] "
                f"below offset {expiry.to_offset}",
                why=f"{count} are there: another writer was faster, or the ledger does not hold",
                do=f"run the same command again; `mesh ledger verify {domain}.{expiry.stream}` says whether it holds",
            )
