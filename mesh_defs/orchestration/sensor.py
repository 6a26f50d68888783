"""The sensor of a domain: compares the broker with the store and asks for one run for all streams with news."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import time
from collections.abc import Mapping

import dagster as dg

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.ingest import StreamNews, news
from mesh_defs.ingest.lease import RESIDENT, files_holder, lease_holder, nudges
from mesh_defs.ingest.rest import Hashes, InputNews, input_news
from mesh_defs.model.errors import BrokerUnavailableError
from mesh_defs.orchestration.asking import ATTEMPTS, LastRun, decide
from mesh_defs.orchestration.automation import INTERVAL_SECONDS
from mesh_defs.orchestration.dead_runs import runs_under_way
from mesh_defs.orchestration.keys import DOMAIN_TAG, asked_tag, attempt_tag, table_keys

BROKER_SECONDS = 10.0
"""How long a tick waits for a cluster. Dagster gives up a tick, with all that it found, after 60 s."""

REST_SECONDS = 6.0
"""How long a domain rests between two runs: one turn of the daemon's automation loop, and a bit.

While an input's run goes, its ledger check counts as unanswered and its products are not asked for; streams that
always have news would leave them no moment.
"""

NO_RETRY_TAG = "dagster/max_retries"
"""With the value 0: the sensor itself asks again, and Dagster must not as well."""

FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


def ingest_sensor(project: Project, domain: Domain) -> dg.SensorDefinition:
    """Return the sensor of a domain.

    It holds no progress: neither a run key (a failed run would burn it) nor a cursor. What was asked for stands in
    the tags of the runs, what was done in the store.
    """
    keys = table_keys(domain.live)
    hashes = Hashes()

    @dg.sensor(
        name=f"{domain.name}__ingest",
        asset_selection=dg.AssetSelection.assets(*(key for tables in keys.values() for key in tables)),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Asks for one run for all streams whose topic has offsets that the store does not answer for, and for the "
            "data at rest whose files changed."
        ),
    )
    def ingest(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return ask(context.instance, project, domain, hashes)

    return ingest


def ask(
    instance: dg.DagsterInstance, project: Project, domain: Domain, hashes: Hashes | None = None
) -> dg.RunRequest | dg.SkipReason:
    """Ask for a run, or say why not.

    Args:
        instance: Dagster.
        project: The mesh.
        domain: The domain.
        hashes: What is known of files from before.

    Raises:
        StoreError: The domain's store cannot be read; the tick fails and says so.
    """
    domain = domain.live
    busy = _under_way(instance, domain.name)
    if busy is not None:
        return dg.SkipReason(f"run {busy.run_id[:8]} is under way ({busy.status.value})")
    folder = project.data_folder(domain.name)
    holder = lease_holder(folder)
    loader = files_holder(folder) if domain.inputs else None
    streams = holder is None and bool(domain.streams)
    inputs = (holder is None or holder.purpose == RESIDENT) and loader is None and bool(domain.inputs)
    if not streams and not inputs:
        return dg.SkipReason(f"{holder or loader} ingests {domain.name}")
    rest = _rest(instance, domain.name, now=time.time())
    if rest > 0:
        return dg.SkipReason(f"a run ended just now; products have {rest:.0f} s to be asked for")
    try:
        found = _news(project, domain, hashes, streams=streams, inputs=inputs)
    except BrokerUnavailableError as error:
        return dg.SkipReason(str(error))
    decision = decide(
        found,
        lambda stream: _last_run(instance, domain.name, stream),
        now=time.time(),
        decided_at=nudges(folder) / 1e9,
    )
    if not decision.tags:
        return dg.SkipReason(decision.reason)
    tags = {DOMAIN_TAG: domain.name, NO_RETRY_TAG: "0"}
    for more in decision.tags.values():
        tags |= more
    keys = table_keys(domain)
    return dg.RunRequest(asset_selection=[key for s in decision.tags for key in keys[s]], tags=tags)


def _news(
    project: Project, domain: Domain, hashes: Hashes | None, *, streams: bool, inputs: bool
) -> Mapping[str, StreamNews | InputNews]:
    """Return how everything stands that a run would look after, and no resident ingester does."""
    if not streams:
        return input_news(project, domain, hashes)
    found = news(project, domain, timeout=BROKER_SECONDS, hashes=hashes)
    return {**found.streams, **found.inputs} if inputs else found.streams


def _under_way(instance: dg.DagsterInstance, domain: str) -> dg.DagsterRun | None:
    """Return a run that this domain's sensor asked for and that has not ended."""
    return next((run for run in runs_under_way(instance) if run.tags.get(DOMAIN_TAG) == domain), None)


def _rest(instance: dg.DagsterInstance, domain: str, *, now: float) -> float:
    """Return the seconds that are left of the rest after the domain's last run."""
    records = instance.get_run_records(filters=dg.RunsFilter(tags={DOMAIN_TAG: domain}), limit=1)
    ended = records[0].end_time if records else None
    return 0.0 if ended is None else ended + REST_SECONDS - now


def _last_run(instance: dg.DagsterInstance, domain: str, stream: str) -> LastRun | None:
    wanted = dg.RunsFilter(tags={DOMAIN_TAG: domain, attempt_tag(stream): list(ATTEMPTS)})
    records = instance.get_run_records(filters=wanted, limit=1)
    if not records:
        return None
    run = records[0].dagster_run
    return LastRun(
        failed=run.status in FAILED,
        attempt=int(run.tags[attempt_tag(stream)]),
        asked=frozenset(run.tags.get(asked_tag(stream), "").split()),
        created_at=records[0].create_timestamp.timestamp(),
        ended_at=records[0].end_time or records[0].update_timestamp.timestamp(),
    )
