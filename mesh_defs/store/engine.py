"""DuckDB as every part of the mesh uses it: signed extensions from wheels, nothing fetched, UTC.

The DuckDB of this process is the only SQLite library that may touch a catalog: Python's own `sqlite3` on the
same file in the same process tears it without an error (see `keeper` for the process that may).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import duckdb

from mesh_defs.model.errors import StoreError
from mesh_defs.store.errors import translated

EXTENSIONS = ("ducklake", "sqlite_scanner")

# Parallel scans of SQLite open connections of their own, outside the transaction: a reader whose transaction spans
# a merge or a flush would see neither the old files nor the new one, and count no rows.
SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET GLOBAL sqlite_disable_multithreaded_scans = true",
    # DuckDB keeps what it read of files, also of those that a merge has replaced, until four fifths of the machine's
    # memory are full: a process that lives long would grow to that. The system's own cache serves as well.
    "SET GLOBAL enable_external_file_cache = false",
)
"""What every connection is told once the extensions are loaded."""

CATALOG_FILE = "catalog.sqlite"
FILES_FOLDER = "files"
LOCK_FILE = "writer.lock"

_IDLE_ENGINES = 2
_BUSY_TIMEOUT_MS = 10_000
_WAL = "META_JOURNAL_MODE 'WAL'"


class Attached(Protocol):
    """A domain's store, attached to a connection for reading or for writing."""

    @property
    def domain(self) -> str:
        """The domain's name, under which its lake is attached."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection."""


def quote(name: str) -> str:
    """Return `name` as an SQL identifier, safe whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return `text` as an SQL string literal, for the statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def metadata(domain: str) -> str:
    """Return the quoted database under which DuckLake shows an attached catalog's own tables."""
    return quote(f"__ducklake_metadata_{domain}")


def connect_engine(
    *, memory_limit: str | None = None, threads: int | None = None, temp_directory: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB connection with the lake's extensions loaded.

    Args:
        memory_limit: As DuckDB writes it, ``"1GB"``; its own default (80 % of the machine) where None.
        threads: DuckDB's worker threads; one a core where None.
        temp_directory: Where larger-than-memory work spills; `.tmp` in the working directory where None.

    Raises:
        StoreError: An extension is not installed, or not for this platform.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_unsigned_extensions": "false",
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = str(threads)
    if temp_directory is not None:
        config["temp_directory"] = str(temp_directory)
    con = duckdb.connect(":memory:", config=config)
    for name in EXTENSIONS:
        _load(con, name)
    for statement in SETTINGS:
        con.execute(statement)
    return con


def first_row(
    con: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[object] = ()
) -> tuple[Any, ...] | None:
    """Return a statement's first row, None where there is none, and end its transaction.

    `fetchone` leaves the result open, and with it a read of SQLite's that keeps the catalog's log from being written
    back for as long as the connection is idle.

    Raises:
        duckdb.Error: The statement failed.
    """
    rows = con.execute(sql, list(parameters)).fetchall()
    return rows[0] if rows else None


def attach_domain(
    con: duckdb.DuckDBPyConnection,
    domain: str,
    folder: Path,
    read_only: bool = True,  # noqa: FBT001, FBT002
) -> None:
    """Attach the store of `domain` under the domain's name, so that `domain.table` resolves.

    Readers attach while a writer runs; they see the last commit at the start of each of their transactions.
    The data path is given at each attachment, so a moved folder works.

    Raises:
        StoreError: The store does not exist yet, or cannot be read.
    """
    catalog = folder / CATALOG_FILE
    if not catalog.is_file() and has_files(folder):
        raise StoreError(
            cannot=f"open the store of domain {domain}",
            why=f"its catalog {catalog} is gone, and files of its tables are there",
            do="restore the folder from its last backup, or move it away to ingest everything anew",
        )
    if not catalog.is_file():
        raise StoreError(
            cannot=f"read domain {domain}",
            why=f"it has no store yet ({catalog} does not exist)",
            do=f"run `mesh ingest {domain}` once",
        )
    with translated(f"attach the store of domain {domain} in {folder}"):
        con.execute(attach_statement(domain, folder, read_only=read_only))


def has_files(folder: Path) -> bool:
    """Say whether a domain's folder holds files of tables."""
    return any((folder / FILES_FOLDER / "main").glob("*/*.parquet"))


def attach_statement(domain: str, folder: Path, *, read_only: bool) -> str:
    """Return the ATTACH statement of the store of `domain`, which must be there."""
    return (
        f"ATTACH {_source(folder / CATALOG_FILE)} AS {quote(domain)} ({_data_path(folder)}, OVERRIDE_DATA_PATH true, "
        f"CREATE_IF_NOT_EXISTS false, META_BUSY_TIMEOUT {_BUSY_TIMEOUT_MS}, "
        f"{'READ_ONLY' if read_only else _WAL})"
    )


def draft_statement(domain: str, folder: Path, draft: Path) -> str:
    """Return the ATTACH statement that begins a new catalog in `draft`.

    It keeps SQLite's rollback journal, which leaves one whole file behind; WAL comes with the first attachment.
    """
    return f"ATTACH {_source(draft)} AS {quote(domain)} ({_data_path(folder)}, CREATE_IF_NOT_EXISTS true)"


def _source(catalog: Path) -> str:
    return literal(f"ducklake:sqlite:{catalog.absolute()}")


def _data_path(folder: Path) -> str:
    return f"DATA_PATH {literal(str(folder.absolute() / FILES_FOLDER) + '/')}"


class EnginePool:
    """Idle engines of this process: loading the extensions takes half a CPU second, most of it their signatures.

    An engine goes back only with nothing attached. A forked child begins with none, since DuckDB's threads stay
    behind in the parent.
    """

    def __init__(self) -> None:
        self._idle: list[duckdb.DuckDBPyConnection] = []
        self._guard = threading.Lock()
        os.register_at_fork(after_in_child=self._begin_anew)

    def take(self) -> duckdb.DuckDBPyConnection:
        """Return an idle engine, or a new one.

        Raises:
            StoreError: An extension is not installed, or not for this platform.
        """
        with self._guard:
            if self._idle:
                return self._idle.pop()
        return connect_engine()

    def give_back(self, con: duckdb.DuckDBPyConnection, domain: str) -> None:
        """Take back an engine after detaching `domain`; close it where that fails or enough are idle."""
        try:
            with suppress(duckdb.TransactionException):
                con.execute("ROLLBACK")
            con.execute(f"DETACH DATABASE IF EXISTS {quote(domain)}")
        except duckdb.Error:
            con.close()
            return
        with self._guard:
            if len(self._idle) < _IDLE_ENGINES:
                self._idle.append(con)
                return
        con.close()

    def _begin_anew(self) -> None:
        _abandoned.extend(self._idle)
        self._idle = []
        self._guard = threading.Lock()


_abandoned: list[duckdb.DuckDBPyConnection] = []
"""Engines of the parent, in a forked child: destroying one would wait for threads that are not there."""

ENGINES = EnginePool()


def _load(con: duckdb.DuckDBPyConnection, name: str) -> None:
    try:
        con.execute(load_statement(name))
    except duckdb.Error as error:
        pin = f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
        raise StoreError(
            cannot=f"load DuckDB's extension {name}",
            why=f"the wheel {pin} is not installed or not for this platform ({_platform()})",
            do=f"install {pin}; where no wheel exists for the platform, run DuckDB's own signed installation "
            f"once: python -c \"import duckdb; duckdb.sql('INSTALL {name}')\"",
        ) from error


def load_statement(name: str) -> str:
    """Return the LOAD statement of an extension: from its wheel, or as DuckDB itself installed it."""
    path = extension_path(name)
    return f"LOAD {literal(str(path))}" if path else f"LOAD {name}"


def extension_path(name: str) -> Path | None:
    """Return the extension's file inside its wheel, or None where the wheel is not installed."""
    spec = importlib.util.find_spec(f"duckdb_extension_{name}")
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}"
    path = folder / f"{name}.duckdb_extension"
    return path if path.is_file() else None


def _platform() -> str:
    return f"{platform.system()} {platform.machine()}"
