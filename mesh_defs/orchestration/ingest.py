"""A domain's topics and event tables as assets: one body makes one pass for the streams that a run selected."""

# No `from __future__ import annotations` here: Dagster reads the annotation of `context` at definition.
import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from mesh_defs.contract.contract import Domain, InputContract, RestContract, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest import Progress, StreamReport, run_pass
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.checks import check_specs, ledger_results, moving_result
from mesh_defs.orchestration.describe import contract_metadata, description, owners, tags
from mesh_defs.orchestration.evidence import stream_metadata, topic_metadata, type_metadata
from mesh_defs.orchestration.files import report_files
from mesh_defs.orchestration.freshness import freshness_policy, freshness_result, freshness_spec
from mesh_defs.orchestration.keys import (
    FRESHNESS_CHECK,
    LEDGER_CHECK,
    MOVING_CHECK,
    file_key,
    table_key,
    table_keys,
    topic_key,
)
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
                "contract_file": dg.MetadataValue.path(str(contract.path)),
            },
        )
        for topic, contract in sorted(topics.items())
    )


def table_spec(domain: Domain, contract: InputContract) -> dg.AssetSpec:
    """Return the asset of a table that a pass fills: of a stream, of one event type, or of data at rest."""
    source = file_key(domain.name, contract.name)
    if isinstance(contract, StreamContract):
        source = topic_key(domain.name, contract.topic)
    return dg.AssetSpec(
        table_key(domain.name, contract.name),
        deps=[source],
        group_name=domain.name,
        kinds={"ducklake", "parquet"},
        owners=owners(contract, domain),
        tags=tags(contract),
        description=description(contract),
        metadata=contract_metadata(contract),
        freshness_policy=freshness_policy(contract),
    )


def ingest_assets(project: Project, domain: Domain) -> dg.AssetsDefinition:
    """Return the event tables of a domain as one asset definition, of which a run may select any part.

    A stream is read whole: where a run selects one of several event types, the tables of the others move too. A run
    that selects only a check makes the pass for its stream as well, since that is what the verdict is about.
    """
    keys = table_keys(domain.live)
    tables = [table for contract in domain.live.ingested for table in contract.tables]

    @dg.multi_asset(
        name=f"{domain.name}__ingest",
        specs=[table_spec(domain, t) for t in tables],
        check_specs=[spec for t in tables for spec in table_checks(t, table_key(domain.name, t.name))],
        can_subset=True,
        description="One bounded pass: reads every selected stream to its end, and files that changed.",
    )
    def ingest(context: dg.AssetExecutionContext) -> Iterator[PassEvent]:
        checked = {check.asset_key for check in context.selected_asset_check_keys}
        wanted = checked | context.selected_asset_keys
        chosen = [name for name, own in keys.items() if not wanted.isdisjoint(own)]
        try:
            report = run_pass(project, domain, chosen, on_progress=_progress_log(context))
            telling = Telling(
                project=project,
                domain=domain,
                stored=stored_offsets(project, domain),
                instance=context.instance,
                tables=context.selected_asset_keys,
                checks=context.selected_asset_check_keys,
            )
        except MeshError as error:
            raise _failure([error]) from error
        for stream in report.streams:
            yield from stream_events(telling, stream)
        errors = [error for stream in report.failed for error in stream.errors]
        if errors:
            raise _failure(errors)

    return ingest


def table_checks(contract: InputContract, key: dg.AssetKey) -> tuple[dg.AssetCheckSpec, ...]:
    """Return the checks of a table that a pass fills."""
    return (
        *check_specs(key, at_rest=isinstance(contract, RestContract)),
        *freshness_spec(contract, key),
        *quality_specs(contract, key),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What is needed to tell Dagster what was ingested.

    Attributes:
        stored: What the store answers for now.
        tables: The tables that are told by events of the caller's; others that moved are told without a run.
        checks: The checks that are to be evaluated.
    """

    project: Project
    domain: Domain
    stored: StoreOffsets
    instance: dg.DagsterInstance
    tables: Collection[dg.AssetKey]
    checks: Collection[dg.AssetCheckKey]


def stream_events(telling: Telling, report: StreamReport) -> Iterator[PassEvent]:
    """Yield what became of a stream; what a stopped one committed before is a materialisation too."""
    project, domain = telling.project, telling.domain
    contract = next((c for c in domain.ingested if c.name == report.stream), None)
    if contract is None:
        return
    if isinstance(contract, StreamContract):
        _report_topic(telling.instance, contract, report)
    elif isinstance(contract, RestContract):
        report_files(telling.instance, contract, report)
    keys = {table_key(domain.name, table.name): table for table in contract.tables}
    yield from _moved(telling, report, keys)
    wanted = {key: {c.name for c in telling.checks if c.asset_key == key} for key in keys}
    rows = dict(report.tables)
    # Products wait for the verdict on every input that moved, also where the run did not select it.
    others = {k for k, t in keys.items() if k not in telling.tables and rows.get(t.name)}
    judged = [key for key in keys if LEDGER_CHECK in wanted[key] or key in others]
    yield from ledger_results(project, domain, report.stream, judged)
    for key, table in keys.items():
        if MOVING_CHECK in wanted[key]:
            yield moving_result(report, contract, telling.stored.streams.get(report.stream), key)
        if FRESHNESS_CHECK in wanted[key]:
            found = freshness_result(table, key, telling.stored, dt.datetime.now(dt.UTC))
            if found is not None:
                yield found
        yield from quality_results(project, domain, table, key, wanted[key])


def _moved(
    telling: Telling, report: StreamReport, keys: Mapping[dg.AssetKey, InputContract]
) -> Iterator[PassEvent]:
    """Yield the materialisation of each selected table; those of the same stream that moved too are told apart."""
    if report.errors and report.snapshot is None:
        return
    stored = telling.stored.streams.get(report.stream)
    for key, table in keys.items():
        metadata = stream_metadata(report, stored)
        if isinstance(table, StreamContract) and table.part_of is not None:
            metadata = type_metadata(report, stored, table.name, _row_count(telling, table.name))
        if key in telling.tables:
            yield dg.MaterializeResult(asset_key=key, metadata=metadata)
        elif dict(report.tables).get(table.name):
            event = dg.AssetMaterialization(asset_key=key, metadata=metadata)
            telling.instance.report_runless_asset_event(event)


def _row_count(telling: Telling, table: str) -> int:
    folder = telling.project.data_folder(telling.domain.name)
    with DomainStore.open(folder, telling.domain.name, read_only=True) as store:
        return store.row_count(table)


def _report_topic(instance: dg.DagsterInstance, contract: StreamContract, stream: StreamReport) -> None:
    """Tell that the topic moved, if it did: without a run, for no run of the mesh fills a topic."""
    if all(p.end_offset <= p.from_offset for p in stream.partitions):
        return
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=topic_key(contract.domain, contract.topic), metadata=topic_metadata(stream)
        )
    )


def stored_offsets(project: Project, domain: Domain) -> StoreOffsets:
    """Return what the domain's store answers for.

    Raises:
        StoreError: There is none, or it cannot be read.
    """
    with DomainStore.open(project.data_folder(domain.name), domain.name, read_only=True) as store:
        return store.offsets()


def _progress_log(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """Return what writes one line a commit into the run's log."""

    def log(progress: Progress) -> None:
        done, total = f"{progress.done:,}", f"{progress.total:,}"
        context.log.info("%s: %s of %s %s", progress.stream, done, total, progress.unit)

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
