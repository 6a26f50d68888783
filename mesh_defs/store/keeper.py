"""Keeps catalogs open, in a process that does nothing else: no transaction of another process is the last to close one.

DuckDB opens a catalog anew for each transaction and closes it behind it. Whoever is SQLite's last connection writes the
log back and deletes it under an exclusive lock, and DuckDB's SQLite is built without `usleep`: whoever meets a lock
waits a whole second for it (docs/decisions/0021-the-keeper-of-catalogs.md). One idle connection ends all of that.

This is the one place where Python's `sqlite3` opens a catalog. It must be a process in which DuckDB has none open: two
SQLite libraries of one process let go of each other's locks.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesh_defs.store.engine import CATALOG_FILE

_BUSY_SECONDS: Final = 0.1

_PENDING_BYTE: Final = 0x40000000
"""SQLite's own (https://sqlite.org/lockingv3.html): a connection that closes tries for it on its way to the exclusive
lock, and whoever opens at that instant has to wait. In WAL mode nobody needs it; held for reading, nobody gets it."""


@dataclass(slots=True, kw_only=True)
class _Kept:
    """An open catalog: which file it is, the connection, and the descriptor that holds the pending byte."""

    identity: tuple[int, int]
    con: sqlite3.Connection
    descriptor: int | None = None


class CatalogKeeper:
    """Holds one idle connection to each catalog, for reading only: it can neither write back nor delete a log."""

    def __init__(self) -> None:
        self._open: dict[Path, _Kept] = {}

    def keep(self, folders: Iterable[Path]) -> None:
        """Hold the catalogs of these stores and no other; one that was replaced is opened anew.

        A catalog that cannot be read is left alone until the next call: its writer says what is wrong with it.

        Args:
            folders: The domains' data folders; those without a store are left out.
        """
        catalogs = [folder / CATALOG_FILE for folder in folders]
        found = {path: identity for path in catalogs if (identity := _identity(path)) is not None}
        for path, kept in tuple(self._open.items()):
            if found.get(path) != kept.identity:
                self._let_go(path)
        for path, identity in found.items():
            try:
                self._look(path, identity)
            except (sqlite3.Error, OSError):
                self._let_go(path)

    def close(self) -> None:
        """Let go of all."""
        for path in tuple(self._open):
            self._let_go(path)

    def _look(self, path: Path, identity: tuple[int, int]) -> None:
        if path not in self._open:
            self._open[path] = _Kept(identity=identity, con=_connect(path))
        kept = self._open[path]
        # A read takes the log up; a new store has none until its writer opens it for the second time.
        (mode,) = kept.con.execute("PRAGMA journal_mode").fetchone()
        kept.con.execute("PRAGMA schema_version").fetchall()
        if mode == "wal" and kept.descriptor is None:
            kept.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.lockf(kept.descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, _PENDING_BYTE)

    def _let_go(self, path: Path) -> None:
        kept = self._open.pop(path, None)
        if kept is None:
            return
        # Closing the descriptor drops every lock that this process has on the file: the connection goes with it.
        if kept.descriptor is not None:
            os.close(kept.descriptor)
        with suppress(sqlite3.Error):
            kept.con.close()


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS, isolation_level=None
    )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
