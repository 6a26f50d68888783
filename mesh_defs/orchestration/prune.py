"""Keeps Dagster's own storage small: it deletes nothing but ticks by itself."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg

_MEBIBYTE: Final = 1 << 20
_BUSY_SECONDS: Final = 30.0
_RUNLESS: Final = ""
_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_RUNS_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunePolicy:
    """What is kept.

    Attributes:
        runs: The newest runs, besides those that hold an asset's latest materialisation or a check's latest verdict.
        events: The newest events of each asset and type that were reported without a run, and the newest verdicts of
            each check.
        evaluation_seconds: How old evaluations of automation conditions may become.
        batch: Rows that one transaction deletes: others write in between.
        vacuum_bytes: From how much free space on a file is rewritten.
    """

    runs: int = 1_000
    events: int = 300
    evaluation_seconds: float = 86_400.0
    batch: int = 5_000
    vacuum_bytes: int = 16 * _MEBIBYTE


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What was deleted.

    Attributes:
        runs: Runs with all that belongs to them.
        events: Rows of events without a run.
        verdicts: Rows of check evaluations.
        left_bytes: Size of Dagster's folder afterwards.
    """

    runs: int
    events: int
    verdicts: int
    left_bytes: int


def prune(instance: dg.DagsterInstance, home: Path, policy: PrunePolicy | None = None) -> PruneReport:
    """Bring Dagster's storage back to what the policy keeps, while others use it.

    1. Runs beyond the newest, with their events, their files and their tags.
    2. Verdicts of checks beyond the newest of each check and partition.
    3. Events without a run beyond the newest of each asset, partition and type; the file's highest id stays, since
       SQLite would give it out again and readers that hold it as a cursor would miss what comes.
    4. Evaluations of automation conditions, by their age.
    5. Files with much free space are rewritten.

    Steps 1 (files and tags), 2, 3 and 5 have no API; they are written for SQLite and the pinned Dagster.

    Args:
        instance: Dagster.
        home: Its folder.
        policy: What is kept.
    """
    chosen = policy or PrunePolicy()
    history = home / "history"
    index = history / "runs" / "index.db"
    runs = _prune_runs(instance, home, chosen)
    verdicts = _delete(index, _OLD_VERDICTS, chosen)
    events = _delete(index, _OLD_EVENTS, chosen)
    runless = history / "runs" / f"{_RUNLESS}.db"
    if runless.exists():
        _delete(runless, _OLD_COPIES, chosen)
    schedules = instance.schedule_storage
    if schedules is not None:
        schedules.purge_asset_evaluations(time.time() - chosen.evaluation_seconds)
    for path in (index, runless, history / "runs.db", home / "schedules" / "schedules.db"):
        _vacuum(path, chosen.vacuum_bytes)
    return PruneReport(runs=runs, events=events, verdicts=verdicts, left_bytes=folder_bytes(home))


def folder_bytes(folder: Path) -> int:
    """Return the size of all files below a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


_OLD_VERDICTS: Final = """
SELECT id FROM (
    SELECT id, execution_status,
        row_number() OVER (PARTITION BY asset_key, check_name, partition ORDER BY id DESC) AS place,
        row_number() OVER (
            PARTITION BY asset_key, check_name, partition, execution_status = 'PLANNED' ORDER BY id DESC
        ) AS place_of_its_kind
    FROM asset_check_executions
) WHERE place > :keep AND place_of_its_kind > 1
ORDER BY id LIMIT :batch
"""
"""Of each check the newest rows stay, and the newest that is a verdict."""

_OLD_EVENTS: Final = """
SELECT id FROM (
    SELECT id, row_number() OVER (
        PARTITION BY asset_key, partition, dagster_event_type ORDER BY id DESC
    ) AS place, row_number() OVER (PARTITION BY asset_key, dagster_event_type ORDER BY id DESC) AS place_in_asset
    FROM event_logs WHERE run_id = '' AND asset_key IS NOT NULL
) WHERE place > 1 AND place_in_asset > :keep AND id < (SELECT max(id) FROM event_logs)
    AND id NOT IN (
        SELECT evaluation_event_storage_id FROM asset_check_executions
        WHERE evaluation_event_storage_id IS NOT NULL
        UNION SELECT materialization_event_storage_id FROM asset_check_executions
        WHERE materialization_event_storage_id IS NOT NULL
    )
ORDER BY id LIMIT :batch
"""
"""Of each asset and type the newest stay, of each partition the newest, and what a kept verdict names."""

_OLD_COPIES: Final = """
SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY asset_key, dagster_event_type ORDER BY id DESC) AS place
    FROM event_logs
) WHERE place > :keep AND id < (SELECT max(id) FROM event_logs)
ORDER BY id LIMIT :batch
"""
"""The run-less events once more, in a file of their own, which only the event log of no run shows."""

_TABLES: Final = {
    _OLD_VERDICTS: "asset_check_executions",
    _OLD_EVENTS: "event_logs",
    _OLD_COPIES: "event_logs",
}


def _delete(path: Path, select: str, policy: PrunePolicy) -> int:
    """Delete what a query names, a batch a transaction."""
    deleted = 0
    with _opened(path) as con:
        while True:
            con.execute("BEGIN IMMEDIATE")
            ids = [row[0] for row in con.execute(select, {"keep": policy.events, "batch": policy.batch})]
            _delete_ids(con, _TABLES[select], "id", ids)
            if select is _OLD_EVENTS:
                _delete_ids(con, "asset_event_tags", "event_id", ids)
            con.execute("COMMIT")
            deleted += len(ids)
            if len(ids) < policy.batch:
                return deleted


def _prune_runs(instance: dg.DagsterInstance, home: Path, policy: PrunePolicy) -> int:
    """Delete the ended runs beyond the newest; those that the newest state of an asset or a check names stay."""
    index = home / "history" / "runs" / "index.db"
    kept = _runs_of_newest(index)
    deleted: list[str] = []
    for run_id in list(_beyond(instance, policy.runs)):
        if run_id in kept:
            continue
        instance.delete_run(run_id)
        for path in (home / "history" / "runs").glob(f"{run_id}.db*"):
            path.unlink(missing_ok=True)
        shutil.rmtree(home / "storage" / run_id, ignore_errors=True)
        deleted.append(run_id)
    for begin in range(0, len(deleted), policy.batch):
        part = deleted[begin : begin + policy.batch]
        with _opened(index) as con:
            _delete_ids(con, "asset_check_executions", "run_id", part)
        with _opened(home / "history" / "runs.db") as con:
            _delete_ids(con, "run_tags", "run_id", part)
    return len(deleted)


def _beyond(instance: dg.DagsterInstance, keep: int) -> Iterator[str]:
    """Yield the ended runs that come after the newest `keep`, whatever their state."""
    cursor: str | None = None
    place = 0
    while True:
        page = instance.get_run_records(limit=_RUNS_PAGE, cursor=cursor)
        for record in page:
            place += 1
            if place > keep and record.dagster_run.status in _ENDED:
                yield record.dagster_run.run_id
        if len(page) < _RUNS_PAGE:
            return
        cursor = page[-1].dagster_run.run_id


def _runs_of_newest(index: Path) -> frozenset[str]:
    """Return the runs that hold the newest event of an asset (of each partition), or a check's newest verdict."""
    with _opened(index) as con:
        rows = con.execute(
            "SELECT run_id FROM event_logs WHERE id IN ("
            "SELECT max(id) FROM event_logs WHERE asset_key IS NOT NULL GROUP BY asset_key, partition, "
            "dagster_event_type) "
            "UNION SELECT run_id FROM asset_check_executions WHERE id IN ("
            "SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, partition, "
            "execution_status = 'PLANNED')"
            "UNION SELECT last_run_id FROM asset_keys WHERE last_run_id IS NOT NULL"
        )
        return frozenset(str(row[0]) for row in rows)


def _delete_ids(con: sqlite3.Connection, table: str, column: str, ids: Sequence[object]) -> None:
    con.executemany(f"DELETE FROM {table} WHERE {column} = ?", _each(ids))  # noqa: S608 - names of this module


def _each(values: Iterable[object]) -> Iterator[tuple[object]]:
    return ((value,) for value in values)


def _vacuum(path: Path, from_bytes: int) -> None:
    """Rewrite a file with much free space; where others read it all the time, the next round does."""
    if not path.exists():
        return
    with _opened(path) as con:
        free, size = (con.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
        if free * size < from_bytes:
            return
        try:
            con.execute("VACUUM")
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            return


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open one of Dagster's files; a transaction that an error ends is rolled back."""
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as con:
        yield con
