"""Partitions of which another leader has other records than were read, after an unclean election."""

from __future__ import annotations

from collections.abc import Mapping

from mesh_defs.broker import Place, TopicQuestions
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.errors import MeshError, OffsetsDivergedError
from mesh_defs.model.records import Divergence, Watermarks
from mesh_defs.store import StreamOffsets


def divergences(
    broker: TopicQuestions,
    contract: StreamContract,
    stored: StreamOffsets | None,
    marks: Mapping[int, Watermarks],
) -> Mapping[int, Divergence]:
    """Return where the logs of partitions differ from what the store holds of them.

    Only partitions with another leader than the one that was read from are asked about: a leader's log only grows.

    Raises:
        BrokerError: The cluster does not answer.
    """
    known = stored.partitions if stored else {}
    places = {
        p: Place(next_offset=state.next_offset, read_epoch=state.leader_epoch, leader_epoch=mark.leader_epoch)
        for p, state in known.items()
        if (mark := marks.get(p)) is not None
        and 0 <= state.leader_epoch < mark.leader_epoch
        and mark.low <= state.next_offset
    }
    return broker.divergences(contract.topic, places) if places else {}


def diverged(
    broker: TopicQuestions,
    contract: StreamContract,
    stored: StreamOffsets | None,
    marks: Mapping[int, Watermarks],
) -> dict[int, MeshError]:
    """Return why partitions may not be read on whose logs have grown beyond the store with other records.

    One that has not is told by its end: see `plan.plan_stream`. Raises as `divergences` does.
    """
    found = divergences(broker, contract, stored, marks)
    known = stored.partitions if stored else {}
    return {
        p: OffsetsDivergedError(
            cannot=f"read {contract.full_name} partition {p}",
            why=f"the store holds the offsets below {known[p].next_offset}, read under leader epoch "
            f"{known[p].leader_epoch}, but from offset {where.offset} on the present leader (epoch "
            f"{marks[p].leader_epoch}) has other records: it was elected although it was not in sync",
            do="find out which records are right, then go on at that offset, in a new epoch, with "
            f"`mesh stream accept-epoch {contract.full_name} --reason TEXT`",
        )
        for p, where in found.items()
        if marks[p].end >= known[p].next_offset
    }
