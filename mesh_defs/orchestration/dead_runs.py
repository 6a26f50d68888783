"""Runs whose process is gone: Dagster notices only while the code server that started them lives."""

from __future__ import annotations

import json
from collections.abc import Iterable

import dagster as dg
import psutil

UNDER_WAY = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)

_SERVER_TAG = ".dagster/grpc_info"
"""Set by Dagster's default launcher: where the code server listens that started the run's process."""

_CLOCK_SECONDS = 2.0
"""How much later than its first event a process may seem to have begun."""

_MESSAGE = "The run's process is gone without a word (killed, or the machine went down)."


def runs_under_way(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that have not ended; those that never will are marked as failed first.

    Without this, a sensor would wait for ever for a run that was killed together with its code server.
    """
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=list(UNDER_WAY)))
    dead = end_dead_runs(instance, records)
    return [r.dagster_run for r in records if r.dagster_run.run_id not in dead]


def end_dead_runs(
    instance: dg.DagsterInstance, records: Iterable[dg.RunRecord], *, unstarted: bool = False
) -> frozenset[str]:
    """Mark runs of this machine whose process is gone as ended.

    Args:
        instance: Dagster.
        records: Runs that have not ended.
        unstarted: Whether runs without any process yet are dead too: true while no code server is running.

    Returns:
        The ids of the runs that were ended.
    """
    dead = set()
    for record in records:
        run = record.dagster_run
        if not _is_local(run) and not (unstarted and run.status is dg.DagsterRunStatus.NOT_STARTED):
            continue
        alive = _process_lives(instance, run.run_id)
        if alive is True or (alive is None and not unstarted):
            continue
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, _MESSAGE)
        else:
            instance.report_run_failed(run, _MESSAGE)
        dead.add(run.run_id)
    return frozenset(dead)


def _is_local(run: dg.DagsterRun) -> bool:
    server = run.tags.get(_SERVER_TAG)
    return server is not None and json.loads(server).get("host") in {"localhost", "127.0.0.1"}


def _process_lives(instance: dg.DagsterInstance, run_id: str) -> bool | None:
    """Say whether the process that began the run is still there; None where none has begun it yet."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_START)
    event = entries[0].dagster_event if entries else None
    if event is None or event.pid is None:
        return None
    try:
        process = psutil.Process(event.pid)
        began = process.create_time()
        return (
            bool(process.status() != psutil.STATUS_ZOMBIE) and began <= entries[0].timestamp + _CLOCK_SECONDS
        )
    except psutil.NoSuchProcess:
        return False
