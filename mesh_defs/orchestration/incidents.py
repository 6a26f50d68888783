"""What is wrong in the mesh now, as incidents."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from mesh_defs.alerts import Delivery, Incident, Kind, Outbox, deliver
from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.ingest.failures import Failure, read_failures
from mesh_defs.model.errors import BrokerUnavailableError
from mesh_defs.orchestration import silence, unreachable
from mesh_defs.orchestration.failing_runs import Failing, follow_runs, without_the_gone
from mesh_defs.orchestration.keys import FRESHNESS_CHECK, MOVING_CHECK, table_key
from mesh_defs.orchestration.watch import View, Watcher

_RUNS_NOTE = "runs"
_SILENCE_NOTE = "silence"
_UNREACHABLE_NOTE = "unreachable"
_OF_THE_BROKER = BrokerUnavailableError.__name__
_ID_CHARACTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round found and told.

    Attributes:
        began: Incidents that were not known before.
        ended: Incidents that are over.
        delivery: What the webhooks took.
    """

    began: tuple[Incident, ...]
    ended: tuple[Incident, ...]
    delivery: Delivery


def tell(instance: dg.DagsterInstance, watcher: Watcher, now: dt.datetime) -> Round:
    """Compare what is wrong with what was, and post the difference.

    The order of effects:

    1. What is wrong is gathered: from the files, Dagster's storage, and the passes' own notes.
    2. New and ended incidents go into the outbox, with how far the runs were read, in one transaction.
    3. The outbox is posted; a message leaves it with its webhook's 2xx.

    A process that dies in between gathers again, or posts again with the same idempotency key.
    """
    project, view = watcher.project, watcher.view()
    with Outbox(project.config.data, project.config.name, project.config.webhooks) as outbox:
        failing = without_the_gone(
            follow_runs(instance, Failing.from_json(outbox.note(_RUNS_NOTE)), now), view
        )
        quiet = silence.look(instance, view.sensors, silence.from_json(outbox.note(_SILENCE_NOTE)))
        mute = _unreachable(project, view, outbox.note(_UNREACHABLE_NOTE))
        found = [
            *failed_runs(failing, now),
            *red_checks(instance, view, now, waiting=waiting_streams(project, view)),
            *stopped_streams(project, view, now),
            *broken_locations(view, silence.silent(quiet), now),
            *unreachable_brokers(unreachable.down(mute), now),
            *_unjudged(outbox.open_incidents().values(), view),
        ]
        notes = {
            _RUNS_NOTE: failing.to_json(),
            _SILENCE_NOTE: silence.to_json(quiet),
            _UNREACHABLE_NOTE: unreachable.to_json(mute),
        }
        began, ended = outbox.settle(found, at=now, notes=notes)
        return Round(began=began, ended=ended, delivery=deliver(outbox))


def failed_runs(failing: Failing, now: dt.datetime) -> Iterator[Incident]:
    """Yield an incident for each table, or job, whose last run failed."""
    for subject, run_id in failing.runs.items():
        name = subject.replace("/", ".")
        yield Incident(
            kind=Kind.RUN_FAILED,
            subject=name,
            cause=run_id,
            summary=f"Run {run_id[:_ID_CHARACTERS]} of {name} failed; its page in Dagster says why.",
            opened_at=now,
        )


def red_checks(
    instance: dg.DagsterInstance, view: View, now: dt.datetime, *, waiting: Collection[dg.AssetKey] = ()
) -> Iterator[Incident]:
    """Yield an incident for each check whose last evaluation failed as an error; a stale table is one of its own.

    Args:
        instance: Dagster.
        view: What the files declare.
        now: Now.
        waiting: Tables whose stream only waits for its broker: that they do not move is no incident of theirs.
    """
    keys = sorted(view.checks)
    for key, summary in instance.event_log_storage.get_asset_check_summary_records(keys).items():
        last = summary.last_completed_check_execution_record
        if last is None or not _is_red(last) or (key.name == MOVING_CHECK and key.asset_key in waiting):
            continue
        table = ".".join(key.asset_key.path)
        stale = key.name == FRESHNESS_CHECK
        yield Incident(
            kind=Kind.ASSET_STALE if stale else Kind.CHECK_FAILED,
            subject=table if stale else f"{table}:{key.name}",
            cause=str(last.id),
            summary=f"{table} is older than its contract's frequency allows."
            if stale
            else f"The check {key.name} of {table} failed; its page in Dagster has the numbers.",
            opened_at=now,
        )


def stopped_streams(project: Project, view: View, now: dt.datetime) -> Iterator[Incident]:
    """Yield an incident for each stream that the last pass could not bring to its end.

    One that only its broker stopped goes on by itself: the broker is the incident, where it stays away.
    """
    for name in sorted(view.names):
        domain = domain.live if (domain := view.domains.get(name)) else None
        failures: dict[str, Failure] = {}
        for failure in read_failures(project.data_folder(name)):
            if failure.error != _OF_THE_BROKER and _declared(domain, failure.stream):
                failures.setdefault(failure.stream, failure)
        for stream, failure in failures.items():
            yield Incident(
                kind=Kind.STREAM_STOPPED,
                subject=f"{name}.{stream}",
                cause=failure.at,
                summary=f"{name}.{stream} stopped ({failure.error}); `mesh status` says why.",
                opened_at=now,
            )


def broken_locations(view: View, silent: Iterable[str], now: dt.datetime) -> Iterator[Incident]:
    """Yield an incident for each domain that does not load, or whose sensors stand still."""
    for name in sorted(view.broken):
        yield _broken(name, f"The domain {name} does not load; `mesh contract lint` says why.", now)
    for name in sorted(set(silent) - set(view.broken)):
        text = f"The code location {name} gives no sign of life; Dagster's page `Deployment` says why."
        yield _broken(name, text, now)


def waiting_streams(project: Project, view: View) -> frozenset[dg.AssetKey]:
    """Return the tables of the streams that nothing but their broker stopped."""
    found: set[dg.AssetKey] = set()
    for name, domain in view.domains.items():
        reasons: dict[str, set[str]] = {}
        for failure in read_failures(project.data_folder(name)):
            reasons.setdefault(failure.stream, set()).add(failure.error)
        for stream in domain.streams:
            if reasons.get(stream.name) == {_OF_THE_BROKER}:
                found |= {table_key(name, table.name) for table in stream.tables}
    return frozenset(found)


def unreachable_brokers(names: Iterable[str], now: dt.datetime) -> Iterator[Incident]:
    """Yield an incident for each connection whose cluster does not answer, however many streams stand still."""
    for name in sorted(names):
        yield Incident(
            kind=Kind.BROKER_UNREACHABLE,
            subject=name,
            cause=now.isoformat(),
            summary=f"The broker {name} does not answer, so its streams stand still; `mesh doctor` says more.",
            opened_at=now,
        )


def _unreachable(project: Project, view: View, note: str | None) -> unreachable.Unreachable:
    streams = [stream for domain in view.domains.values() for stream in domain.live.streams]
    before = unreachable.from_json(note)
    return unreachable.look(project.config, streams, before, all_known=not view.broken)


def _unjudged(known: Iterable[Incident], view: View) -> Iterator[Incident]:
    """Yield what is known of the checks of domains that do not load now: nobody can say that it is over."""
    for incident in known:
        domain = incident.subject.partition(".")[0]
        if incident.kind in {Kind.CHECK_FAILED, Kind.ASSET_STALE} and domain in view.broken:
            yield incident


def _broken(name: str, summary: str, now: dt.datetime) -> Incident:
    return Incident(
        kind=Kind.LOCATION_BROKEN, subject=name, cause=now.isoformat(), summary=summary, opened_at=now
    )


def _declared(domain: Domain | None, stream: str) -> bool:
    """Say whether a stream is still declared; of a domain that does not load, each counts as that."""
    return domain is None or domain.stream(stream) is not None


def _is_red(record: AssetCheckExecutionRecord) -> bool:
    if record.status is not AssetCheckExecutionRecordStatus.FAILED or record.event is None:
        return False
    event = record.event.dagster_event
    return event is not None and event.asset_check_evaluation_data.severity is dg.AssetCheckSeverity.ERROR
