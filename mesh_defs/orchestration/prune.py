"""Keeps Dagster's own storage small: it deletes nothing but ticks by itself."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import dagster as dg

from mesh_defs.orchestration.prune_runs import opened, prune_runs

_MEBIBYTE: Final = 1 << 20
_RUNLESS: Final = ""


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

    All but step 4 are written for SQLite and the pinned Dagster. For steps 2, 3 and 5 there is no API; that of
    step 1 leaves files, tags and verdicts behind, and takes ten times as long.

    Args:
        instance: Dagster.
        home: Its folder.
        policy: What is kept.
    """
    chosen = policy or PrunePolicy()
    history = home / "history"
    index = history / "runs" / "index.db"
    runs = prune_runs(instance, home, chosen.runs)
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
    FROM event_logs WHERE run_id = ''
) WHERE place > 1 AND place_in_asset > :keep AND id < (SELECT max(id) FROM event_logs)
    AND id NOT IN (
        SELECT evaluation_event_storage_id FROM asset_check_executions
        WHERE evaluation_event_storage_id IS NOT NULL
        UNION SELECT materialization_event_storage_id FROM asset_check_executions
        WHERE materialization_event_storage_id IS NOT NULL
    )
ORDER BY id LIMIT :batch
"""
"""Of each asset and type the newest stay, of each partition the newest, and what a kept verdict names.

Dagster writes no asset beside the evaluations of checks: the newest of all checks together stay.
"""

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
    with opened(path) as con:
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


def _delete_ids(con: sqlite3.Connection, table: str, column: str, ids: Sequence[object]) -> None:
    con.executemany(f"DELETE FROM {table} WHERE {column} = ?", _each(ids))  # noqa: S608 - names of this module


def _each(values: Iterable[object]) -> Iterator[tuple[object]]:
    return ((value,) for value in values)


def _vacuum(path: Path, from_bytes: int) -> None:
    """Rewrite a file with much free space; where others read it all the time, the next round does."""
    if not path.exists():
        return
    with opened(path) as con:
        free, size = (con.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
        if free * size < from_bytes:
            return
        try:
            con.execute("VACUUM")
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            return
