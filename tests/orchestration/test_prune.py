"""Dagster's own storage stays small, and right."""

# No `from __future__ import annotations` here: Dagster reads annotations at definition.
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.orchestration import prepare_home
from mesh_defs.orchestration.prune import PrunePolicy, folder_bytes, prune
from tests.orchestration.mesh_of_two import mesh_of_two

POLICY = PrunePolicy(runs=20, events=30, batch=50, vacuum_bytes=0)
REPORTS = 10
TABLE, QUIET, TOPIC = (dg.AssetKey(["shop", name]) for name in ("orders", "quiet", "topic"))


@dg.asset(key=TABLE, check_specs=[dg.AssetCheckSpec("ledger", asset=TABLE)])
def orders() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Materialise the table and evaluate its check."""
    yield dg.MaterializeResult(metadata={"rows": 1})
    yield dg.AssetCheckResult(check_name="ledger", passed=True)


@dg.asset(key=QUIET)
def quiet() -> None:
    """Materialise a table that is hardly ever computed."""


JOB = dg.Definitions(
    assets=[orders, quiet], executor=dg.in_process_executor
).resolve_implicit_global_asset_job_def()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A Dagster home, laid out."""
    return prepare_home(mesh_of_two(tmp_path).open())


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster with that home."""
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def run(instance: dg.DagsterInstance, *keys: dg.AssetKey) -> str:
    """Run some tables for real."""
    return JOB.execute_in_process(instance=instance, asset_selection=list(keys)).run_id


def forward(home: Path, instance: dg.DagsterInstance, count: int, template: str) -> None:
    """Fast-forward: copies of an executed run with its file and all its events, and events without a run."""
    folder = home / "history" / "runs"
    with closing(sqlite3.connect(folder / f"{template}.db")) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copies = [str(uuid.uuid4()) for _ in range(count)]
    for run_id in copies:
        shutil.copy(folder / f"{template}.db", folder / f"{run_id}.db")
    copy_run(home / "history" / "runs.db", {"runs": "run_body", "run_tags": "value"}, template, copies)
    copy_run(
        folder / "index.db",
        {"event_logs": "event", "asset_check_executions": "evaluation_event"},
        template,
        copies,
    )
    forward_reports(home, instance, count)


def copy_run(path: Path, tables: dict[str, str], template: str, copies: list[str]) -> None:
    """Copy a run's rows under other ids; a column of each table holds the id in a text."""
    with closing(sqlite3.connect(path)) as con, con:
        for table, text in tables.items():
            kept = ", ".join(columns(con, table, {"id", "run_id", text}))
            con.executemany(
                f"INSERT INTO {table} (run_id, {text}, {kept}) "  # noqa: S608 - Dagster's own names
                f"SELECT ?1, replace({text}, ?2, ?1), {kept} FROM {table} WHERE run_id = ?2",
                [(run_id, template) for run_id in copies],
            )


def forward_reports(home: Path, instance: dg.DagsterInstance, count: int) -> None:
    """Report a few times without a run, then copy these rows until there are as many as wanted."""
    files = {name: home / "history" / "runs" / f"{name}.db" for name in ("index", "")}
    report(instance, 0)  # the file for events without a run is there now
    before = {name: newest(path) for name, path in files.items()}
    for number in range(REPORTS):
        report(instance, number)
    for name, path in files.items():
        with closing(sqlite3.connect(path)) as con, con:
            width = newest(path) - before[name]
            shifts = [(k * width, before[name]) for k in range(1, count // REPORTS)]
            kept = ", ".join(columns(con, "event_logs", {"id"}))
            con.executemany(
                f"INSERT INTO event_logs (id, {kept}) "  # noqa: S608 - Dagster's own names
                f"SELECT id + ?1, {kept} FROM event_logs WHERE id > ?2 AND id <= ?2 + {width}",
                shifts,
            )
            if name:
                kept = ", ".join(
                    columns(con, "asset_check_executions", {"id", "evaluation_event_storage_id"})
                )
                con.executemany(
                    f"INSERT INTO asset_check_executions (evaluation_event_storage_id, {kept}) "  # noqa: S608
                    f"SELECT evaluation_event_storage_id + ?1, {kept} FROM asset_check_executions "
                    f"WHERE evaluation_event_storage_id > ?2 AND evaluation_event_storage_id <= ?2 + {width}",
                    shifts,
                )


def newest(path: Path) -> int:
    """Return the highest id of a file's events."""
    with closing(sqlite3.connect(path)) as con:
        return int(con.execute("SELECT max(id) FROM event_logs").fetchone()[0])


def columns(con: sqlite3.Connection, table: str, but: set[str]) -> list[str]:
    """Return the names of a table's columns, but for some."""
    return [row[1] for row in con.execute(f"PRAGMA table_info({table})") if row[1] not in but]


def report(instance: dg.DagsterInstance, number: int) -> None:
    """Report, without a run, that the topic moved and what a check found."""
    instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=TOPIC, metadata={"n": number}))
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=TABLE, check_name="freshness", passed=number % 2 == 0, metadata={})
    )


def rows(home: Path, table: str) -> int:
    """Return the rows of a table of Dagster's index."""
    with closing(sqlite3.connect(home / "history" / "runs" / "index.db")) as con:
        counted = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of this module
        return int(con.execute(counted).fetchone()[0])


def bounded(home: Path, instance: dg.DagsterInstance, rounds: int, size: int) -> None:
    """Fast-forward and prune in turns; the storage must not grow, and must answer as before."""
    seldom = run(instance, QUIET)
    last = run(instance, TABLE)
    sizes = []
    for _ in range(rounds):
        forward(home, instance, size, last)
        last = run(instance, TABLE)
        report(instance, 1)
        newest = instance.event_log_storage.get_maximum_record_id()
        prune(instance, home, POLICY)
        sizes.append((folder_bytes(home), rows(home, "event_logs"), rows(home, "asset_check_executions")))
        assert instance.event_log_storage.get_maximum_record_id() == newest
        is_right(home, instance, seldom, last)
    first, latest = sizes[0], sizes[-1]
    slack = (50_000, 10, 10)
    assert all(now <= 1.25 * was + more for now, was, more in zip(latest, first, slack, strict=True)), sizes


def is_right(home: Path, instance: dg.DagsterInstance, seldom: str, last: str) -> None:
    """Look at what the pages look at."""
    assert len(instance.get_run_records()) <= POLICY.runs + 3
    files = {path.name.removesuffix(".db") for path in (home / "history" / "runs").glob("?*.db")} - {
        "index",
        "",
    }
    assert files <= {record.dagster_run.run_id for record in instance.get_run_records()}
    for key, run_id in ((QUIET, seldom), (TABLE, last)):
        event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.run_id == run_id
        assert instance.get_run_by_id(run_id) is not None
        assert instance.all_logs(run_id)
    checks = [dg.AssetCheckKey(TABLE, "ledger"), dg.AssetCheckKey(TABLE, "freshness")]
    found = instance.event_log_storage.get_asset_check_summary_records(checks)
    ledger, freshness = (found[c].last_completed_check_execution_record for c in checks)
    assert ledger is not None
    assert ledger.run_id == last
    assert freshness is not None
    assert freshness.status.value == "FAILED"
    topic = instance.fetch_materializations(TOPIC, limit=100).records
    newest = topic[0].asset_materialization
    assert newest is not None
    assert newest.metadata["n"].value == 1
    assert POLICY.events <= len(topic) <= POLICY.events + 1


def test_storage_stays_bounded_and_right(home: Path, instance: dg.DagsterInstance) -> None:
    """Round after round of runs and reports leaves the same size, and what people look at is there."""
    bounded(home, instance, rounds=3, size=60)


@pytest.mark.slow
def test_storage_stays_bounded_over_ten_thousand_runs(home: Path, instance: dg.DagsterInstance) -> None:
    """The same over 10,000 runs and 20,000 reports."""
    bounded(home, instance, rounds=10, size=1_000)


def test_pruning_disturbs_nobody_who_reports(home: Path, instance: dg.DagsterInstance) -> None:
    """Another process may write all the while."""
    template = run(instance, TABLE)
    forward(home, instance, 30, template)
    over, errors = threading.Event(), list[BaseException]()

    def keep_reporting() -> None:
        with dg.DagsterInstance.from_config(str(home)) as other:
            number = 0
            while not over.is_set():
                try:
                    report(other, number)
                except sqlite3.Error as error:
                    errors.append(error)
                number += 1

    thread = threading.Thread(target=keep_reporting)
    thread.start()
    try:
        for _ in range(3):
            prune(instance, home, POLICY)
    finally:
        over.set()
        thread.join()
    assert not errors


def test_runs_under_way_stay(home: Path, instance: dg.DagsterInstance) -> None:
    """However old they are."""
    first = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
    for _ in range(POLICY.runs + 5):
        instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.SUCCESS)
    assert prune(instance, home, POLICY).runs == 5
    assert instance.get_run_by_id(first.run_id) is not None
