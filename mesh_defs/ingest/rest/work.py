"""Loads of a domain's data at rest, one after another, each with a commit of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mesh_defs.contract.arrow import LOADS, table_schema
from mesh_defs.contract.choices import LoadMode
from mesh_defs.contract.contract import RestContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.account import OnProgress, Progress
from mesh_defs.ingest.report import PartitionReport, StreamReport, Trouble
from mesh_defs.ingest.rest.files import Hashes, look_at
from mesh_defs.ingest.rest.load import EPOCH, PARTITION, Load, Loading, check_not_emptied
from mesh_defs.ingest.rest.plan import LoadPlan, plan_load
from mesh_defs.ingest.rest.seen import read_seen
from mesh_defs.ingest.room import demand_room
from mesh_defs.model.errors import FencedError, MeshError, SourceChangedError, SourceError
from mesh_defs.model.records import Commit, Committed, OnStep, PartitionRemoval, PartitionStart, TopicIdentity
from mesh_defs.store import DomainStore, StreamOffsets, read_loads
from mesh_defs.store.layout import LOADS_TABLE

ATTEMPTS = 5
"""How often a load begins anew because a file changed meanwhile, or another writer was faster."""

FILES = TopicIdentity(cluster_id="", topic_id="files")
"""What stands in the place of a topic's identity."""


def load_inputs(
    project: Project,
    store: DomainStore,
    contracts: Sequence[RestContract],
    *,
    on_progress: OnProgress,
    on_step: OnStep,
) -> tuple[StreamReport, ...]:
    """Load what is new of a domain's data at rest. One that fails does not stop the others.

    Args:
        project: The mesh.
        store: The domain's, open for writing.
        contracts: Which of its data at rest.
        on_progress: Told of the bytes that were read.
        on_step: Told of each numbered step of a commit, for the fault tests.
    """
    writer = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
    return tuple(
        _Work(
            project=project, store=store, contract=c, writer=writer, on_progress=on_progress, on_step=on_step
        ).run()
        for c in contracts
    )


class _ChangedError(Exception):
    """A file changed while it was read; the text is its name."""


@dataclass(slots=True, kw_only=True)
class _Work:
    """One input within one pass."""

    project: Project
    store: DomainStore
    contract: RestContract
    writer: str
    on_progress: OnProgress
    on_step: OnStep
    _hashes: Hashes = field(default_factory=Hashes)

    def run(self) -> StreamReport:
        """Load the input if its source has news, and return what became of it.

        The order of effects:

        1. Make the table fit its contract.
        2. Look at the files; compare them with the loads that the store holds. Nothing new ends here.
        3. Read, decode and stage their records; too many broken ones end here, and the table stays as it was.
        4. Look at the files again: one that changed meanwhile makes the load begin anew.
        5. Commit: the rows of the snapshot before go, the new ones come, with ledger entries, the files' names and
           hashes, and offsets, at once. A fenced commit makes the load begin anew.
        """
        report = StreamReport(domain=self.contract.domain, stream=self.contract.name)
        try:
            self.store.ensure_table(self.contract.name, table_schema(self.contract))
            self.store.ensure_table(LOADS_TABLE, LOADS)
            return self._until_it_stands(report)
        except MeshError as error:
            return replace(report, troubles=(Trouble(error=error),))

    def _until_it_stands(self, report: StreamReport) -> StreamReport:
        """Load, again where a file changed while it was read, or another writer was faster."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(FencedError, _ChangedError):
                return self._load(report)
        try:
            return self._load(report)
        except _ChangedError as error:
            raise SourceChangedError(
                cannot=f"load {self.contract.full_name}",
                why=f"{error} changes while it is read",
                do="write it under another name and rename it when it is whole; the table stays as it is",
            ) from None

    def _load(self, report: StreamReport) -> StreamReport:
        stored = self.store.offsets().streams.get(self.contract.name)
        self._check_identity(stored)
        loads = read_loads(self.store, self.contract.name)
        plan = plan_load(self.project.root, self.contract, loads, self._hashes)
        begin = stored.partitions[PARTITION].next_offset if stored else 0
        part = PartitionReport(
            partition=PARTITION, epoch=EPOCH, from_offset=begin, to_offset=begin, end_offset=begin
        )
        if not plan.files:
            return replace(report, partitions=(part,))
        demand_room(self.store.folder, self.contract.full_name)
        load = self._loading(plan, stored, begin).run()
        changed = self._changed(plan, load)
        if changed is not None:
            raise _ChangedError(changed)
        done = self._commit(plan, stored, load)
        part = replace(part, end_offset=load.advance.to_offset).plus(load.advance, done.snapshot)
        return replace(
            report,
            partitions=(part,),
            unknown_fields=tuple(sorted(load.unknown.items())),
            tables=((self.contract.name, load.advance.row_count),),
        )

    def _loading(self, plan: LoadPlan, stored: StreamOffsets | None, begin: int) -> Loading:
        appends = self.contract.load is LoadMode.APPEND
        cursor = self.contract.cursor if appends and plan.live_from is not None else None
        return Loading(
            store=self.store,
            contract=self.contract,
            plan=plan,
            hashes=self._hashes,
            begin=begin,
            recent=stored.recent if stored and appends else b"",
            seen=read_seen(self.store, self.contract, cursor) if cursor else None,
            on_bytes=_Meter(self.contract, plan, self.on_progress).read,
        )

    def _check_identity(self, stored: StreamOffsets | None) -> None:
        if stored is not None and stored.identity != FILES:
            raise SourceError(
                cannot=f"load {self.contract.full_name}",
                why=f"the store accounts for a stream of that name, read from the topic {stored.identity.topic_id}",
                do="declare the data at rest under another name",
            )

    def _changed(self, plan: LoadPlan, load: Load) -> str | None:
        """Return a file that is no longer what was read, or None."""
        for file, loaded in zip(plan.files, load.loaded, strict=True):
            now = look_at(self.contract, self.project.root, file.name)
            if now.identity != file.identity or self._hashes.of(self.contract, now) != loaded.sha256:
                return file.name
        return None

    def _commit(self, plan: LoadPlan, stored: StreamOffsets | None, load: Load) -> Committed:
        name, advance = self.contract.name, load.advance
        known = stored.partitions[PARTITION] if stored else None
        rows = known.rows - known.removed if known else 0
        check_not_emptied(self.contract, load, rows)
        start = PartitionStart(
            stream=name, epoch=EPOCH, partition=PARTITION, offset=advance.from_offset, identity=FILES
        )
        replaces = self.contract.load is LoadMode.SNAPSHOT and rows > 0
        removal = PartitionRemoval(
            stream=name,
            epoch=EPOCH,
            partition=PARTITION,
            from_offset=plan.live_from or 0,
            to_offset=advance.from_offset,
            removed_count=rows,
            contract_version=self.contract.version,
        )
        commit = Commit(
            writer=self.writer,
            starts=[] if stored else [start],
            advances=[advance],
            removals=[removal] if replaces else [],
            files=load.files,
            outcomes={name: load.outcomes} if self.contract.load is LoadMode.APPEND else {},
            note=f"load {name}: {', '.join(file.name for file in plan.files[:3])}",
        )
        return self.store.commit(commit, on_step=self.on_step)


class _Meter:
    """Tells how many bytes of a load's files were read.

    Args:
        contract: Of the data at rest.
        plan: What is read.
        on_progress: Is told.
    """

    def __init__(self, contract: RestContract, plan: LoadPlan, on_progress: OnProgress) -> None:
        self._name = contract.full_name
        self._total = sum(file.size_bytes for file in plan.files)
        self._done = 0
        self._on_progress = on_progress

    def read(self, size_bytes: int) -> None:
        """Count some bytes; records of Parquet are larger than what they take there."""
        self._done = min(self._done + size_bytes, self._total)
        self._on_progress(
            Progress(stream=self._name, done=self._done, total=self._total, unit="bytes of files")
        )
