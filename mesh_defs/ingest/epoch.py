"""A new epoch: a person accepts that a topic is another one, or its log, and ingest goes on with what is there."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping
from dataclasses import dataclass

from mesh_defs.broker import Broker, Brokers
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.divergence import divergences
from mesh_defs.ingest.lease import nudge
from mesh_defs.model.corrections import EpochAcceptance
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.records import Commit, Committed, PartitionStart, Watermarks
from mesh_defs.store import DomainStore, StreamOffsets


def accept_epoch(project: Project, contract: StreamContract, reason: str) -> Committed:
    """Close the stream's epoch and begin the next one.

    Where the topic or its cluster was recreated, it begins at the low watermarks. Where the topic is the same and a
    partition's log is another one from some offset on (an unclean leader election), that partition begins at this
    offset, and each other one where it stands: nothing is read twice but what is no longer the same.

    Rows of earlier epochs stay, and stay queryable; coordinates are unique within an epoch. Who decided, when and why
    stays beside the epoch that ended (`epochs`).

    Raises:
        ConfigError: The stream was never read, or its topic and its log are still the same.
        BrokerError: The topic is not there, or the broker does not answer.
        StoreError: The store refuses.
    """
    folder = project.data_folder(contract.domain)
    with DomainStore.open(folder, contract.domain) as store, Brokers(project.config) as brokers:
        broker = brokers.of(contract)
        stored = store.offsets().streams.get(contract.name)
        found = broker.identity(contract.topic)
        if stored is None:
            raise _nothing_to_accept(contract, "it was never read")
        marks = broker.watermarks(contract.topic, broker.partitions(contract.topic))
        if stored.identity == found:
            begin = _diverged(broker, contract, stored, marks)
        else:
            begin = {partition: mark.low for partition, mark in marks.items()}
        accepted = EpochAcceptance(at=dt.datetime.now(dt.UTC), by=getpass.getuser(), reason=reason)
        starts = [
            PartitionStart(
                stream=contract.name,
                epoch=stored.epoch + 1,
                partition=partition,
                offset=offset,
                identity=found,
                accepted=accepted,
            )
            for partition, offset in begin.items()
        ]
        done = store.commit(
            Commit(
                writer=accepted.by,
                starts=starts,
                note=f"accept epoch {stored.epoch + 1} of {contract.name}: {reason}",
            )
        )
    nudge(folder)
    return done


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One epoch of a stream.

    Attributes:
        partitions: The offsets [start, next) of each.
        ended: Who ended it; None of the present one.
    """

    domain: str
    stream: str
    epoch: int
    topic_id: str
    partitions: Mapping[int, tuple[int, int]]
    ended: EpochAcceptance | None


def epochs(project: Project, contract: StreamContract) -> tuple[Epoch, ...]:
    """Return the epochs of a stream, oldest first; none where it was never read.

    Raises:
        StoreError: The store cannot be read.
    """
    folder = project.data_folder(contract.domain)
    if not DomainStore.exists(folder):
        return ()
    with DomainStore.open(folder, contract.domain, read_only=True) as store:
        known = store.offsets().streams.get(contract.name)
    if known is None:
        return ()
    present = {p: (o.start_offset, o.next_offset) for p, o in known.partitions.items()}
    told = [(e.epoch, e.identity, e.partitions, e.ended) for e in known.earlier]
    return tuple(
        Epoch(
            domain=contract.domain,
            stream=contract.name,
            epoch=epoch,
            topic_id=identity.topic_id,
            partitions=dict(sorted(partitions.items())),
            ended=ended,
        )
        for epoch, identity, partitions, ended in [*told, (known.epoch, known.identity, present, None)]
    )


def _diverged(
    broker: Broker, contract: StreamContract, stored: StreamOffsets, marks: Mapping[int, Watermarks]
) -> dict[int, int]:
    """Return where the partitions of a topic that is the same go on, some of which have another log than was read.

    Raises:
        ConfigError: None of them has.
    """
    found = divergences(broker, contract, stored, marks)
    begin: dict[int, int] = {}
    for partition, mark in marks.items():
        state = stored.partitions.get(partition)
        at = found.get(partition)
        begin[partition] = mark.low if state is None else min(state.next_offset, mark.end)
        if at is not None:
            begin[partition] = min(begin[partition], at.offset)
    moved = any(state.next_offset > begin.get(p, state.next_offset) for p, state in stored.partitions.items())
    if not moved:
        raise _nothing_to_accept(contract, f"its topic is still the same ({stored.identity.topic_id})")
    return begin


def _nothing_to_accept(contract: StreamContract, why: str) -> ConfigError:
    return ConfigError(
        cannot=f"accept a new epoch of {contract.full_name}",
        why=why,
        do="run `mesh ingest`; an epoch ends only when the topic or the cluster is recreated, or a log is another one",
    )
