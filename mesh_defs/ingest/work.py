"""What passes over a domain do: plan, read, decode, stage, commit, in rounds over the streams that have news."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from mesh_defs.broker import Brokers, ConnectionKey, TopicQuestions, connection_key
from mesh_defs.broker.registry import Registries
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import StreamDecoder
from mesh_defs.ingest.account import OnProgress, Progress, StreamAccount
from mesh_defs.ingest.chunk import Chunk, Limits, StreamRun, never
from mesh_defs.ingest.decoders import ready_decoder
from mesh_defs.ingest.mirror import Mirror
from mesh_defs.ingest.plan import check_identity, plan_stream
from mesh_defs.ingest.readers import Readers
from mesh_defs.ingest.report import StreamReport, Trouble, count_fields
from mesh_defs.ingest.room import demand_room
from mesh_defs.model.errors import FencedError, MeshError
from mesh_defs.model.records import Commit, OnStep, no_step
from mesh_defs.store import DomainStore, StoreOffsets

FENCED_ROUNDS = 20
"""How often a pass starts over because another writer was faster, before it says so and ends."""


def silent(_progress: Progress) -> None:
    """Say nothing."""


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
        self._store = store
        self._brokers = brokers
        self._registries = Registries(project.config)
        self._mirror = Mirror(project.config.name, brokers)
        self._limits = limits
        self._on_progress = on_progress
        self._on_step = on_step
        self._stopping = stopping
        self._tail = tail
        self._readers = Readers(tail=tail)
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
        self.begin(contracts)
        while self._runs:
            self.round()
        return self.reports()

    def begin(
        self, contracts: Sequence[StreamContract], held: Mapping[str, Collection[int]] | None = None
    ) -> None:
        """Plan streams from what the store and their clusters say now, and open their readers.

        Args:
            contracts: The streams.
            held: For each of them, the partitions that are left alone this time.
        """
        groups: dict[ConnectionKey, list[StreamContract]] = {}
        for contract in contracts:
            self._accounts.setdefault(contract.name, self._account(contract))
            self._held[contract.name] = (held or {}).get(contract.name, ())
            groups.setdefault(connection_key(contract), []).append(contract)
        for group in groups.values():
            try:
                topics = [contract.topic for contract in group]
                # A resident ingester comes back by itself, and others wait for it meanwhile.
                glance = self._brokers.of(group[0]).glance(topics, patient=not self._tail)
            except MeshError as error:
                for contract in group:
                    self._refuse(contract, error)
                continue
            for contract in group:
                try:
                    self._begin(contract, glance)
                except MeshError as error:
                    self._refuse(contract, error)

    def _account(self, contract: StreamContract) -> StreamAccount:
        restored = self._store.restored
        return StreamAccount(contract=contract, warnings=[] if restored is None or self._tail else [restored])

    def _begin(self, contract: StreamContract, glance: TopicQuestions) -> None:
        decoder = self._decoder(contract)
        stored = self.stored.streams.get(contract.name)
        plan = plan_stream(glance, contract, stored).without(self._held[contract.name])
        reader = self._readers.take(contract, self._brokers.of(contract), plan)
        self._accounts[contract.name].begin(plan)
        self._runs[contract.name] = StreamRun(
            contract=contract,
            plan=plan,
            reader=reader,
            decoder=decoder,
            recent=stored.recent if stored else b"",
        )

    def _refuse(self, contract: StreamContract, error: MeshError) -> None:
        """Leave a stream out that cannot begin."""
        self._accounts[contract.name].troubles.append(Trouble(error=error))
        self._readers.drop(contract.name)

    def round(self) -> None:
        """Collect one chunk a stream, commit them together, and let go of the streams that are done."""
        chunks: dict[str, Chunk] = {}
        for name, run in tuple(self._runs.items()):
            try:
                demand_room(self._store.folder, run.contract.full_name)
                chunks[name] = run.collect(self._store, self._limits, self._stopping)
            except MeshError as error:
                self._drop(name, error)
        for name, wrong in self._recheck(chunks).items():
            del chunks[name]
            self._drop(name, wrong)
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

    def mirror(self, silent: Collection[str] = ()) -> Mapping[str, tuple[str, ...]]:
        """Mirror what was committed to the consumer groups, for lag tools only.

        Args:
            silent: Streams that are left out, since their cluster does not answer.

        Returns:
            For each stream whose group somebody had moved, the sentences that say so.
        """
        return self._mirror.flush(silent)

    def let_go(self, stream: str) -> None:
        """Close what is open of a stream: its cluster is to be looked for anew."""
        self._readers.drop(stream)

    def _decoder(self, contract: StreamContract) -> StreamDecoder:
        """Return the stream's decoder; the first time, make its tables fit the contract."""
        if contract.name not in self._decoders:
            self._decoders[contract.name] = ready_decoder(
                self._store, self.stored, contract, self._registries
            )
        return self._decoders[contract.name]

    def _recheck(self, names: Iterable[str]) -> dict[str, MeshError]:
        """Make sure, just before the commit, that what was read is still the topic of the store; return what is not."""
        wrong: dict[str, MeshError] = {}
        groups: dict[ConnectionKey, list[StreamRun]] = {}
        for name in names:
            groups.setdefault(connection_key(self._runs[name].contract), []).append(self._runs[name])
        for group in groups.values():
            broker = self._brokers.of(group[0].contract)
            try:
                found = broker.identities([run.contract.topic for run in group])
            except MeshError as error:
                wrong |= {run.contract.name: error for run in group}
                continue
            for run in group:
                try:
                    topic = run.contract.topic
                    check_identity(
                        run.contract, run.plan.identity, found.get(topic) or broker.identity(topic)
                    )
                except MeshError as error:
                    wrong[run.contract.name] = error
        return wrong

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
            self._mirror.note(run.contract, chunk, run.positions)
            self._on_progress(self._accounts[name].progress)
        if not self._tail:
            for name, warnings in self.mirror().items():
                self._accounts[name].warnings += warnings

    def _start_over(self, chunks: Mapping[str, Chunk], error: FencedError) -> None:
        """Go back to the stored offsets: another writer was faster, and its commit stands."""
        self._fenced += 1
        if self._fenced > FENCED_ROUNDS:
            for name in chunks:
                self._drop(name, error)
            return
        again = [self._runs.pop(name).contract for name in chunks]
        for contract in again:
            self._readers.drop(contract.name)
        self.begin(again, dict(self._held))

    def _drop(self, name: str, error: MeshError | None) -> None:
        """Let go of a stream: it reached its end, or may not go on."""
        run = self._runs.pop(name)
        account = self._accounts[name]
        count_fields(account.unknown, run.unknown)
        account.warnings += run.warnings
        account.troubles += [Trouble(error=e, partition=p) for p, e in run.errors.items()]
        if error is not None:
            account.troubles.append(Trouble(error=error))
            self._readers.drop(name)
