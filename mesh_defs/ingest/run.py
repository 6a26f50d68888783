"""One bounded pass over a domain's streams: from the stored offsets to the last stable ones."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import os
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence

from mesh_defs.broker import Brokers
from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import decoder_for
from mesh_defs.ingest.account import OnProgress, Progress, StreamAccount
from mesh_defs.ingest.chunk import Chunk, Limits, StreamRun
from mesh_defs.ingest.failures import Failure, write_failures
from mesh_defs.ingest.lease import ingest_lease
from mesh_defs.ingest.plan import check_identity, plan_stream
from mesh_defs.ingest.report import PassReport, StreamReport, Trouble
from mesh_defs.model.errors import ConfigError, FencedError, MeshError
from mesh_defs.model.records import Commit, OnStep, no_step
from mesh_defs.query import refresh_script
from mesh_defs.store import DomainStore

FENCED_ROUNDS = 20
"""How often a pass starts over because another writer was faster, before it says so and ends."""


def _silent(_progress: Progress) -> None:
    """Say nothing."""


def run_pass(
    project: Project,
    domain: Domain,
    streams: Sequence[str] | None = None,
    *,
    on_progress: OnProgress = _silent,
    on_step: OnStep = no_step,
    limits: Limits | None = None,
) -> PassReport:
    """Ingest everything that is on the broker when the pass begins.

    The order of effects:

    1. Take the domain's ingest lease; a second pass waits for the first.
    2. Open the store; make the streams' tables fit their contracts.
    3. For each stream compare topic identity and watermarks with the stored offsets.
    4. In rounds: each stream with news reads, decodes and stages one chunk; then one commit makes the
       chunks of all streams visible, with their ledger entries and offsets. A fenced commit is dropped whole
       and the streams begin again at the stored offsets.
    5. After each commit, mirror the offsets to the consumer group (for lag tools only).

    A stream that fails does not stop the others; what it committed before stays.

    Args:
        project: The mesh.
        domain: The domain whose streams are read.
        streams: Names of the streams to read; None means all.
        on_progress: Told after each commit.
        on_step: Told of each numbered step of a commit, for the fault tests.
        limits: When a chunk is full.

    Returns:
        What became of each stream; failures are in it, not raised.

    Raises:
        ConfigError: A name in `streams` is no stream of the domain.
        StoreError: The domain's store cannot be opened.
    """
    contracts = _chosen(domain, streams)
    folder = project.data_folder(domain.name)
    with (
        ingest_lease(folder),
        DomainStore.open(folder, domain.name) as store,
        Brokers(project.config) as brokers,
        _collector_paused(),
    ):
        work = _Pass(
            project=project,
            store=store,
            brokers=brokers,
            on_progress=on_progress,
            on_step=on_step,
            limits=limits or Limits(),
        )
        report = PassReport(domain=domain.name, streams=work.run(contracts))
        write_failures(folder, {c.name for c in contracts}, _failures(report))
        refresh_script(project)
    return report


class _Pass:
    """The state of one pass."""

    def __init__(
        self,
        *,
        project: Project,
        store: DomainStore,
        brokers: Brokers,
        on_progress: OnProgress,
        on_step: OnStep,
        limits: Limits,
    ) -> None:
        self._mesh = project.config.name
        self._store = store
        self._brokers = brokers
        self._on_progress = on_progress
        self._on_step = on_step
        self._limits = limits
        self._writer = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._accounts: dict[str, StreamAccount] = {}
        self._runs: dict[str, StreamRun] = {}
        self._fenced = 0

    def run(self, contracts: Sequence[StreamContract]) -> tuple[StreamReport, ...]:
        with contextlib.ExitStack() as readers:
            for contract in contracts:
                self._accounts[contract.name] = StreamAccount(contract=contract)
                self._begin(contract, readers)
            while self._runs:
                self._round(readers)
        return tuple(account.report() for account in self._accounts.values())

    def _begin(self, contract: StreamContract, readers: contextlib.ExitStack) -> None:
        """Plan a stream from what the store says now, and open its reader."""
        account = self._accounts[contract.name]
        try:
            self._store.ensure_table(contract.name, table_schema(contract))
            decoder = decoder_for(contract)
            broker = self._brokers.of(contract)
            stored = self._store.offsets().streams.get(contract.name)
            plan = plan_stream(broker, contract, stored)
            reader = readers.enter_context(broker.reader(contract.topic, plan.ranges))
        except MeshError as error:
            account.troubles.append(Trouble(error=error))
            return
        account.begin(plan)
        self._runs[contract.name] = StreamRun(
            contract=contract,
            plan=plan,
            reader=reader,
            decoder=decoder,
            recent=stored.recent if stored else b"",
        )

    def _round(self, readers: contextlib.ExitStack) -> None:
        """Collect one chunk a stream, commit them together, and let go of the streams that are done."""
        chunks: dict[str, Chunk] = {}
        for name, run in tuple(self._runs.items()):
            try:
                chunk = run.collect(self._store, self._limits)
                self._recheck(run)
            except MeshError as error:
                self._drop(name, error)
            else:
                chunks[name] = chunk
        try:
            self._commit(chunks)
        except FencedError as error:
            self._start_over(chunks, error, readers)
            return
        except MeshError as error:
            for name in chunks:
                self._drop(name, error)
        for name, run in tuple(self._runs.items()):
            if run.done:
                self._drop(name, run.tripped)

    def _recheck(self, run: StreamRun) -> None:
        """Make sure, just before the commit, that what was read is still the topic of the store."""
        found = self._brokers.of(run.contract).identity(run.contract.topic)
        check_identity(run.contract, run.plan.identity, found)

    def _commit(self, chunks: Mapping[str, Chunk]) -> None:
        commit = Commit(
            writer=self._writer,
            starts=[start for chunk in chunks.values() for start in chunk.starts],
            advances=[advance for chunk in chunks.values() for advance in chunk.advances],
            files=[file for chunk in chunks.values() for file in chunk.files],
            outcomes={name: chunk.outcomes for name, chunk in chunks.items()},
        )
        if not commit.starts and not commit.advances:
            return
        done = self._store.commit(commit, on_step=self._on_step)
        self._fenced = 0
        for advance in commit.advances:
            self._accounts[advance.stream].advance(advance, done.snapshot)
        for name in chunks:
            run = self._runs[name]
            group = f"{self._mesh}.{run.contract.full_name}"
            self._brokers.of(run.contract).mirror(group, run.contract.topic, run.positions)
            self._on_progress(self._accounts[name].progress)

    def _start_over(
        self, chunks: Mapping[str, Chunk], error: FencedError, readers: contextlib.ExitStack
    ) -> None:
        """Go back to the stored offsets: another writer was faster, and its commit stands."""
        self._fenced += 1
        for name in chunks:
            if self._fenced > FENCED_ROUNDS:
                self._drop(name, error)
            else:
                self._begin(self._runs.pop(name).contract, readers)

    def _drop(self, name: str, error: MeshError | None) -> None:
        """Let go of a stream: it reached its end, or may not go on."""
        run = self._runs.pop(name)
        account = self._accounts[name]
        account.unknown.update(run.unknown)
        account.troubles += [Trouble(error=e, partition=p) for p, e in run.errors.items()]
        if error is not None:
            account.troubles.append(Trouble(error=error))


def _chosen(domain: Domain, streams: Sequence[str] | None) -> tuple[StreamContract, ...]:
    if streams is None:
        return domain.streams
    known = {s.name: s for s in domain.streams}
    for name in streams:
        if name not in known:
            raise ConfigError(
                cannot=f"ingest {domain.name}.{name}",
                why=f"{domain.name} has no such stream; it has {', '.join(sorted(known)) or 'none'}",
                do="name one of them, or only the domain",
            )
    return tuple(known[name] for name in streams)


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
