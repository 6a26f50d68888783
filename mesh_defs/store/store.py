"""The store of one domain: a DuckLake that is written only through this class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from mesh_defs.contract.arrow import DEAD_LETTERS
from mesh_defs.model.records import Commit, Committed, OnStep, StagedFile, no_step
from mesh_defs.store.commit import commit_batch
from mesh_defs.store.engine import (
    CATALOG_FILE,
    ENGINES,
    FILES_FOLDER,
    LOCK_FILE,
    attach_domain,
    connect_engine,
    draft_statement,
    first_row,
    has_files,
    quote,
)
from mesh_defs.store.errors import translated
from mesh_defs.store.lane import current_snapshot
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, lay_out, parse_row, read_row
from mesh_defs.store.lock import WriterLock
from mesh_defs.store.newest import NEWEST_FILE, read_newest, restored_sentence
from mesh_defs.store.offsets import StoreOffsets
from mesh_defs.store.refresh import replace_rows
from mesh_defs.store.schema import alter_statements, create_statement, stored_columns, table_name
from mesh_defs.store.staging import StagedWriter, sync

DEFAULT_LOCK_TIMEOUT_S = 60.0


class DomainStore:
    """A domain's tables, ledger and offsets.

    Open it with `DomainStore.open` as a context manager. One thread uses it at a time; `stage` writers are
    independent of the connection and may be used from another thread each.

    Attributes:
        folder: The domain's data folder.
        domain: The name under which the lake is attached.
        restored: A sentence where the catalog was found to be an older one than was here before, else None.
    """

    def __init__(
        self,
        folder: Path,
        domain: str,
        *,
        read_only: bool,
        lock_timeout: float,
    ) -> None:
        self.folder = folder.absolute()
        self.domain = domain
        self.read_only = read_only
        self.restored: str | None = None
        self._lock_timeout = lock_timeout
        self._con = ENGINES.take()
        self._closed = False

    @classmethod
    def open(
        cls,
        folder: Path,
        domain: str,
        *,
        read_only: bool = False,
        lock_timeout: float = DEFAULT_LOCK_TIMEOUT_S,
    ) -> Self:
        """Open the store, creating or completing it unless `read_only`.

        Args:
            folder: The domain's data folder, `data/<domain>`.
            domain: The domain's name.
            read_only: Attach for reading; works while a writer runs.
            lock_timeout: Seconds to wait for the writer's lane, here and in every commit.

        Raises:
            StoreError: There is no store to read, or the catalog or the disk refused.
            LayoutError: Another version of the mesh laid the store out.
            StoreLockedError: The lane was not to be had for creating the store.
        """
        store = cls(folder, domain, read_only=read_only, lock_timeout=lock_timeout)
        try:
            store._begin()
        except BaseException:
            store.close()
            raise
        return store

    @staticmethod
    def exists(folder: Path) -> bool:
        """Say whether the folder holds a store; one that is being created does not count.

        One that has lost its catalog does: it is an error to read it, and never created anew over its files.
        """
        return (folder / CATALOG_FILE).is_file() or has_files(folder)

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB connection, for queries; every write goes through the methods."""
        return self._con

    @property
    def data_folder(self) -> Path:
        """The lake's data path."""
        return self.folder / FILES_FOLDER

    def lock(self, purpose: str) -> WriterLock:
        """Return the writer's lane, not yet held."""
        return WriterLock(self.folder / LOCK_FILE, purpose=purpose, timeout=self._lock_timeout)

    def offsets(self) -> StoreOffsets:
        """Return how far every stream is, as of the newest snapshot.

        Raises:
            StoreError: The catalog cannot be read.
        """
        with translated(f"read the offsets of domain {self.domain}"):
            return parse_row(self.domain, read_row(self._con, self.domain))

    def snapshot(self) -> int:
        """Return the newest snapshot's number.

        Raises:
            StoreError: The catalog cannot be read.
        """
        with translated(f"read the snapshots of domain {self.domain}"):
            return current_snapshot(self._con, self.domain)

    def tables(self) -> tuple[str, ...]:
        """Return the names of all tables, the platform's own among them, in order.

        Raises:
            StoreError: The catalog cannot be read.
        """
        with translated(f"list the tables of domain {self.domain}"):
            rows = self._con.execute(
                "SELECT table_name FROM duckdb_tables() WHERE database_name = ? ORDER BY 1", [self.domain]
            ).fetchall()
        return tuple(row[0] for row in rows)

    def row_count(self, table: str) -> int:
        """Return how many rows a table holds, tombstones among them.

        Raises:
            StoreError: There is no such table, or the catalog cannot be read.
        """
        with translated(f"count the rows of {self.domain}.{table}"):
            row = first_row(self._con, f"SELECT count(*) FROM {table_name(self.domain, table)}")
        return int(row[0]) if row else 0

    def ensure_table(self, name: str, schema: pa.Schema) -> None:
        """Bring a table to a schema: create it, add new columns, or do nothing at all.

        Columns are matched by name, whatever their position; new fields inside objects are columns too.

        Raises:
            SchemaConflictError: A column was removed or retyped; every mismatch stands in the message.
            StoreLockedError: The lane was not to be had.
            StoreError: The catalog or the disk refused.
        """
        purpose = f"bring the table {self.domain}.{name} to its contract"
        with translated(purpose):
            if not self._table_statements(name, schema):
                return
            with self.lock(purpose):
                # Read again: whoever held the lane may have done the same.
                statements = self._table_statements(name, schema)
                self._con.execute("BEGIN")
                try:
                    for statement in statements:
                        self._con.execute(statement)
                    self._con.execute("COMMIT")
                except BaseException:
                    self._con.rollback()
                    raise

    def stage(self, table: str, schema: pa.Schema, *, sharing: int = 1) -> StagedWriter:
        """Return a writer of one Parquet file in the table's folder, not yet visible to anybody.

        Args:
            table: Its name.
            schema: Of the rows.
            sharing: How many writers share the memory of one.
        """
        return StagedWriter(table, self.data_folder / "main" / table, schema, sharing=sharing)

    def commit(self, commit: Commit, *, on_step: OnStep = no_step) -> Committed:
        """Make a batch visible; `commit.commit_batch` has the numbered order.

        Raises:
            FencedError: Another writer moved a partition of this commit; nothing of it was stored.
            StoreLockedError: The lane was not to be had.
            StoreError: The commit does not add up, or the catalog or the disk refused.
        """
        return commit_batch(self, self.data_folder, commit, on_step)

    def replace_table(
        self,
        table: str,
        files: Sequence[StagedFile],
        message: str,
        *,
        author: str = "mesh",
        info: Mapping[str, Any] | None = None,
        on_step: OnStep = no_step,
    ) -> Committed:
        """Replace all rows of a product's table in one commit; read `info` back as `offsets().refreshed`.

        Args:
            table: The product's table; `ensure_table` made it.
            files: Staged files of that table; none empties it.
            message: For people, beside the snapshot.
            author: Who writes, beside the snapshot.
            info: JSON values without payload: the snapshots of the inputs among them.
            on_step: Hears each numbered step just before.

        Raises:
            StoreLockedError: The lane was not to be had.
            StoreError: A file is of another table, or the catalog or the disk refused.
        """
        return replace_rows(
            self, self.data_folder, table, files, message, author=author, info=info or {}, on_step=on_step
        )

    def reconnect(self) -> None:
        """Replace the connection by a new one, after an error that broke it.

        Raises:
            StoreError: The store cannot be attached now; the old connection stays.
        """
        fresh = connect_engine()
        attach_domain(fresh, self.domain, self.folder, read_only=self.read_only)
        self._con.close()
        self._con = fresh

    def close(self) -> None:
        """Let go of the store; harmless twice. The engine stays for the next one that this process opens."""
        if not self._closed:
            self._closed = True
            ENGINES.give_back(self._con, self.domain)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        if not self.read_only and not self.exists(self.folder):
            self._create()
        # Before the catalog is looked at: commits may be under way.
        newest = read_newest(self.folder)
        attach_domain(self._con, self.domain, self.folder, read_only=self.read_only)
        self.offsets()
        if newest:
            with translated(f"open the store of domain {self.domain}"):
                snapshot = current_snapshot(self._con, self.domain)
            self.restored = (
                restored_sentence(self.domain, self.folder, snapshot, newest) if snapshot < newest else None
            )
        if self.read_only:
            return
        # A store of an earlier mesh lacks the columns that have come since.
        self.ensure_table(DEAD_LETTERS_TABLE, DEAD_LETTERS)

    def _create(self) -> None:
        purpose = f"create the store of domain {self.domain}"
        draft = self.folder / f"{CATALOG_FILE}.draft"
        with translated(purpose), self.lock(purpose):
            if (self.folder / CATALOG_FILE).is_file():
                return
            for leftover in self.folder.glob(f"{draft.name}*"):
                leftover.unlink()
            self.data_folder.mkdir(parents=True, exist_ok=True)
            self._con.execute(draft_statement(self.domain, self.folder, draft))
            lay_out(self._con, self.domain)
            self._con.execute(f"DETACH {quote(self.domain)}")
            sync(draft)
            (self.folder / NEWEST_FILE).unlink(missing_ok=True)
            draft.rename(self.folder / CATALOG_FILE)
            sync(self.folder)

    def _table_statements(self, name: str, schema: pa.Schema) -> tuple[str, ...]:
        stored = stored_columns(self._con, self.domain, name)
        if stored is None:
            return (create_statement(self.domain, name, schema),)
        return alter_statements(self.domain, name, stored, schema)
