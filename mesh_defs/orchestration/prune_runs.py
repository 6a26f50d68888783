"""Deletes old runs from Dagster's storage, with all that belongs to them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import dagster as dg

_BUSY_SECONDS: Final = 30.0
_ENDED: Final = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_RUNS_PAGE: Final = 500
_RUNS_A_TIME: Final = 200
"""Runs that one transaction deletes, each with a dozen events."""

_DATABASE: Final = (".db", ".db-wal", ".db-shm", ".db-journal")

_OF_RUNS: Final = (
    """
    DELETE FROM asset_event_tags
    WHERE event_id IN (SELECT id FROM event_logs WHERE run_id IN (SELECT value FROM json_each(:runs)))
    """,
    "DELETE FROM event_logs WHERE run_id IN (SELECT value FROM json_each(:runs))",
    "DELETE FROM asset_check_executions WHERE run_id IN (SELECT value FROM json_each(:runs))",
)
"""What the index holds of runs."""

_RUNS: Final = (
    "DELETE FROM run_tags WHERE run_id IN (SELECT value FROM json_each(:runs))",
    "DELETE FROM runs WHERE run_id IN (SELECT value FROM json_each(:runs))",
)


def prune_runs(instance: dg.DagsterInstance, home: Path, keep: int) -> int:
    """Delete the ended runs beyond the newest, and return how many.

    Those that the newest state of an asset or a check names stay. A run's own row goes last: where the work is cut
    short, the next round finds what is left.

    Args:
        instance: Dagster.
        home: Its folder.
        keep: How many of the newest stay, whatever their state.
    """
    index = home / "history" / "runs" / "index.db"
    kept = _runs_of_newest(index)
    old = [run_id for run_id in _beyond(instance, keep) if run_id not in kept]
    for begin in range(0, len(old), _RUNS_A_TIME):
        part = old[begin : begin + _RUNS_A_TIME]
        for run_id in part:
            _delete_files(home, run_id)
        _delete_runs(index, _OF_RUNS, part)
        _delete_runs(home / "history" / "runs.db", _RUNS, part)
    return len(old)


def _delete_files(home: Path, run_id: str) -> None:
    for suffix in _DATABASE:
        (home / "history" / "runs" / f"{run_id}{suffix}").unlink(missing_ok=True)
    shutil.rmtree(home / "storage" / run_id, ignore_errors=True)


def _delete_runs(path: Path, statements: Sequence[str], run_ids: Sequence[str]) -> None:
    with opened(path) as con:
        con.execute("BEGIN IMMEDIATE")
        for statement in statements:
            con.execute(statement, {"runs": json.dumps(run_ids)})
        con.execute("COMMIT")


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
    """Return the runs that hold the newest event, also of an asset (of each partition), or a check's newest verdict."""
    with opened(index) as con:
        rows = con.execute(
            "SELECT run_id FROM event_logs WHERE id IN ("
            "SELECT max(id) FROM event_logs WHERE asset_key IS NOT NULL GROUP BY asset_key, partition, "
            "dagster_event_type) "
            "UNION SELECT run_id FROM asset_check_executions WHERE id IN ("
            "SELECT max(id) FROM asset_check_executions GROUP BY asset_key, check_name, partition, "
            "execution_status = 'PLANNED') "
            "UNION SELECT run_id FROM event_logs WHERE id = (SELECT max(id) FROM event_logs) "
            "UNION SELECT last_run_id FROM asset_keys WHERE last_run_id IS NOT NULL"
        )
        return frozenset(str(row[0]) for row in rows)


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open one of Dagster's files; a transaction that an error ends is rolled back."""
    with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as con:
        yield con
