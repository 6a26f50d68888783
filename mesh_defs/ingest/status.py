"""How every stream stands: the store against the broker, and what stopped the last pass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.failures import Failure, read_failures
from mesh_defs.ingest.lease import lease_holder
from mesh_defs.ingest.news import StreamNews, news, read_offsets
from mesh_defs.model.errors import BrokerUnavailableError
from mesh_defs.store import PartitionOffsets, StreamOffsets


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """How one partition stands.

    Attributes:
        partition: None where not even the partitions are known.
        next_offset: The first offset that the store does not answer for; None before the first pass.
        end_offset: The last stable offset; None where the broker does not say.
        lag: `end_offset` minus `next_offset`.
        last_commit_at: RFC 3339, UTC.
        state: `current`, `behind`, `new` (never read), `stopped` (see `error`), or `unknown` (no broker).
        holder: Who ingests the domain now, and since when; None where nobody does.
    """

    domain: str
    stream: str
    partition: int | None
    epoch: int | None
    next_offset: int | None
    end_offset: int | None
    lag: int | None
    last_commit_at: str | None
    state: str
    error: str | None
    holder: str | None = None


def status(project: Project, domain: Domain) -> tuple[PartitionStatus, ...]:
    """Return how each partition of the domain's streams stands.

    A broker that is down is a state, not an error.

    Raises:
        StoreError: The domain's store cannot be read.
    """
    failures = read_failures(project.data_folder(domain.name))
    try:
        found = news(project, domain)
        offsets, streams = found.offsets, dict(found.streams)
    except BrokerUnavailableError as error:
        offsets = read_offsets(project, domain)
        streams = {s.name: StreamNews(stream=s.name, error=error) for s in domain.streams}
    holder = lease_holder(project.data_folder(domain.name))
    return tuple(
        replace(line, holder=None if holder is None else str(holder))
        for contract in domain.streams
        for line in _stream(contract, streams[contract.name], offsets.streams.get(contract.name), failures)
    )


def _stream(
    contract: StreamContract, news_: StreamNews, stored: StreamOffsets | None, failures: tuple[Failure, ...]
) -> Iterator[PartitionStatus]:
    plan = news_.plan
    known = set(stored.partitions) if stored else set()
    seen = set(plan.ranges) | set(plan.errors) if plan else set()
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
            last_commit_at=_instant(state),
            state=_word(news_, error, state, lag),
            error=error,
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
