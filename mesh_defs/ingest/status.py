"""How everything that a domain takes in stands: the store against broker and files, and what stopped the last pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import Domain, InputContract, RestContract, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.failures import Failure, read_failures
from mesh_defs.ingest.held_back import HeldBack, look_for_held_back, read_held_back
from mesh_defs.ingest.lease import lease_holder
from mesh_defs.ingest.loss import unacknowledged
from mesh_defs.ingest.news import DomainNews, StreamNews, news, read_offsets
from mesh_defs.ingest.rest import InputNews
from mesh_defs.model.errors import BrokerUnavailableError, MeshError
from mesh_defs.store import PartitionOffsets, StreamOffsets

LONG = dt.timedelta(minutes=15)
"""How long a transaction may be open before the state says so: brokers' default of `transaction.max.timeout.ms`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """How one partition stands, or data at rest.

    Attributes:
        stream: `*` of a domain that is broken.
        partition: None where not even the partitions are known, and for data at rest.
        next_offset: The first offset that the store does not answer for; None before the first pass.
        end_offset: The last stable offset; None where the broker does not say.
        lag: `end_offset` minus `next_offset`.
        rows: Rows in the store, of the stream's present epoch; None before the first pass.
        last_commit_at: RFC 3339, UTC.
        state: `current`, `behind`, `changed` (files that are not what was loaded), `new` (never read), `stopped` (see
            `error`), `lost` (goes on behind lost offsets of which nobody took note, see `error`),
            `held back` (by a transaction that has been open for long), `retired` (no longer ingested), `unknown` (no
            broker), or `broken` (the domain's contracts or its store cannot be read, see `error`).
        held_back_at: The last stable offset, where an open transaction holds the partition back; otherwise None.
        held_back_since: When an ingester first saw it held back there, RFC 3339, UTC; None where none has yet.
        holder: Who ingests the domain now, and since when; None where nobody does.
    """

    domain: str
    stream: str
    partition: int | None
    epoch: int | None
    next_offset: int | None
    end_offset: int | None
    lag: int | None
    rows: int | None
    last_commit_at: str | None
    state: str
    error: str | None
    holder: str | None = None
    held_back_at: int | None = None
    held_back_since: str | None = None

    @property
    def held_back(self) -> str | None:
        """The sentence that says what holds the partition back, and since when; None where nothing does."""
        if self.held_back_since is None:
            return None
        return (
            f"{self.domain}.{self.stream} partition {self.partition} is held back at offset {self.held_back_at} since "
            f"{self.held_back_since}: a transaction that began there is open, and what lies behind it is read when its "
            "producer ends it (`kafka-transactions.sh find-hanging` finds one that nobody ends)"
        )


def broken(domain: str, error: MeshError) -> PartitionStatus:
    """Return the line of a domain of which nothing can be said but why."""
    return PartitionStatus(
        domain=domain,
        stream="*",
        partition=None,
        epoch=None,
        next_offset=None,
        end_offset=None,
        lag=None,
        rows=None,
        last_commit_at=None,
        state="broken",
        error=str(error),
    )


def status(project: Project, domain: Domain) -> tuple[PartitionStatus, ...]:
    """Return how each partition of the domain's streams stands, and its data at rest.

    A broker that is down is a state, not an error.

    Raises:
        StoreError: The domain's store cannot be read.
    """
    failures = read_failures(project.data_folder(domain.name))
    try:
        found = news(project, domain)
    except BrokerUnavailableError as error:
        streams = {s.name: StreamNews(stream=s.name, error=error) for s in domain.live.streams}
        found = DomainNews(offsets=read_offsets(project, domain.name), streams=streams)
    stored = found.offsets.streams
    holder = lease_holder(project.data_folder(domain.name))
    held = _held_back(project, domain, found)
    return (
        *(
            _with_held_back(replace(line, holder=None if holder is None else str(holder)), held)
            for s in domain.live.streams
            for line in _stream(s, found.streams[s.name], stored.get(s.name), failures)
        ),
        *(_input(i, found.inputs[i.name], stored.get(i.name), failures) for i in domain.live.inputs),
        *(line for c in domain.retired for line in _retired(c, stored.get(c.name))),
    )


def _held_back(project: Project, domain: Domain, found: DomainNews) -> dict[tuple[str, int | None], HeldBack]:
    """Return the partitions that are held back now, as far as an ingester has seen them held back there before."""
    known = read_held_back(project.data_folder(domain.name))
    names = {h.stream for h in known}
    asked = [s for s in domain.live.streams if s.name in names and found.streams[s.name].plan is not None]
    if not asked:
        return {}
    with Brokers(project.config) as brokers:
        now = look_for_held_back(brokers, asked, found.offsets, known)
    return {(h.stream, h.partition): h for h in now if h in known}


def _with_held_back(
    line: PartitionStatus, held: Mapping[tuple[str, int | None], HeldBack]
) -> PartitionStatus:
    found = held.get((line.stream, line.partition))
    if found is None:
        return line
    long = dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(found.since) >= LONG
    return replace(
        line,
        held_back_at=found.offset,
        held_back_since=found.since,
        state="held back" if long and line.error is None else line.state,
    )


def _input(
    contract: RestContract, news_: InputNews, stored: StreamOffsets | None, failures: tuple[Failure, ...]
) -> PartitionStatus:
    state = next(iter(stored.partitions.values()), None) if stored else None
    told = next((f.message for f in failures if f.stream == contract.name), None)
    error = str(news_.error) if news_.error is not None else told
    word = "changed" if news_.has_news else "current"
    return PartitionStatus(
        domain=contract.domain,
        stream=contract.name,
        partition=None,
        epoch=None,
        next_offset=state.next_offset if state else None,
        end_offset=None,
        lag=None,
        rows=state.rows - state.removed if state else None,
        last_commit_at=_instant(state),
        state="stopped" if error is not None else "new" if state is None else word,
        error=error,
    )


def _stream(
    contract: StreamContract, news_: StreamNews, stored: StreamOffsets | None, failures: tuple[Failure, ...]
) -> Iterator[PartitionStatus]:
    plan = news_.plan
    known = set(stored.partitions) if stored else set()
    seen = set(plan.ranges) | set(plan.errors) if plan else set()
    lost = unacknowledged(contract, stored)
    partitions: list[int | None] = [*sorted(known | seen)] or [None]
    for partition in partitions:
        state = stored.partitions.get(partition) if stored and partition is not None else None
        span = plan.ranges.get(partition) if plan and partition is not None else None
        end = span[1] if span else None
        error = _error(contract, news_, partition, failures)
        next_offset = state.next_offset if state else None
        lag = None if end is None or next_offset is None else max(0, end - next_offset)
        yield PartitionStatus(
            domain=contract.domain,
            stream=contract.name,
            partition=partition,
            epoch=stored.epoch if stored else None,
            next_offset=next_offset,
            end_offset=end,
            lag=lag,
            rows=state.rows - state.removed if state else None,
            last_commit_at=_instant(state),
            state="lost" if error is None and partition in lost else _word(news_, error, state, lag),
            error=error if error is not None or partition is None else lost.get(partition),
        )


def _retired(contract: InputContract, stored: StreamOffsets | None) -> Iterator[PartitionStatus]:
    """Yield how a table stands that is no longer filled; nobody asks its broker, or looks at its files."""
    partitions = sorted(stored.partitions) if stored and isinstance(contract, StreamContract) else [None]
    for partition in partitions:
        states = stored.partitions if stored else {}
        state = next(iter(states.values()), None) if partition is None else states[partition]
        yield PartitionStatus(
            domain=contract.domain,
            stream=contract.name,
            partition=partition,
            epoch=stored.epoch if stored and partition is not None else None,
            next_offset=state.next_offset if state else None,
            end_offset=None,
            lag=None,
            rows=state.rows - state.removed if state else None,
            last_commit_at=_instant(state),
            state="retired",
            error=None,
        )


def _error(
    contract: StreamContract, news_: StreamNews, partition: int | None, failures: tuple[Failure, ...]
) -> str | None:
    if news_.error is not None:
        return str(news_.error)
    if news_.plan is not None and partition is not None and partition in news_.plan.errors:
        return str(news_.plan.errors[partition])
    return next(
        (f.message for f in failures if f.stream == contract.name and f.partition in {None, partition}), None
    )


def _word(news_: StreamNews, error: str | None, state: PartitionOffsets | None, lag: int | None) -> str:
    if isinstance(news_.error, BrokerUnavailableError):
        return "unknown"
    if error is not None:
        return "stopped"
    if state is None:
        return "new"
    return "behind" if lag else "current"


def _instant(state: PartitionOffsets | None) -> str | None:
    if state is None or state.last_commit_at is None:
        return None
    return state.last_commit_at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
