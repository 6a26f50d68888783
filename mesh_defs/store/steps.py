"""One step of maintenance: a transaction in the writer's lane whose new files survive a power failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import duckdb

from mesh_defs.store.engine import Attached, metadata
from mesh_defs.store.errors import translated
from mesh_defs.store.lane import Lane
from mesh_defs.store.staging import sync

_KEPT = ".kept"
_WRITTEN_BY_DUCKLAKE = "ducklake-*.parquet"


class Housekeeping(Lane, Protocol):
    """What maintenance needs of a domain's store."""

    @property
    def data_folder(self) -> Path:
        """The lake's data path."""

    def tables(self) -> tuple[str, ...]:
        """Return the names of all tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceStep:
    """What one transaction of maintenance did.

    Attributes:
        name: `retention`, `flush`, `rewrite`, `merge`, `expire`, `clean up` or `sweep`.
        table: None where the step concerns the whole store.
        count: Rows flushed, files merged or deleted, snapshots expired.
        unit: What `count` counts.
        size_bytes: Bytes written or freed; 0 where no file is concerned.
    """

    name: str
    table: str | None
    count: int
    unit: str
    size_bytes: int = 0

    @property
    def summary(self) -> str:
        """The step in one line."""
        table = f" of {self.table}" if self.table else ""
        size = f", {self.size_bytes:,} bytes" if self.size_bytes else ""
        return f"{self.count:,} {self.unit}{table}{size}"


@contextmanager
def transaction(store: Lane, purpose: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Run a block in the lane and in a transaction of its own.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused; the transaction was rolled back.
    """
    with translated(purpose), store.lock(purpose):
        con = store.connection
        con.execute("BEGIN")
        try:
            yield con
            con.execute("COMMIT")
        except BaseException:
            with suppress(duckdb.Error):
                con.execute("ROLLBACK")
            raise


def call_writing(store: Housekeeping, table: str, purpose: str, call: str) -> tuple[tuple[int, ...], int]:
    """Run a CALL that makes DuckLake write files of a table; return its numbers summed, and the bytes written.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    with (
        kept_files(store, store.data_folder, [table]) as keep,
        transaction(store, purpose) as con,
    ):
        rows = con.execute(call).fetchall()
        size = keep()
    numbers = tuple(sum(row[i] for row in rows) for i in range(2, len(rows[0]))) if rows else ()
    return numbers, size


@contextmanager
def kept_files(store: Attached, data_folder: Path, tables: Collection[str]) -> Iterator[Callable[[], int]]:
    """Guard the files that DuckLake itself writes of some tables until the outcome of a transaction is known.

    DuckLake does not fsync, and deletes its new files when COMMIT reports an error although it may have landed. So
    they are fsynced first, and kept under a second name.

    Yields:
        To be called just before COMMIT; returns the bytes of the files that are new since the last call.

    Raises:
        StoreError: The catalog cannot be read afterwards.
    """
    folders = [data_folder / "main" / table for table in tables]
    before = {path for folder in folders for path in folder.glob(_WRITTEN_BY_DUCKLAKE)}
    kept: dict[Path, Path] = {}

    def keep() -> int:
        size = 0
        for folder in folders:
            fresh = set(folder.glob(_WRITTEN_BY_DUCKLAKE)) - before - kept.keys()
            for path in fresh:
                sync(path)
                kept[path] = path.with_name(path.name + _KEPT)
                os.link(path, kept[path])
                size += path.stat().st_size
            if fresh:
                sync(folder)
        return size

    try:
        yield keep
    finally:
        _settle(store, kept)


def _settle(store: Attached, kept: dict[Path, Path]) -> None:
    """Drop the second names; give a file back that DuckLake deleted although the catalog names it."""
    lost = [path for path in kept if not path.exists()]
    named: set[str] = set()
    if lost:
        with translated(f"tell whether {lost[0].name} was registered"):
            rows = store.connection.execute(
                f"SELECT path FROM {metadata(store.domain)}.ducklake_data_file "
                f"UNION ALL SELECT path FROM {metadata(store.domain)}.ducklake_delete_file"
            ).fetchall()
            named = {Path(row[0]).name for row in rows}
    for path, second in kept.items():
        if path in lost and path.name in named:
            second.rename(path)
        else:
            with suppress(OSError):  # an orphan then, which the sweep takes; the outcome is known
                second.unlink(missing_ok=True)
