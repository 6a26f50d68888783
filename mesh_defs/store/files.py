"""The Parquet files behind the tables: whether they are there, whole, and unchanged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFile:
    """A file that the newest snapshot reads, with the size that the catalog knows."""

    path: Path
    size_bytes: int


def live_files(con: duckdb.DuckDBPyConnection, domain: str, table: str) -> tuple[LiveFile, ...]:
    """Return the data and delete files of a table as of the connection's snapshot; none for a missing table.

    Raises:
        duckdb.Error: The catalog cannot be read.
    """
    try:
        rows = con.execute(
            "SELECT data_file, data_file_size_bytes, delete_file, delete_file_size_bytes "
            "FROM ducklake_list_files(?, ?)",
            [domain, table],
        ).fetchall()
    except duckdb.CatalogException:
        return ()
    files = [LiveFile(path=Path(row[0]), size_bytes=row[1]) for row in rows if row[0]]
    return (*files, *(LiveFile(path=Path(row[2]), size_bytes=row[3]) for row in rows if row[2]))


def damaged_files(con: duckdb.DuckDBPyConnection, domain: str, table: str, *, deep: bool) -> tuple[str, ...]:
    """Return a sentence for each file that is missing or of another size; `deep` reads every page's checksum.

    Files that a merge wrote carry no page checksums: there, `deep` finds only what breaks the format.

    Raises:
        duckdb.Error: The catalog cannot be read.
    """
    sentences = (damage_of(file, deep=deep) for file in live_files(con, domain, table))
    return tuple(sentence for sentence in sentences if sentence)


def damage_of(file: LiveFile, *, deep: bool) -> str:
    """Return a sentence where a file is missing or damaged, as `damaged_files` does; empty where it is sound."""
    try:
        size = file.path.stat().st_size
    except OSError as error:
        return f"{file.path} cannot be read ({error.strerror})"
    if size != file.size_bytes:
        return f"{file.path} has {size} bytes where the catalog knows {file.size_bytes}"
    if not deep:
        return ""
    try:
        with pq.ParquetFile(file.path, page_checksum_verification=True) as parquet:
            for _ in parquet.iter_batches(_BATCH_ROWS):
                pass
    except (OSError, pa.ArrowException) as error:
        return f"{file.path} is damaged inside ({type(error).__name__})"
    return ""
