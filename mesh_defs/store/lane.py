"""The writer's lane: one transaction at a time on a domain's catalog, its outcome never guessed."""

from __future__ import annotations

import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import duckdb

from mesh_defs.model.errors import StoreError
from mesh_defs.model.records import Committed, OnStep
from mesh_defs.store.engine import Attached, first_row
from mesh_defs.store.errors import first_line, is_retryable, store_error
from mesh_defs.store.layout import OFFSETS, parse_row, read_row
from mesh_defs.store.lock import WriterLock
from mesh_defs.store.newest import note_newest
from mesh_defs.store.offsets import StoreOffsets
from mesh_defs.store.offsets_text import offsets_to_json
from mesh_defs.store.schema import table_name

ATTEMPTS = 8
_FIRST_PAUSE_S = 0.05


class Lane(Attached, Protocol):
    """What a transaction needs of a domain's store, attached for writing."""

    @property
    def folder(self) -> Path:
        """The domain's data folder."""

    def reconnect(self) -> None:
        """Replace the connection by a new one."""

    def lock(self, purpose: str) -> WriterLock:
        """Return the writer's lane, not yet held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What one transaction does between the comparison and its COMMIT.

    Attributes:
        purpose: For messages, beginning with the verb.
        author: For the snapshot: who writes.
        message: For the snapshot: what is written.
        compare: From the stored offsets to the new ones; raises FencedError. It touches nothing.
        register: Registers the files.
        record: Inserts the ledger entries.
        info: For the snapshot: JSON values, without payload.
    """

    purpose: str
    author: str
    message: str
    compare: Callable[[StoreOffsets, str, dt.datetime], StoreOffsets]
    register: Callable[[duckdb.DuckDBPyConnection], None]
    record: Callable[[duckdb.DuckDBPyConnection, dt.datetime], None]
    info: Mapping[str, Any] = field(default_factory=dict)


def transact(lane: Lane, work: Transaction, on_step: OnStep) -> Committed:
    """Run steps 2 to 8 of a commit (see `commit.commit_batch`) and return the proof.

    An error after BEGIN leaves the outcome unknown. It is never guessed: still in the lane, the batch id is
    read again; ours means committed; else the same files are tried again where SQLite was busy or another
    commit came between, at most `ATTEMPTS` times. No file is ever deleted here: the orphan sweep decides.

    Raises:
        FencedError: `compare` refused; nothing was stored.
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused; nothing was stored, or the message says it is unknown.
    """
    batch = str(uuid.uuid4())
    on_step(2)
    with lane.lock(work.purpose):
        committed = _try_until_known(lane, work, batch, on_step)
        note_newest(lane.folder, committed.snapshot)
    on_step(8)
    return committed


def _try_until_known(lane: Lane, work: Transaction, batch: str, on_step: OnStep) -> Committed:
    pause = _FIRST_PAUSE_S
    never = threading.Event()
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _attempt(lane, work, batch, on_step)
        except duckdb.Error as error:
            _rollback(lane.connection)
            if _stored_batch(lane, work.purpose, error) == batch:
                return Committed(snapshot=current_snapshot(lane.connection, lane.domain), batch=batch)
            if attempt == ATTEMPTS or not is_retryable(error):
                raise store_error(work.purpose, error) from error
        except OSError as error:
            # Of a file that was to be made durable, before COMMIT.
            _rollback(lane.connection)
            raise store_error(work.purpose, error) from error
        except BaseException:
            _rollback(lane.connection)
            raise
        never.wait(pause)
        pause *= 2
    raise AssertionError


def _attempt(lane: Lane, work: Transaction, batch: str, on_step: OnStep) -> Committed:
    con, domain = lane.connection, lane.domain
    on_step(3)
    con.execute("BEGIN")
    now = dt.datetime.now(dt.UTC)
    offsets = work.compare(parse_row(domain, read_row(con, domain)), batch, now)
    on_step(4)
    work.register(con)
    on_step(5)
    work.record(con, now)
    on_step(6)
    # Without WHERE: a condition would scan the statistics of the whole catalog.
    con.execute(
        f"UPDATE {table_name(domain, OFFSETS)} SET offsets = ?, batch = ?", [offsets_to_json(offsets), batch]
    )
    on_step(7)
    info = json.dumps({"batch": batch, **work.info})
    con.execute(
        "CALL ducklake_set_commit_message(?, ?, ?, extra_info => ?)",
        [domain, work.author, work.message, info],
    )
    con.execute("COMMIT")
    return Committed(snapshot=_last_snapshot(con, domain), batch=batch)


def current_snapshot(con: duckdb.DuckDBPyConnection, domain: str) -> int:
    """Return the newest snapshot of an attached domain.

    Raises:
        duckdb.Error: The catalog refused.
    """
    row = first_row(con, "FROM ducklake_current_snapshot(?)", [domain])
    if row is None:
        raise AssertionError
    return int(row[0])


def _last_snapshot(con: duckdb.DuckDBPyConnection, domain: str) -> int:
    """Return the snapshot of this connection's last commit: the catalog is not asked again for it."""
    row = first_row(con, "FROM ducklake_last_committed_snapshot(?)", [domain])
    if row is None:
        raise AssertionError
    return int(row[0])


def _stored_batch(lane: Lane, purpose: str, cause: duckdb.Error) -> str | None:
    """Return the batch id that the catalog holds after an error; reconnects where the connection broke."""
    try:
        row = read_row(lane.connection, lane.domain)
    except duckdb.Error:
        try:
            lane.reconnect()
            row = read_row(lane.connection, lane.domain)
        except (duckdb.Error, StoreError):
            raise StoreError(
                cannot=f"tell whether it was stored: {purpose}",
                why=f"the catalog failed ({first_line(cause)}) and cannot be read again",
                do="mend the disk, then run the same command again: it resumes from what the store holds",
            ) from cause
    return None if row is None else row[1]


def _rollback(con: duckdb.DuckDBPyConnection) -> None:
    with suppress(duckdb.Error):
        con.execute("ROLLBACK")
