"""A domain's topics and event tables as assets: one body makes one pass for the streams that a run selected."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import datetime as dt
from collections.abc import Callable, Iterator, Sequence

import dagster as dg

from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest import PassReport, Progress, StreamReport, run_pass
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.checks import check_specs, ledger_result, moving_result
from mesh_defs.orchestration.describe import contract_metadata, description, owners, tags
from mesh_defs.orchestration.evidence import stream_metadata, topic_metadata
from mesh_defs.orchestration.freshness import freshness_policy, freshness_result, freshness_spec
from mesh_defs.orchestration.keys import FRESHNESS_CHECK, LEDGER_CHECK, MOVING_CHECK, table_key, topic_key
from mesh_defs.orchestration.quality import quality_results, quality_specs
from mesh_defs.store import DomainStore, StoreOffsets

PassEvent = dg.MaterializeResult[None] | dg.AssetCheckResult
"""What the body tells Dagster of one stream."""


def topic_specs(domain: Domain) -> tuple[dg.AssetSpec, ...]:
    """Return the domain's topics: assets that others fill. Several streams may read one topic."""
    topics = {s.topic: s for s in reversed(domain.streams)}
    return tuple(
        dg.AssetSpec(
            topic_key(domain.name, topic),
            group_name=domain.name,
            kinds={"kafka"},
            owners=owners(contract, domain),
            description=f"The Kafka topic {topic}, read through the connection {contract.server}.",
            metadata={
                "topic": dg.MetadataValue.text(topic),
                "connection": dg.MetadataValue.text(contract.server),
                "format": dg.MetadataValue.text(contract.format),
                "contract": dg.MetadataValue.path(str(contract.path)),
            },
        )
        for topic, contract in sorted(topics.items())
    )


def table_spec(domain: Domain, contract: StreamContract) -> dg.AssetSpec:
    """Return the asset of a stream's events table."""
    return dg.AssetSpec(
        table_key(domain.name, contract.name),
        deps=[topic_key(domain.name, contract.topic)],
        group_name=domain.name,
        kinds={"ducklake", "parquet"},
        owners=owners(contract, domain),
        tags=tags(contract),
        description=description(contract),
        metadata=contract_metadata(contract),
        freshness_policy=freshness_policy(contract),
    )


def ingest_assets(project: Project, domain: Domain) -> dg.AssetsDefinition:
    """Return the event tables of a domain as one asset definition, of which a run may select any part."""
    keys = {s.name: table_key(domain.name, s.name) for s in domain.streams}

    @dg.multi_asset(
        name=f"{domain.name}__ingest",
        specs=[table_spec(domain, s) for s in domain.streams],
        check_specs=[spec for s in domain.streams for spec in _all_specs(s, keys[s.name])],
        can_subset=True,
        description="One bounded pass: reads every selected stream up to its last stable offsets and commits.",
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[PassEvent]:
        chosen = [name for name, key in keys.items() if key in context.selected_asset_keys]
        try:
            report = run_pass(project, domain, chosen, on_progress=_progress_log(context))
            stored = _stored(project, domain)
        except MeshError as error:
            raise _failure([error]) from error
        yield from _told(context, project, domain, report, stored)
        errors = [error for stream in report.failed for error in stream.errors]
        if errors:
            raise _failure(errors)

    return ingest


def _all_specs(contract: StreamContract, key: dg.AssetKey) -> tuple[dg.AssetCheckSpec, ...]:
    return (*check_specs(key), *freshness_spec(contract, key), *quality_specs(contract, key))


def _told(
    context: dg.AssetExecutionContext,
    project: Project,
    domain: Domain,
    report: PassReport,
    stored: StoreOffsets,
) -> Iterator[PassEvent]:
    """Yield what became of each stream; what a stopped stream committed before is a materialisation too."""
    for stream in report.streams:
        _report_topic(context, domain, stream)
        key = table_key(domain.name, stream.stream)
        if not stream.errors or stream.snapshot is not None:
            metadata = stream_metadata(stream, stored.streams.get(stream.stream))
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)
        wanted = {c.name for c in context.selected_asset_check_keys if c.asset_key == key}
        if LEDGER_CHECK in wanted:
            yield ledger_result(project, domain, stream.stream, key)
        if MOVING_CHECK in wanted:
            yield moving_result(stream, key)
        contract = domain.stream(stream.stream)
        if FRESHNESS_CHECK in wanted and contract is not None:
            found = freshness_result(contract, key, stored, dt.datetime.now(dt.UTC))
            if found is not None:
                yield found
        if contract is not None:
            yield from quality_results(project, domain, contract, key, wanted)


def _report_topic(context: dg.AssetExecutionContext, domain: Domain, stream: StreamReport) -> None:
    """Tell that the topic moved, if it did: without a run, for no run of the mesh fills a topic."""
    contract = domain.stream(stream.stream)
    if contract is None or all(p.end_offset <= p.from_offset for p in stream.partitions):
        return
    context.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=topic_key(domain.name, contract.topic), metadata=topic_metadata(stream)
        )
    )


def _stored(project: Project, domain: Domain) -> StoreOffsets:
    with DomainStore.open(project.data_folder(domain.name), domain.name, read_only=True) as store:
        return store.offsets()


def _progress_log(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """Return what writes one line a commit into the run's log."""

    def log(progress: Progress) -> None:
        context.log.info("%s: %s of %s offsets", progress.stream, f"{progress.done:,}", f"{progress.total:,}")

    return log


def _failure(errors: Sequence[MeshError]) -> dg.Failure:
    """Return the run's failure: the message itself for one error, a list for several. The sensor retries."""
    lines = list(dict.fromkeys(map(str, errors)))
    text = (
        lines[0]
        if len(lines) == 1
        else "\n".join([f"{len(lines)} reasons:", *(f"- {line}" for line in lines)])
    )
    return dg.Failure(description=text, allow_retries=False)
