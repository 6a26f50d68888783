"""What a new epoch knows of the partitions that go on where they stood."""

from __future__ import annotations

import datetime as dt

import pytest

from mesh_defs.ingest.epoch import _New
from mesh_defs.model.records import EpochAcceptance, TopicIdentity
from mesh_defs.store.offsets import PartitionOffsets, StreamOffsets

ONE, OTHER = (TopicIdentity(cluster_id="c", topic_id=name) for name in ("one", "other"))


@pytest.mark.parametrize(("identity", "kept"), [(ONE, 3), (OTHER, -1)])
def test_partitions_that_go_on_keep_the_leader_epoch_they_were_read_under(
    identity: TopicIdentity, kept: int
) -> None:
    """Their log may have been cut off as well, by an election that shows only later; not so that of another topic."""
    partitions = {p: PartitionOffsets(start_offset=0, next_offset=100, leader_epoch=3) for p in (0, 1)}
    known = StreamOffsets(epoch=0, identity=ONE, partitions=partitions)
    new = _New(
        stream="orders",
        epoch=1,
        identity=identity,
        again={0: 90},
        lows=dict.fromkeys((0, 1, 2), 0),
        accepted=EpochAcceptance(by="a", at=dt.datetime.now(dt.UTC), reason="r"),
    )
    begun = known
    for start in new.starts(known):
        begun = begun.begun(start)
    assert {p: (o.next_offset, o.leader_epoch) for p, o in begun.partitions.items()} == {
        0: (90, -1),
        1: (100, kept),
        2: (0, -1),
    }
