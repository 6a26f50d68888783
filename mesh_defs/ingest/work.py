"""What passes over a domain do: plan, read, decode, stage, commit, in rounds over the streams that have news."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self

from mesh_defs.broker import BoundedReader, Broker, Brokers
from mesh_defs.broker.registry import Registries
from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import StreamDecoder, decoder_for
from mesh_defs.ingest.account import OnProgress, Progress, StreamAccount
from mesh_defs.ingest.chunk import Chunk, Limits, StreamRun, never
from mesh_defs.ingest.plan import StreamPlan, check_identity, check_ownership, plan_stream
from mesh_defs.ingest.report import StreamReport, Trouble
from mesh_defs.model.errors import FencedError, MeshError
from mesh_defs.model.records import Commit, OnStep, no_step
from mesh_defs.store import DomainStore, StoreOffsets

FENCED_ROUNDS = 20
"""How often a pass starts over because another writer was faster, before it says so and ends."""


def silent(_progress: Progress) -> None:
    """Say nothing."""


class Readers:
    """The readers of a domain's streams.

    Args:
        tail: Whether they stay open from pass to pass and go on where they stopped.
    """

    def __init__(self, *, tail: bool) -> None:
        self._tail = tail
        self._open: dict[str, BoundedReader] = {}

    def take(self, contract: StreamContract, broker: Broker, plan: StreamPlan) -> BoundedReader:
        """Return a reader of the plan's ranges."""
        kept = self._open.get(contract.name)
        if kept is not None and kept.extend(plan.ranges):
            return kept
        self.drop(contract.name)
        reader = broker.reader(contract.topic, plan.ranges, tail=self._tail)
        self._open[contract.name] = reader
        return reader

    def drop(self, stream: str) -> None:
        """Close a stream's reader: what it has read beyond the store is read again."""
        reader = self._open.pop(stream, None)
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """Close all of them."""
        for stream in tuple(self._open):
            self.drop(stream)


class DomainWork:
    """Ingests streams of one domain through one open store and its brokers.

    `begin` opens a stream's share of a pass, `round` commits one chunk of every stream that has begun; a stream that
    is through, or may not go on, leaves. One pass begins all its streams and makes rounds until none is left. The
    resident ingester makes one round a tick, for ever, with the readers kept open.

    Args:
        project: The mesh.
        store: The domain's store, open for writing.
        brokers: Of the streams.
        limits: When a chunk is full.
        on_progress: Told after each commit.
        on_step: Told of each numbered step of a commit, for the fault tests.
        tail: Whether readers stay open when a stream is through, and offsets are mirrored only by `mirror`.
        stopping: Whether chunks are to end as they are.
    """

    def __init__(
        self,
        *,
        project: Project,
        store: DomainStore,
        brokers: Brokers,
        limits: Limits,
        on_progress: OnProgress = silent,
        on_step: OnStep = no_step,
        tail: bool = False,
        stopping: Callable[[], bool] = never,
    ) -> None:
        self._mesh = project.config.name
        self._store = store
        self._brokers = brokers
        self._registries = Registries(project.config)
        self._limits = limits
        self._on_progress = on_progress
        self._on_step = on_step
        self._stopping = stopping
        self._tail = tail
        self._readers = Readers(tail=tail)
        self._unmirrored: dict[str, tuple[StreamContract, dict[int, int]]] = {}
        self._writer = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._accounts: dict[str, StreamAccount] = {}
        self._runs: dict[str, StreamRun] = {}
        self._held: dict[str, Collection[int]] = {}
        self._decoders: dict[str, StreamDecoder] = {}
        self._stored: StoreOffsets | None = None
        self._fenced = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._readers.close()
        self._registries.close()

    @property
    def stored(self) -> StoreOffsets:
        """What the store answers for, as of the last commit that was made or met here.

        Raises:
            StoreError: The catalog cannot be read.
        """
        if self._stored is None:
            self._stored = self._store.offsets()
        return self._stored

    def forget(self) -> None:
        """Read what the store answers for anew when it is needed: somebody else may have written."""
        self._stored = None

    def run(self, contracts: Sequence[StreamContract]) -> tuple[StreamReport, ...]:
        """Bring streams to the ends that they have now, and return what became of each."""
        for contract in contracts:
            self.begin(contract)
        while self._runs:
            self.round()
        return self.reports()

    def begin(self, contract: StreamContract, *, held: Collection[int] = ()) -> None:
        """Plan a stream from what the store says now, and open its reader.

        Args:
            contract: The stream.
            held: Partitions that are left alone this time.
        """
        account = self._accounts.setdefault(contract.name, StreamAccount(contract=contract))
        try:
            decoder = self._decoder(contract)
            broker = self._brokers.of(contract)
            stored = self.stored.streams.get(contract.name)
            plan = plan_stream(broker, contract, stored).without(held)
            reader = self._readers.take(contract, broker, plan)
        except MeshError as error:
            account.troubles.append(Trouble(error=error))
            self._readers.drop(contract.name)
            return
        self._held[contract.name] = held
        account.begin(plan)
        self._runs[contract.name] = StreamRun(
            contract=contract,
            plan=plan,
            reader=reader,
            decoder=decoder,
            recent=stored.recent if stored else b"",
        )

    def round(self) -> None:
        """Collect one chunk a stream, commit them together, and let go of the streams that are done."""
        chunks: dict[str, Chunk] = {}
        for name, run in tuple(self._runs.items()):
            try:
                chunk = run.collect(self._store, self._limits, self._stopping)
                self._recheck(run)
            except MeshError as error:
                self._drop(name, error)
            else:
                chunks[name] = chunk
        try:
            self._commit(chunks)
        except FencedError as error:
            self._start_over(chunks, error)
            return
        except MeshError as error:
            for name in chunks:
                self._drop(name, error)
        for name, run in tuple(self._runs.items()):
            if run.done:
                self._drop(name, run.tripped)

    def reports(self) -> tuple[StreamReport, ...]:
        """Return what became of each stream since the last call, and begin new accounts."""
        for name, run in tuple(self._runs.items()):
            self._drop(name, run.tripped)
        found = tuple(account.report() for account in self._accounts.values())
        self._accounts = {}
        return found

    def mirror(self) -> None:
        """Mirror what was committed to the consumer groups, for lag tools only."""
        for contract, positions in self._unmirrored.values():
            group = f"{self._mesh}.{contract.full_name}"
            self._brokers.of(contract).mirror(group, contract.topic, positions)
        self._unmirrored = {}

    def let_go(self, stream: str) -> None:
        """Close what is open of a stream: its cluster is to be looked for anew."""
        self._readers.drop(stream)

    def _decoder(self, contract: StreamContract) -> StreamDecoder:
        """Return the stream's decoder; the first time, make its tables fit the contract."""
        if contract.name not in self._decoders:
            check_ownership(contract, self.stored)
            for table in contract.tables:
                self._store.ensure_table(table.name, table_schema(table))
            self._decoders[contract.name] = decoder_for(contract, self._registries.of(contract))
        return self._decoders[contract.name]

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
            tables={name: [t.name for t in self._runs[name].contract.tables] for name in chunks},
            outcomes={name: chunk.outcomes for name, chunk in chunks.items()},
        )
        if not commit.starts and not commit.advances:
            return
        self._stored = None
        done = self._store.commit(commit, on_step=self._on_step)
        self._fenced = 0
        for advance in commit.advances:
            self._accounts[advance.stream].advance(advance, done.snapshot)
        for name, chunk in chunks.items():
            self._accounts[name].count(chunk.files)
            run = self._runs[name]
            self._unmirrored[name] = (run.contract, dict(run.positions))
            self._on_progress(self._accounts[name].progress)
        if not self._tail:
            self.mirror()

    def _start_over(self, chunks: Mapping[str, Chunk], error: FencedError) -> None:
        """Go back to the stored offsets: another writer was faster, and its commit stands."""
        self._fenced += 1
        for name in chunks:
            if self._fenced > FENCED_ROUNDS:
                self._drop(name, error)
            else:
                self._readers.drop(name)
                self.begin(self._runs.pop(name).contract, held=self._held[name])

    def _drop(self, name: str, error: MeshError | None) -> None:
        """Let go of a stream: it reached its end, or may not go on."""
        run = self._runs.pop(name)
        account = self._accounts[name]
        account.unknown.update(run.unknown)
        account.troubles += [Trouble(error=e, partition=p) for p, e in run.errors.items()]
        if error is not None:
            account.troubles.append(Trouble(error=error))
            self._readers.drop(name)
