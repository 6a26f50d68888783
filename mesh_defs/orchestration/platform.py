"""What looks after all domains: alerts, freshness, and the size of Dagster's own storage."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import datetime as dt
import json
from pathlib import Path

import dagster as dg

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.freshness import domain_freshness, freshness_limit, report_freshness
from mesh_defs.orchestration.incidents import Round, tell
from mesh_defs.orchestration.prune import prune
from mesh_defs.orchestration.watch import View, Watcher

LOOK_SECONDS = 28
"""The daemon looks every 5 s: a sensor that asks for 30 s is, by a hair, often due only after 35 s."""


def platform_definitions(project: Project) -> dg.Definitions:
    """Return the code location that depends on no domain: it must live when domains break."""
    watcher = Watcher(project)
    return dg.Definitions(
        sensors=[incident_sensor(watcher), freshness_sensor(watcher)],
        schedules=[prune_schedule()],
        executor=dg.in_process_executor,
    )


def incident_sensor(watcher: Watcher) -> dg.SensorDefinition:
    """Return the sensor that tells the webhooks of `mesh.toml` what went wrong, and what is over."""

    @dg.sensor(
        name="mesh__incidents",
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Posts failed runs, red checks, stopped streams, stale tables, broken domains and brokers that do not "
            "answer to the webhooks of mesh.toml: once when they begin, once when they end."
        ),
    )
    def incidents(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(_told(tell(context.instance, watcher, dt.datetime.now(dt.UTC)), watcher))

    return incidents


def freshness_sensor(watcher: Watcher) -> dg.SensorDefinition:
    """Return the sensor that judges how old tables are; no run would, where no event comes."""

    @dg.sensor(
        name="mesh__freshness",
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Turns the check `freshness` red when a table did not move as often as its contract promises.",
    )
    def freshness(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        now = dt.datetime.now(dt.UTC)
        view = watcher.view()
        first_seen = _first_seen(view, context.cursor, now)
        context.update_cursor(json.dumps({name: at.isoformat() for name, at in first_seen.items()}))
        stale, troubles = [], []
        for domain in view.domains.values():
            try:
                for found in domain_freshness(watcher.project, domain, first_seen, now):
                    report_freshness(context.instance, found, now)
                    stale += [] if found.passes(now) else [".".join(found.key.path)]
            except MeshError as error:
                troubles.append(str(error))
        return dg.SkipReason("; ".join([_listed("stale", stale), *troubles]))

    return freshness


def prune_schedule() -> dg.ScheduleDefinition:
    """Return the schedule that keeps Dagster's own storage small."""

    @dg.op(name="prune_storage", description="Deletes what Dagster's storage need not keep.")
    def prune_storage(context: dg.OpExecutionContext) -> None:
        report = prune(context.instance, Path(context.instance.root_directory))
        context.add_output_metadata(
            {
                "runs": report.runs,
                "events": report.events,
                "check_evaluations": report.verdicts,
                "megabytes_left": round(report.left_bytes / 1e6, 1),
            }
        )

    @dg.job(name="mesh__prune", executor_def=dg.in_process_executor)
    def prune_job() -> None:
        prune_storage()

    return dg.ScheduleDefinition(
        name="mesh__prune",
        job=prune_job,
        cron_schedule="47 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Keeps Dagster's own storage small: old runs with their files, old events, old evaluations.",
    )


def _first_seen(view: View, cursor: str | None, now: dt.datetime) -> dict[str, dt.datetime]:
    """Return since when each table with a promise is watched; those that are gone are forgotten."""
    before = {name: dt.datetime.fromisoformat(at) for name, at in json.loads(cursor or "{}").items()}
    promised = (
        contract.full_name
        for domain in view.domains.values()
        for contract in domain.tables
        if freshness_limit(contract) is not None
    )
    return {name: before.get(name, now) for name in promised}


def _told(done: Round, watcher: Watcher) -> str:
    began = [i.key for i in done.began]
    ended = [i.key for i in done.ended]
    if not watcher.project.config.webhooks:
        posts = "mesh.toml names no webhook"
    else:
        posts = f"{done.delivery.taken} posted, {done.delivery.waiting} waiting"
    return "; ".join([_listed("began", began), _listed("over", ended), posts, *done.delivery.troubles])


def _listed(word: str, names: list[str]) -> str:
    return f"{word}: {', '.join(names) or 'none'}"
