"""The rules of the machine that concern what people and maintenance do to a store, and who reads it."""

from __future__ import annotations

import signal
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from mesh_defs.ingest.epoch import accept_epoch
from mesh_defs.ingest.loss import acknowledge_loss
from mesh_defs.ingest.retry import retry_dead_letters
from mesh_defs.model.corrections import LostRange
from mesh_defs.model.errors import ConfigError, IdentityChangedError
from mesh_defs.store import DomainStore, maintain
from tests.faults.machine.view import View
from tests.faults.machine.work import CHUNK_LETTERS, DOMAIN, policy, stream_of
from tests.faults.machine.world import Reader, World


class Keeping(RuleBasedStateMachine):
    """What is done to a store."""

    world: World

    @precondition(lambda self: self.world.open_partition is None and self.world.nexts)
    @rule(partitions=st.integers(min_value=1, max_value=3), accepted=st.booleans())
    def recreate(self, partitions: int, accepted: bool) -> None:  # noqa: FBT001
        """Delete the topic, create another one of its name, and accept it at once or later."""
        self.world.recreate(partitions)
        self.world.visits.saw("topic recreated")
        self.world.touched = True
        self.world.check()
        if accepted:
            self.accept()

    @precondition(lambda self: not self.world.is_known_topic)
    @rule()
    def accept(self) -> None:
        """Accept the recreated topic."""
        world = self.world
        before = world.view
        assert before is not None
        assert before.stream is not None
        accept_epoch(world.project, stream_of(world.project)[1], "the machine")
        after = world.judge.look()
        assert after is not None
        assert after.stream is not None
        assert after.stream.epoch == before.stream.epoch + 1
        assert after.nexts == world.topic.lows()
        world.visits.saw("epoch accepted")
        world.touched = True

    @precondition(lambda self: self.world.view is not None and self.world.view.stream is not None)
    @rule()
    def acknowledge(self) -> None:
        """Take note of every loss; what is not in the ledger yet gets there."""
        world = self.world
        view = world.view
        assert view is not None
        recorded = _open_losses(view)
        stream = stream_of(world.project)[1]
        if not world.is_known_topic and not recorded:
            with pytest.raises(IdentityChangedError):
                acknowledge_loss(world.project, stream, "the machine")
            return
        if not recorded and not world.lost:
            with pytest.raises(ConfigError, match="nothing is lost"):
                acknowledge_loss(world.project, stream, "the machine")
            return
        epoch = view.stream.epoch if view.stream else 0
        told = acknowledge_loss(world.project, stream, "the machine")
        assert set(told.ranges) == recorded
        assert set(told.recorded) == {
            LostRange(epoch=epoch, partition=p, from_offset=begin, to_offset=end)
            for p, (begin, end) in world.lost.items()
        }
        world.visits.saw("recorded loss acknowledged", len(told.ranges))
        world.visits.saw("loss acknowledged before a pass could go on", len(told.recorded))
        world.touched = True

    @precondition(lambda self: self.world.view and self.world.view.letters)
    @rule(loosen=st.booleans())
    def retry(self, loosen: bool) -> None:  # noqa: FBT001
        """Take dead letters back; exactly those come that pass today, and have rows around them."""
        world, view = self.world, self.world.view
        if loosen:
            world.sign(replace(world.terms, required=False))
        report = retry_dead_letters(world.project, stream_of(world.project)[1], chunk_letters=CHUNK_LETTERS)
        world.retried.append(world.terms)
        world.touched = True
        after = world.judge.look()
        assert view is not None
        assert view.stream is not None
        assert after is not None
        ids = {e.epoch: e.identity.topic_id for e in view.stream.earlier}
        ids[view.stream.epoch] = view.stream.identity.topic_id
        passing = set()
        for epoch, partition, offset in view.letters:
            sent = world.topics[ids[epoch]].partitions[partition].entries[offset]
            assert sent is not None
            if sent.row(world.terms) is not None and offset >= view.cleared(epoch, partition):
                passing.add((epoch, partition, offset))
        assert view.letters.keys() - after.letters.keys() == passing
        assert report.stored == len(passing)
        world.visits.saw("dead letters taken back", len(passing))
        world.visits.saw(
            "dead letters of an earlier epoch taken back", sum(p[0] < view.stream.epoch for p in passing)
        )

    @precondition(lambda self: self.world.view and self.world.view.letters)
    @rule(step=st.integers(min_value=1, max_value=8))
    def crash_retry(self, step: int) -> None:
        """Kill a retry before a step of its first commit."""
        world, nursery = self.world, self.world.bench.nursery
        world.sign(replace(world.terms, required=False))
        code = nursery.wait(nursery.start("retry", world.mesh.root, step=step))
        assert code in {0, -signal.SIGKILL}, nursery.log.read_text()[-4000:]
        world.visits.saw("retry killed", code != 0)
        world.retried.append(world.terms)
        world.touched = True

    @precondition(lambda self: self.world.view is not None)
    @rule(retention=st.booleans())
    def maintain(self, retention: bool) -> None:  # noqa: FBT001
        """Make a round of maintenance, as eager as open readers and stopped passes allow."""
        world = self.world
        chosen = policy(young=world.reader is None, retention=retention, orphans=world.stopped is None)
        with DomainStore.open(world.project.data_folder(DOMAIN), DOMAIN) as store:
            report = maintain(store, chosen)
        after = world.judge.look()
        assert after is not None
        assert not (retention and after.rows), "rows outlived their retention"
        for step in report.steps:
            world.visits.saw(f"maintenance: {step.name}")
        world.retention |= retention
        world.touched = True

    @precondition(lambda self: self.world.view and self.world.reader is None and self.world.stopped is None)
    @rule(nth=st.integers(min_value=1, max_value=8), work=st.sampled_from(["tidy", "tidy", "expire"]))
    def crash_maintenance(self, nth: int, work: str) -> None:
        """Kill maintenance before one of its transactions."""
        world, nursery = self.world, self.world.bench.nursery
        code = nursery.wait(nursery.start(work, world.mesh.root, step=1, nth=nth))
        assert code in {0, -signal.SIGKILL}, nursery.log.read_text()[-4000:]
        world.visits.saw("maintenance killed", code != 0)
        world.retention |= work == "expire"
        world.touched = True

    @precondition(lambda self: self.world.view and self.world.view.rows and self.world.reader is None)
    @rule()
    def open_reader(self) -> None:
        """Begin to read, and stay."""
        self.world.reader = Reader(self.world)
        self.world.visits.saw("reader opened")
        self.world.touched = True

    @precondition(lambda self: self.world.reader is not None)
    @rule()
    def close_reader(self) -> None:
        """End the reading."""
        assert self.world.reader is not None
        self.world.reader.close()
        self.world.reader = None


def _open_losses(view: View) -> set[LostRange]:
    """Return the recorded losses of the present epoch that nobody has acknowledged."""
    assert view.stream is not None
    noted = {lost for entry in view.stream.acknowledged for lost in entry.ranges}
    recorded = {
        LostRange(epoch=e.epoch, partition=e.partition, from_offset=g.from_offset, to_offset=g.to_offset)
        for e in view.entries
        for g in e.gaps
        if g.kind == "lost" and e.epoch == view.stream.epoch
    }
    return recorded - noted
