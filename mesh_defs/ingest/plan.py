"""Where a pass begins and ends in each partition, and what forbids it to begin."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from mesh_defs.broker import TopicQuestions
from mesh_defs.contract.choices import OnLoss, StartFrom
from mesh_defs.contract.contract import StreamContract
from mesh_defs.ingest.divergence import diverged
from mesh_defs.model.errors import (
    BrokerUnavailableError,
    ContractError,
    IdentityChangedError,
    MeshError,
    OffsetsLostError,
    OffsetsRegressedError,
)
from mesh_defs.model.records import Gap, PartitionStart, TopicIdentity, Watermarks
from mesh_defs.store import StoreOffsets, StreamOffsets

FIRST_EPOCH = 0
_SHOWN = 8
"""Partitions in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """What one pass may read of one stream.

    Attributes:
        starts: Partitions that the store does not know yet; they are recorded with the first commit.
        ranges: For each partition that may be read, the offsets [from, to) of the pass.
        lost: Ranges below the low watermark that the contract allows to be recorded as lost.
        errors: Why the other partitions may not be read.
    """

    identity: TopicIdentity
    epoch: int
    starts: tuple[PartitionStart, ...] = ()
    ranges: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    lost: Mapping[int, Gap] = field(default_factory=dict)
    errors: Mapping[int, MeshError] = field(default_factory=dict)

    @property
    def has_news(self) -> bool:
        """Whether a pass has anything to do or to say."""
        return bool(self.starts or self.lost or self.errors) or any(a < b for a, b in self.ranges.values())

    @property
    def lag(self) -> int:
        """Offsets between the next offset and the last stable one, over all readable partitions."""
        return sum(to - from_ for from_, to in self.ranges.values())

    def without(self, held: Collection[int]) -> StreamPlan:
        """Return the plan that leaves some partitions alone."""
        if not held:
            return self
        return replace(
            self,
            starts=tuple(s for s in self.starts if s.partition not in held),
            ranges={p: span for p, span in self.ranges.items() if p not in held},
            lost={p: gap for p, gap in self.lost.items() if p not in held},
            errors={p: error for p, error in self.errors.items() if p not in held},
        )


def plan_stream(broker: TopicQuestions, contract: StreamContract, stored: StreamOffsets | None) -> StreamPlan:
    """Compare the broker with the store and decide what may be read.

    Args:
        broker: The cluster that holds the topic.
        contract: The stream.
        stored: What the store answers for so far; None for a stream that it has never seen.

    Raises:
        TopicMissingError: The topic is not there.
        IdentityChangedError: The topic or the cluster is not the one that the store has read.
        BrokerUnavailableError: The cluster does not answer.
    """
    identity = broker.identity(contract.topic)
    partitions = broker.partitions(contract.topic)
    marks = broker.watermarks(contract.topic, partitions)
    if stored is not None:
        check_identity(contract, stored.identity, identity, _where_both_stand(stored, marks))
    epoch = stored.epoch if stored else FIRST_EPOCH
    known = {p: state.next_offset for p, state in stored.partitions.items()} if stored else {}
    if stored is None and len(marks) < len(partitions):
        # Where a stream begins is decided once, for all of its partitions.
        raise _leaderless(contract, min(set(partitions) - marks.keys()))
    new = [p for p in partitions if p not in known and p in marks]
    begin = _first_offsets(broker, contract, marks, new, fresh=stored is None)
    starts = tuple(
        PartitionStart(stream=contract.name, epoch=epoch, partition=p, offset=begin[p], identity=identity)
        for p in new
    )
    ranges: dict[int, tuple[int, int]] = {}
    lost: dict[int, Gap] = {}
    errors = diverged(broker, contract, stored, marks)
    for partition, next_offset in (known | begin).items():
        mark = marks.get(partition)
        error = errors.get(partition) or _refusal(contract, partition, next_offset, mark)
        if error is not None or mark is None:
            gone = _leaderless if partition in partitions else _vanished
            errors[partition] = error or gone(contract, partition)
            continue
        if mark.low > next_offset:
            lost[partition] = Gap(kind="lost", from_offset=next_offset, to_offset=mark.low)
        ranges[partition] = (max(next_offset, mark.low), mark.end)
    return StreamPlan(identity=identity, epoch=epoch, starts=starts, ranges=ranges, lost=lost, errors=errors)


def check_identity(
    contract: StreamContract, stored: TopicIdentity, found: TopicIdentity, offsets: str = ""
) -> None:
    """Refuse a topic or a cluster that was recreated under the same name.

    Args:
        contract: The stream.
        stored: What the store has read.
        found: What the broker has.
        offsets: Where both stand, for the message.

    Raises:
        IdentityChangedError: With the old and the new identity.
    """
    if stored == found:
        return
    what = "cluster" if stored.cluster_id != found.cluster_id else "topic"
    old, new = (
        (stored.cluster_id, found.cluster_id) if what == "cluster" else (stored.topic_id, found.topic_id)
    )
    raise IdentityChangedError(
        cannot=f"read {contract.full_name}",
        why=f"the {what} of {contract.topic} was recreated: the store has read {what} id {old}, "
        f"the broker now has {new}{offsets}",
        do="bring the old one back, or accept the new one with "
        f"`mesh stream accept-epoch {contract.full_name} --reason TEXT`",
    )


def _where_both_stand(stored: StreamOffsets, marks: Mapping[int, Watermarks]) -> str:
    read = ", ".join(f"{p}: {state.next_offset}" for p, state in sorted(stored.partitions.items())[:_SHOWN])
    there = ", ".join(f"{p}: {mark.low} to {mark.end}" for p, mark in sorted(marks.items())[:_SHOWN])
    more = " and so on" if max(len(stored.partitions), len(marks)) > _SHOWN else ""
    return f". By partition, the store stands at {read or 'none'}; the new one holds {there or 'none'}{more}"


def check_ownership(contract: StreamContract, offsets: StoreOffsets) -> None:
    """Refuse a table whose rows another stream accounts for: read again under a new name they would be doubled.

    Raises:
        ContractError: The stream's name changed, and its tables did not.
    """
    for table in contract.tables:
        owner = offsets.owner(table.name)
        if owner not in {None, contract.name}:
            raise ContractError(
                cannot=f"read {contract.full_name}",
                why=f"the table {table.full_name} holds rows of the stream {contract.domain}.{owner}, by the ledger",
                do=f"go on under that name: call the contract {owner}.odcs.yaml; or give the table another name",
            )


def _first_offsets(
    broker: TopicQuestions,
    contract: StreamContract,
    marks: Mapping[int, Watermarks],
    new: list[int],
    *,
    fresh: bool,
) -> dict[int, int]:
    """Return where unknown partitions begin; partitions that join a known stream begin at their earliest."""
    if not new or not fresh or contract.start_from is StartFrom.EARLIEST:
        return {p: marks[p].low for p in new}
    if contract.start_from is StartFrom.LATEST:
        return {p: marks[p].end for p in new}
    found = broker.offsets_at(contract.topic, new, contract.start_from)
    return {p: min(found[p], marks[p].end) for p in new}


def _refusal(
    contract: StreamContract, partition: int, next_offset: int, mark: Watermarks | None
) -> MeshError | None:
    where = f"read {contract.full_name} partition {partition}"
    if mark is None:
        return None
    if mark.low > next_offset and contract.on_loss is OnLoss.FAIL:
        return OffsetsLostError(
            cannot=where,
            why=f"the next offset is {next_offset}, the broker's earliest is {mark.low}: "
            f"{mark.low - next_offset} offsets were removed before they were read",
            do="find out why nobody read in time, then go on behind the gap with "
            f"`mesh loss acknowledge {contract.full_name} --reason TEXT`",
        )
    if mark.end < next_offset and mark.low <= next_offset:
        return OffsetsRegressedError(
            cannot=where,
            why=f"the next offset is {next_offset}, the broker's last stable offset is {mark.end}",
            do="find out why the broker lost records (an unclean leader election truncates a partition), then go on "
            f"with `mesh stream accept-epoch {contract.full_name} --reason TEXT`",
        )
    return None


def _leaderless(contract: StreamContract, partition: int) -> MeshError:
    return BrokerUnavailableError(
        cannot=f"read {contract.full_name} partition {partition}",
        why="the partition has no leader",
        do="see whether all brokers of the cluster run",
    )


def _vanished(contract: StreamContract, partition: int) -> MeshError:
    return OffsetsRegressedError(
        cannot=f"read {contract.full_name} partition {partition}",
        why="the broker no longer has this partition, although the topic is the same",
        do="restore the partition's replicas",
    )
