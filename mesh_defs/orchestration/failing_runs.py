"""What runs left undone: each table, or job, whose last run failed."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import dagster as dg

from mesh_defs.orchestration.watch import View

FIRST_LOOK = dt.timedelta(days=1)
"""How far the first look goes back."""

MARGIN = dt.timedelta(seconds=30)
"""Runs that ended so shortly before the last look are read again: their writer may have been slow. Reading a run
twice changes nothing."""

PAGE = 200

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_WILL_RETRY = "dagster/will_retry"
_NO_LOCATION = "mesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failing:
    """What failed and was not made good since.

    Attributes:
        runs: For each subject (`domain/table`, or `location:job`) the run that first failed.
        read_to: Runs that ended before are accounted for.
    """

    runs: Mapping[str, str] = field(default_factory=dict)
    read_to: dt.datetime | None = None

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        read_to = self.read_to.isoformat() if self.read_to else None
        return json.dumps({"runs": dict(self.runs), "read_to": read_to})

    @classmethod
    def from_json(cls, text: str | None) -> Failing:
        """Return what `to_json` wrote; nothing where there is no text."""
        if text is None:
            return cls()
        found = json.loads(text)
        read_to = dt.datetime.fromisoformat(found["read_to"]) if found["read_to"] else None
        return cls(runs=found["runs"], read_to=read_to)


def follow_runs(instance: dg.DagsterInstance, before: Failing, now: dt.datetime) -> Failing:
    """Return what is failing after the runs that ended since the last look.

    A run that failed counts for the tables that it did not materialise; a later run that fills them, or a
    successful one that included them, ends that. Cancelled runs count for nothing: a person did that.
    """
    after = (before.read_to or now - FIRST_LOOK) - MARGIN
    records = sorted(_ended(instance, after), key=lambda r: (r.end_time or 0.0, r.storage_id))
    runs = dict(before.runs)
    for record in records:
        run = record.dagster_run
        bad = _undone(instance, run) if run.status is dg.DagsterRunStatus.FAILURE else frozenset()
        if run.tags.get(_WILL_RETRY) == "true":
            continue
        for subject in subjects(run) - bad:
            runs.pop(subject, None)
        for subject in bad:
            runs.setdefault(subject, run.run_id)
    newest = max((_aware(r.update_timestamp) for r in records), default=before.read_to)
    return Failing(runs=runs, read_to=newest or now)


def without_the_gone(failing: Failing, view: View) -> Failing:
    """Forget tables that are declared no longer: no run will ever make them good."""

    def declared(subject: str) -> bool:
        if ":" in subject:
            location = subject.partition(":")[0]
            return location in view.names or "-" in location
        domain = subject.partition("/")[0]
        return domain in view.broken or dg.AssetKey.from_user_string(subject) in view.assets

    return replace(failing, runs={s: r for s, r in failing.runs.items() if declared(s)})


def subjects(run: dg.DagsterRun) -> frozenset[str]:
    """Return what a run is about: its tables, or its job where it names none."""
    if run.asset_selection:
        return frozenset(key.to_user_string() for key in run.asset_selection)
    origin = run.remote_job_origin
    return frozenset({f"{origin.location_name if origin else _NO_LOCATION}:{run.job_name}"})


def _undone(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[str]:
    """Return the subjects that a failed run did not bring about; all where it failed after the last of them."""
    entries = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries]
    done = {e.asset_key.to_user_string() for e in events if e is not None and e.asset_key is not None}
    return subjects(run) - done or subjects(run)


def _ended(instance: dg.DagsterInstance, after: dt.datetime) -> Iterable[dg.RunRecord]:
    """Yield the runs that ended, page by page."""
    return {r.dagster_run.run_id: r for r in _pages(instance, after)}.values()


def _pages(instance: dg.DagsterInstance, after: dt.datetime) -> Iterator[dg.RunRecord]:
    cursor: str | None = None
    while True:
        page = instance.get_run_records(
            filters=dg.RunsFilter(statuses=_ENDED, updated_after=after), limit=PAGE, cursor=cursor
        )
        yield from page
        if len(page) < PAGE:
            return
        cursor = page[-1].dagster_run.run_id


def _aware(moment: dt.datetime) -> dt.datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
