"""A pass while the resident ingester works: it watches that one do what the pass would have done."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.account import OnProgress, Progress
from mesh_defs.ingest.failures import Failure, read_failures
from mesh_defs.ingest.lease import lease_holder, nudge
from mesh_defs.ingest.plan import StreamPlan, plan_stream
from mesh_defs.ingest.report import PartitionReport, PassReport, StreamReport, Trouble
from mesh_defs.model.errors import MeshError, StreamStoppedError
from mesh_defs.store import DomainStore, Holder, StreamOffsets, first_row, read_ledger
from mesh_defs.store.schema import table_name

PATIENCE_SECONDS: Final = 60.0
"""How long the resident ingester may get on with nothing before the pass gives up watching."""

_POLL_SECONDS: Final = 0.1


@dataclass(slots=True, kw_only=True)
class _Watched:
    """One stream that is watched.

    Attributes:
        plan: What the pass would have read; None where the stream cannot be read.
        troubles: Why it, or a partition, does not get to its end.
        begun: What the store answered for at the beginning.
    """

    contract: StreamContract
    plan: StreamPlan | None
    begun: StreamOffsets | None
    troubles: list[Trouble] = field(default_factory=list)

    def missing(self, stored: StreamOffsets | None) -> list[int]:
        """Return the partitions that are not at their ends, and of which nobody said why."""
        if self.plan is None or any(t.partition is None for t in self.troubles):
            return []
        stopped = {t.partition for t in self.troubles}
        known = stored.partitions if stored else {}
        return [
            p
            for p, (_, end) in self.plan.ranges.items()
            if p not in stopped and (p not in known or known[p].next_offset < end)
        ]


def observe(
    project: Project,
    domain: Domain,
    contracts: Sequence[StreamContract],
    holder: Holder,
    on_progress: OnProgress,
) -> PassReport | None:
    """Wait until the resident ingester has committed what is on the broker now.

    Whatever it has stopped is tried again at once. A stream that it cannot bring to its end is reported as it would
    be by a pass.

    Args:
        project: The mesh.
        domain: The domain.
        contracts: The streams.
        holder: The resident ingester.
        on_progress: Told of what it commits.

    Returns:
        What it did meanwhile; None where it went away before the end, so that the pass has to do it.

    Raises:
        StoreError: The domain's store cannot be read.
    """
    folder = project.data_folder(domain.name)
    if not DomainStore.exists(folder):
        threading.Event().wait(_POLL_SECONDS)
        return None
    since = dt.datetime.now(dt.UTC)
    with DomainStore.open(folder, domain.name, read_only=True) as store:
        watched = _plan(project, contracts, store)
        nudge(folder)
        heard = time.monotonic()
        state = ""
        while missing := {w.contract.name: w for w in watched if w.missing(_stored(store, w))}:
            if lease_holder(folder) != holder:
                return None
            _take_failures(folder, missing, holder, since)
            offsets = store.offsets()
            if offsets.batch != state:
                state, heard = offsets.batch, time.monotonic()
                for w in watched:
                    on_progress(_progress(w, offsets.streams.get(w.contract.name)))
            if time.monotonic() - heard > PATIENCE_SECONDS:
                _give_up(missing, holder)
            threading.Event().wait(_POLL_SECONDS)
        return PassReport(domain=domain.name, streams=tuple(_report(w, store) for w in watched))


def _plan(project: Project, contracts: Sequence[StreamContract], store: DomainStore) -> list[_Watched]:
    watched = []
    offsets = store.offsets()
    with Brokers(project.config) as brokers:
        for contract in contracts:
            begun = offsets.streams.get(contract.name)
            found = _Watched(contract=contract, plan=None, begun=begun)
            try:
                found.plan = plan_stream(brokers.of(contract), contract, begun)
                found.troubles += [Trouble(error=e, partition=p) for p, e in found.plan.errors.items()]
            except MeshError as error:
                found.troubles.append(Trouble(error=error))
            watched.append(found)
    return watched


def _stored(store: DomainStore, watched: _Watched) -> StreamOffsets | None:
    return store.offsets().streams.get(watched.contract.name)


def _take_failures(folder: Path, missing: Mapping[str, _Watched], holder: Holder, since: dt.datetime) -> None:
    """Take what the resident ingester could not do although it was asked to try again."""
    for failure in read_failures(folder):
        watched = missing.get(failure.stream)
        if watched is None or dt.datetime.fromisoformat(failure.at) < since:
            continue
        if failure.partition not in {t.partition for t in watched.troubles}:
            watched.troubles.append(
                Trouble(error=_stopped(watched, failure, holder), partition=failure.partition)
            )


def _stopped(watched: _Watched, failure: Failure, holder: Holder) -> StreamStoppedError:
    return StreamStoppedError(
        cannot=f"bring {watched.contract.full_name} to its end",
        why=f"{holder} stopped there: {failure.message}",
        do="mend that; it is tried again by itself",
    )


def _give_up(missing: Mapping[str, _Watched], holder: Holder) -> None:
    for watched in missing.values():
        error = StreamStoppedError(
            cannot=f"bring {watched.contract.full_name} to its end",
            why=f"{holder} ingests the domain and has committed nothing for {PATIENCE_SECONDS:.0f} s",
            do="read its log, or stop it and run the pass again",
        )
        watched.troubles.append(Trouble(error=error))


def _progress(watched: _Watched, stored: StreamOffsets | None) -> Progress:
    spans = watched.plan.ranges if watched.plan else {}
    known = stored.partitions if stored else {}
    reached = {p: known[p].next_offset if p in known else begin for p, (begin, _) in spans.items()}
    return Progress(
        stream=watched.contract.full_name,
        done=sum(min(reached[p], end) - begin for p, (begin, end) in spans.items()),
        total=sum(end - begin for begin, end in spans.values()),
    )


def _report(watched: _Watched, store: DomainStore) -> StreamReport:
    return StreamReport(
        domain=watched.contract.domain,
        stream=watched.contract.name,
        partitions=tuple(_partitions(watched, store)),
        troubles=tuple(watched.troubles),
        tables=tuple((table.name, _rows(watched, store, table.name)) for table in watched.contract.tables),
    )


def _rows(watched: _Watched, store: DomainStore, table: str) -> int:
    """Return how many rows of a table came in the time that was watched."""
    if table not in store.tables():
        return 0
    count = 0
    for partition, (begin, _) in (watched.plan.ranges if watched.plan else {}).items():
        found = first_row(
            store.connection,
            f"SELECT count(*) FROM {table_name(store.domain, table)} "  # noqa: S608 - quoted
            "WHERE _epoch = ? AND _partition = ? AND _offset >= ?",
            [watched.plan.epoch if watched.plan else 0, partition, begin],
        )
        count += found[0] if found else 0
    return count


def _partitions(watched: _Watched, store: DomainStore) -> Iterator[PartitionReport]:
    """Yield what the ledger says of the time that was watched."""
    stored = _stored(store, watched)
    entries = [e for e in read_ledger(store, watched.contract.name) if stored and e.epoch == stored.epoch]
    for partition, (begin, end) in sorted((watched.plan.ranges if watched.plan else {}).items()):
        own = [e for e in entries if e.partition == partition and e.from_offset >= begin]
        yield PartitionReport(
            partition=partition,
            epoch=stored.epoch if stored else 0,
            from_offset=begin,
            to_offset=max((e.to_offset for e in own), default=begin),
            end_offset=end,
            row_count=sum(e.row_count for e in own),
            dead_letter_count=sum(e.dead_letter_count for e in own),
            gaps=tuple(gap for e in own for gap in e.gaps),
            snapshot=store.snapshot() if own else None,
        )
