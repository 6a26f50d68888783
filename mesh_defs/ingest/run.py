"""One bounded pass over what a domain takes in: its streams from the stored offsets on, and its data at rest."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import Domain, InputContract, RestContract, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.account import OnProgress
from mesh_defs.ingest.chunk import Limits
from mesh_defs.ingest.failures import Failure, write_failures
from mesh_defs.ingest.held_back import note_held_back
from mesh_defs.ingest.lease import pass_lease
from mesh_defs.ingest.observe import observe
from mesh_defs.ingest.report import PassReport
from mesh_defs.ingest.rest import load_inputs
from mesh_defs.ingest.work import DomainWork, silent
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.records import OnStep, no_step
from mesh_defs.query import refresh_script
from mesh_defs.store import DomainStore


def run_pass(
    project: Project,
    domain: Domain,
    streams: Sequence[str] | None = None,
    *,
    on_progress: OnProgress = silent,
    on_step: OnStep = no_step,
    limits: Limits | None = None,
) -> PassReport:
    """Ingest everything that is on the broker when the pass begins, and what changed of the data at rest.

    The order of effects:

    1. Take the domain's ingest lease; a second pass waits for the first. Where the resident ingester holds it, the
       pass is superseded: it watches until that one has committed what was on the broker, and reports it. The data
       at rest it loads itself: the fence in the commit keeps two loads apart.
    2. Open the store; make the streams' tables fit their contracts.
    3. For each stream compare topic identity and watermarks with the stored offsets.
    4. In rounds: each stream with news reads, decodes and stages one chunk; then one commit makes the
       chunks of all streams visible, with their ledger entries and offsets. A fenced commit is dropped whole
       and the streams begin again at the stored offsets.
    5. After each commit, mirror the offsets to the consumer group (for lag tools only).
    6. Then the data at rest, one input after the other, each with a commit of its own (`ingest.rest`).

    A stream or an input that fails does not stop the others; what it committed before stays. What is retired is left
    out, also where it is named.

    Args:
        project: The mesh.
        domain: The domain whose streams are read.
        streams: Names of the streams and of the data at rest; None means all.
        on_progress: Told after each commit, and while files are read.
        on_step: Told of each numbered step of a commit, for the fault tests.
        limits: When a chunk is full.

    Returns:
        What became of each stream; failures are in it, not raised.

    Raises:
        ConfigError: A name in `streams` is neither a stream nor data at rest of the domain.
        StoreError: The domain's store cannot be opened.
    """
    contracts = _chosen(domain, streams)
    if not contracts:
        return PassReport(domain=domain.name, streams=())
    make = partial(
        _pass, project, domain, on_progress=on_progress, on_step=on_step, limits=limits or Limits()
    )
    while True:
        with pass_lease(project.data_folder(domain.name)) as resident:
            if resident is None:
                return make(contracts)
        streams_ = [c for c in contracts if isinstance(c, StreamContract)]
        inputs = [c for c in contracts if isinstance(c, RestContract)]
        seen: PassReport | None = PassReport(domain=domain.name)
        if streams_:
            seen = observe(project, domain, streams_, resident, on_progress)
        if seen is not None:
            return replace(seen, streams=seen.streams + make(inputs).streams) if inputs else seen


def _pass(
    project: Project,
    domain: Domain,
    contracts: Sequence[InputContract],
    *,
    on_progress: OnProgress,
    on_step: OnStep,
    limits: Limits,
) -> PassReport:
    """Make a pass; for streams, the lease is held."""
    folder = project.data_folder(domain.name)
    with (
        DomainStore.open(folder, domain.name) as store,
        Brokers(project.config) as brokers,
        DomainWork(
            project=project,
            store=store,
            brokers=brokers,
            on_progress=on_progress,
            on_step=on_step,
            limits=limits,
        ) as work,
        _collector_paused(),
    ):
        streams = [c for c in contracts if isinstance(c, StreamContract)]
        reports = work.run(streams)
        stopped = {r.stream for r in reports for t in r.troubles if t.partition is None}
        answering = [c for c in streams if c.name not in stopped]
        note_held_back(folder, brokers, answering, work.stored)
        inputs = [c for c in contracts if isinstance(c, RestContract)]
        reports += load_inputs(project, store, inputs, on_progress=on_progress, on_step=on_step)
        report = PassReport(domain=domain.name, streams=reports)
        write_failures(folder, {c.name for c in contracts}, _failures(report))
        refresh_script(project)
    return report


def _chosen(domain: Domain, streams: Sequence[str] | None) -> tuple[InputContract, ...]:
    if streams is None:
        return domain.live.ingested
    known = {c.name: c for c in domain.ingested}
    for name in streams:
        if name not in known:
            raise ConfigError(
                cannot=f"ingest {domain.name}.{name}",
                why=f"{domain.name} has no such stream; it has {', '.join(sorted(known)) or 'none'}",
                do="name one of them, or only the domain",
            )
    return tuple(known[name] for name in streams if not known[name].is_retired)


def _failures(report: PassReport) -> list[Failure]:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    return [
        Failure(
            stream=s.stream,
            partition=t.partition,
            error=type(t.error).__name__,
            message=str(t.error),
            at=now,
        )
        for s in report.streams
        for t in s.troubles
    ]


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Keep the cyclic collector from walking 100,000 live messages again and again: they have no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
