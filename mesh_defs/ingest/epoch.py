"""A new epoch: a person accepts that a topic is another one, or its log, and ingest goes on with what is there."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from mesh_defs.broker import Broker, Brokers
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.divergence import divergences
from mesh_defs.ingest.failures import write_failures
from mesh_defs.ingest.lease import nudge
from mesh_defs.ingest.news import read_offsets
from mesh_defs.ingest.reasons import demand_reason
from mesh_defs.model.corrections import EpochAcceptance
from mesh_defs.model.errors import ConfigError, FencedError
from mesh_defs.model.records import Commit, PartitionStart, TopicIdentity, Watermarks
from mesh_defs.store import DomainStore, StreamOffsets

_ATTEMPTS: Final = 5
"""A resident ingester may commit between the look at the store and the commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A new epoch.

    Attributes:
        begins: The first offset of each partition.
        snapshot: Of the commit.
    """

    epoch: int
    begins: Mapping[int, int]
    snapshot: int


def accept_epoch(project: Project, contract: StreamContract, reason: str) -> Accepted:
    """Close the stream's epoch and begin the next one.

    Where the topic or its cluster was recreated, it begins at the low watermarks. Where the topic is the same and a
    partition's log is another one from some offset on (an unclean leader election), that partition begins at this
    offset, and each other one where it stands: nothing is read twice but what is no longer the same.

    Rows of earlier epochs stay, and stay queryable; coordinates are unique within an epoch. Who decided, when and why
    stays beside the epoch that ended (`epochs`).

    Raises:
        ConfigError: The stream was never read, or its topic and its log are still the same; or there is no reason.
        BrokerError: The topic is not there, or the broker does not answer.
        FencedError: The other partitions move faster than they can be looked at; nothing was stored.
        StoreError: The store refuses.
    """
    demand_reason(f"accept a new epoch of {contract.full_name}", reason)
    folder = project.data_folder(contract.domain)
    with DomainStore.open(folder, contract.domain) as store, Brokers(project.config) as brokers:
        broker = brokers.of(contract)
        stored = store.offsets().streams.get(contract.name)
        if stored is None:
            raise _nothing_to_accept(contract, "it was never read")
        found = broker.identity(contract.topic)
        marks = broker.watermarks(contract.topic, broker.partitions(contract.topic))
        lows = {partition: mark.low for partition, mark in marks.items()}
        again = lows if stored.identity != found else _diverged(broker, contract, stored, marks)
        new = _New(
            stream=contract.name,
            epoch=stored.epoch + 1,
            identity=found,
            again=again,
            lows=lows,
            accepted=EpochAcceptance(at=dt.datetime.now(dt.UTC), by=getpass.getuser(), reason=reason),
        )
        done = _begin(store, contract, new)
    write_failures(folder, {contract.name}, [])
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
    known = read_offsets(project, contract.domain).streams.get(contract.name)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """What a new epoch is to be.

    Attributes:
        again: From which offset on a partition is read again; each other one begins where the store stands.
        lows: The low watermark of every partition.
    """

    stream: str
    epoch: int
    identity: TopicIdentity
    again: Mapping[int, int]
    lows: Mapping[int, int]
    accepted: EpochAcceptance

    def starts(self, known: StreamOffsets) -> list[PartitionStart]:
        """Return how its partitions begin, fenced where the store is now."""
        stands = {p: known.partitions[p].next_offset if p in known.partitions else -1 for p in self.lows}
        # A partition that goes on where it stood may have been cut off too, in a log that has not grown beyond it yet.
        going_on = self.lows.keys() - self.again.keys() if self.identity == known.identity else set()
        read_under = {p: known.partitions[p].leader_epoch for p in going_on if p in known.partitions}
        return [
            PartitionStart(
                stream=self.stream,
                epoch=self.epoch,
                partition=partition,
                offset=self.again.get(partition, low if stands[partition] < 0 else stands[partition]),
                identity=self.identity,
                accepted=self.accepted,
                follows=stands[partition],
                leader_epoch=read_under.get(partition, -1),
            )
            for partition, low in self.lows.items()
        ]


def _begin(store: DomainStore, contract: StreamContract, new: _New) -> Accepted:
    """Commit the new epoch; where another writer moved a partition meanwhile, look again."""
    note = f"accept epoch {new.epoch} of {contract.name}: {new.accepted.reason}"
    left = _ATTEMPTS
    while True:
        known = store.offsets().streams[contract.name]
        if known.epoch >= new.epoch:
            raise _nothing_to_accept(contract, f"epoch {known.epoch} was accepted meanwhile")
        starts = new.starts(known)
        left -= 1
        try:
            done = store.commit(Commit(writer=new.accepted.by, starts=starts, note=note))
        except FencedError:
            if not left:
                raise
            continue
        begins = {start.partition: start.offset for start in starts}
        return Accepted(epoch=new.epoch, begins=begins, snapshot=done.snapshot)


def _diverged(
    broker: Broker, contract: StreamContract, stored: StreamOffsets, marks: Mapping[int, Watermarks]
) -> dict[int, int]:
    """Return where those partitions of a topic that is the same begin again that have another log than was read.

    Raises:
        ConfigError: None of them has.
    """
    found = divergences(broker, contract, stored, marks)
    again = {p: at.offset for p, at in found.items()}
    for partition, mark in marks.items():
        state = stored.partitions.get(partition)
        if state is not None and state.next_offset > mark.end:
            again[partition] = min(mark.end, again.get(partition, mark.end))
    if not again:
        raise _nothing_to_accept(contract, f"its topic is still the same ({stored.identity.topic_id})")
    return again


def _nothing_to_accept(contract: StreamContract, why: str) -> ConfigError:
    return ConfigError(
        cannot=f"accept a new epoch of {contract.full_name}",
        why=why,
        do="run `mesh ingest`; an epoch ends only when the topic or the cluster is recreated, or a log is another one",
    )
