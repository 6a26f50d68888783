"""Runs whose process is gone must not be waited for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import dagster as dg
import pytest
from dagster import DagsterEvent, DagsterEventType

from mesh_defs.orchestration.dead_runs import UNDER_WAY, end_dead_runs, runs_under_way

SERVER = {".dagster/grpc_info": json.dumps({"host": "localhost", "socket": "/tmp/socket"})}  # noqa: S108 - a tag


@pytest.fixture
def dead_pid() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(60)
    return process.pid


def run_of(instance: dg.DagsterInstance, pid: int | None, *, local: bool = True) -> str:
    """Record a run that the process `pid` began; None leaves it without any."""

    @dg.job
    def nothing() -> None:
        """Have no ops."""

    status = dg.DagsterRunStatus.NOT_STARTED if pid is None else dg.DagsterRunStatus.STARTED
    run = instance.create_run_for_job(nothing, status=status, tags=SERVER if local else {})
    if pid is not None:
        event = DagsterEvent(
            event_type_value=DagsterEventType.RUN_START.value, job_name=run.job_name, pid=pid, message="begun"
        )
        instance.report_dagster_event(event, run.run_id)
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    """Return how a run stands."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.fault(45)
def test_a_run_whose_process_is_gone_has_failed(instance: dg.DagsterInstance, dead_pid: int) -> None:
    """It is marked, so that a sensor may ask again and a person sees what happened."""
    run_id = run_of(instance, dead_pid)
    assert runs_under_way(instance) == []
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE


def test_a_run_whose_process_lives_is_left_alone(instance: dg.DagsterInstance) -> None:
    """This process lives."""
    run_id = run_of(instance, os.getpid())
    assert [r.run_id for r in runs_under_way(instance)] == [run_id]


def test_a_process_that_began_later_is_another(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process ids are used again, above all after a restart of the machine."""
    yesterday = time.time() - 86_400
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: yesterday)
        run_id = run_of(instance, os.getpid())
    assert runs_under_way(instance) == []
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE


def test_runs_of_other_machines_are_left_alone(instance: dg.DagsterInstance, dead_pid: int) -> None:
    """Their process ids mean nothing here."""
    run_id = run_of(instance, dead_pid, local=False)
    assert [r.run_id for r in runs_under_way(instance)] == [run_id]


def test_a_run_without_a_process_is_dead_only_before_the_start(instance: dg.DagsterInstance) -> None:
    """While code servers run it may still begin; before they start it never will."""
    run_id = run_of(instance, None, local=False)
    assert [r.run_id for r in runs_under_way(instance)] == [run_id]
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=list(UNDER_WAY)))
    assert end_dead_runs(instance, records, unstarted=True) == {run_id}
    assert status(instance, run_id) is dg.DagsterRunStatus.FAILURE
