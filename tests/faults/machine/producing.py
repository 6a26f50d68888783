"""The rules of the machine that concern producers, the topic, and the contract."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.faults.machine.records import Draft, drafts
from tests.faults.machine.world import World

MAX_PARTITIONS = 4

numbers = st.integers(min_value=0, max_value=MAX_PARTITIONS - 1)


class Producing(RuleBasedStateMachine):
    """What happens outside the mesh."""

    world: World

    @rule(number=numbers, records=drafts)
    def produce(self, number: int, records: Sequence[Draft]) -> None:
        """Produce records of any kind."""
        partition, _ = self.world.log(number)
        self.world.produce(partition, records)

    @precondition(lambda self: len(self.world.topic.partitions) > 1 or self.world.open_partition is None)
    @rule(number=numbers, records=drafts, commit=st.booleans())
    def transaction(self, number: int, records: Sequence[Draft], commit: bool) -> None:  # noqa: FBT001
        """Produce in a transaction that commits or is aborted at once."""
        partition, log = self.world.log(number)
        if partition == self.world.open_partition:
            partition, log = self.world.log(partition + 1)
        sent = self.world.number(records)
        self.world.bench.kafka.transaction(
            self.world.name, [s.arguments for s in sent], partition, commit=commit
        )
        offsets = log.append(sent)
        log.mark([] if commit else offsets)
        self.world.visits.saw("transaction committed" if commit else "transaction aborted")

    @precondition(lambda self: self.world.open_partition is None)
    @rule(number=numbers, records=drafts)
    def open_transaction(self, number: int, records: Sequence[Draft]) -> None:
        """Begin a transaction and leave it open."""
        partition, _ = self.world.log(number)
        self.world.open_transaction(partition, records)

    @precondition(lambda self: self.world.open_partition is not None)
    @rule(commit=st.booleans())
    def end_transaction(self, commit: bool) -> None:  # noqa: FBT001
        """End the open transaction."""
        self.world.end_transaction(commit=commit)
        self.world.visits.saw("open transaction committed" if commit else "open transaction aborted")

    @rule(number=numbers, records=drafts, count=st.integers(min_value=1, max_value=9))
    def expire(self, number: int, records: Sequence[Draft], count: int) -> None:
        """Let the broker forget the oldest records of a partition, read or not; new ones come before."""
        partition, log = self.world.log(number)
        self.world.produce(partition, records)
        before = min(log.low + count, log.end)
        self._forget(partition, before)

    @rule(number=numbers, records=drafts, count=st.integers(min_value=1, max_value=5))
    def lose(self, number: int, records: Sequence[Draft], count: int) -> None:
        """Let the broker forget records that the store has not accounted for, if it has begun."""
        partition, log = self.world.log(number)
        self.world.produce(partition, records)
        before = min(max(log.low, self.world.nexts.get(partition, 0)) + count, log.end)
        self._forget(partition, before)

    def _forget(self, partition: int, before: int) -> None:
        world, log = self.world, self.world.topic.partitions[partition]
        if before <= log.low:
            return
        world.bench.kafka.delete_records(world.name, partition, before)
        stopped = world.stopped is not None and world.stopped.topic_id == world.topic.topic_id
        if log.expire(before, world.nexts.get(partition), stopped_reader=stopped):
            world.visits.saw("offsets lost")
        else:
            world.visits.saw("read records expired")
        world.touched = True

    @precondition(lambda self: len(self.world.topic.partitions) < MAX_PARTITIONS)
    @rule()
    def add_partition(self) -> None:
        """Let the topic grow."""
        self.world.add_partition()
        self.world.visits.saw("partition added")

    @rule(required=st.booleans(), noted=st.booleans(), on_loss=st.sampled_from(["fail", "record"]))
    def evolve(self, required: bool, noted: bool, on_loss: str) -> None:  # noqa: FBT001
        """Change the contract: loosen or tighten it, let it adopt a field, decide otherwise about losses."""
        before = self.world.terms
        after = replace(before, required=required, noted=before.noted or noted, on_loss=on_loss)
        self.world.sign(after)
        self.world.visits.saw("column adopted", after.noted and not before.noted)
        self.world.visits.saw("contract loosened", before.required and not after.required)
        self.world.visits.saw("contract tightened", after.required and not before.required)
