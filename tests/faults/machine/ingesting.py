"""The rules of the machine that concern passes: whole ones, chunks, killed ones, stopped ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from mesh_defs.broker import Brokers
from mesh_defs.ingest import Limits, run_pass
from mesh_defs.ingest.work import DomainWork
from mesh_defs.model.errors import IdentityChangedError, OffsetsLostError
from mesh_defs.store import DomainStore
from tests.faults.machine.nursery import STOPPED
from tests.faults.machine.producing import numbers
from tests.faults.machine.records import Draft, Kind, drafts
from tests.faults.machine.work import DOMAIN, REFUSED, REPORTED, SMALL, stream_of
from tests.faults.machine.world import Stopped, World

nth = st.integers(min_value=1, max_value=2)


class Ingesting(RuleBasedStateMachine):
    """What passes do."""

    world: World

    @rule(number=numbers, records=drafts, limits=st.sampled_from([SMALL, Limits()]))
    def whole_pass(self, number: int, records: Sequence[Draft], limits: Limits) -> None:
        """Make a pass over what is there and some more; where nothing stands in its way, nothing is left to read."""
        self._produce(number, records)
        self.pass_to_the_end(limits)

    def pass_to_the_end(self, limits: Limits) -> None:
        """Make a pass and assert that exactly what has to fail fails, and the rest is at its end."""
        world = self.world
        before = world.view.nexts if world.view else {}
        report = run_pass(world.project, world.project.domain(DOMAIN), limits=limits)
        (stream,) = report.streams
        found = {(t.partition, type(t.error)) for t in stream.troubles}
        after = world.judge.look()
        assert after is not None
        world.touched = True
        if not world.is_known_topic:
            assert found == {(None, IdentityChangedError)}
            assert after.nexts == before
            world.visits.saw("stopped by a recreated topic")
            return
        stops = set(world.lost) if world.terms.on_loss == "fail" else set()
        assert found == {(p, OffsetsLostError) for p in stops}
        for partition, log in enumerate(world.topic.partitions):
            expected = before[partition] if partition in stops else log.end
            assert after.nexts[partition] == expected, f"partition {partition} is not at its end"
        moved = sum(after.nexts[p] > before.get(p, 0) for p in after.nexts)
        world.visits.saw("pass", moved > 0)
        world.visits.saw("stopped by a loss, others go on", bool(stops) and moved > 0)
        world.visits.saw("loss recorded by a pass", bool(world.lost) and not stops)
        world.visits.saw("passed beside an open transaction", world.open_partition is not None)
        world.visits.saw("committed beside an open reader", world.reader is not None and moved > 0)
        world.visits.saw("passed over a stopped process", world.stopped is not None and moved > 0)

    @rule(number=numbers, records=drafts)
    def one_chunk(self, number: int, records: Sequence[Draft]) -> None:
        """Make one round, as the resident ingester does, without the lease: some of what is there is committed."""
        world = self.world
        before = world.view.entries if world.view else ()
        self._produce(number, records)
        _, stream = stream_of(world.project)
        with (
            DomainStore.open(world.project.data_folder(DOMAIN), DOMAIN) as store,
            Brokers(world.project.config) as brokers,
            DomainWork(project=world.project, store=store, brokers=brokers, limits=SMALL) as work,
        ):
            work.begin([stream])
            work.round()
        after = world.judge.look()
        world.visits.saw("one chunk committed", after is not None and after.entries != before)
        world.touched = True

    @rule(number=numbers, records=drafts, step=st.integers(min_value=1, max_value=3), nth=nth)
    def crash_early(self, number: int, records: Sequence[Draft], step: int, nth: int) -> None:
        """Kill a pass before its files are checked, the lane is taken, the transaction begins."""
        self._crash(number, records, step, nth)

    @rule(number=numbers, records=drafts, step=st.integers(min_value=4, max_value=6), nth=nth)
    def crash_within(self, number: int, records: Sequence[Draft], step: int, nth: int) -> None:
        """Kill a pass inside its transaction."""
        self._crash(number, records, step, nth)

    @rule(number=numbers, records=drafts, step=st.integers(min_value=7, max_value=REPORTED), nth=nth)
    def crash_late(self, number: int, records: Sequence[Draft], step: int, nth: int) -> None:
        """Kill a pass before COMMIT, before it returns, and before it mirrors its offsets."""
        self._crash(number, records, step, nth)

    def _produce(self, number: int, records: Sequence[Draft]) -> None:
        """Let there be something to read."""
        partition, _ = self.world.log(number)
        self.world.produce(partition, records)

    @precondition(lambda self: self.world.stopped is None)
    @rule(number=numbers, records=drafts, step=st.integers(min_value=1, max_value=2))
    def overtake(self, number: int, records: Sequence[Draft], step: int) -> None:
        """Stop a pass before it takes the lane, make another one, and let the first go on."""
        self.stop(number, records, "ingest", step)
        self.world.check()
        self.pass_to_the_end(SMALL)
        self.world.check()
        if self.world.stopped is not None:
            self.wake_up()

    def _crash(self, number: int, records: Sequence[Draft], step: int, nth: int) -> bool:
        world, nursery = self.world, self.world.bench.nursery
        self._produce(number, records)
        code = nursery.wait(nursery.start("ingest", world.mesh.root, step=step, nth=nth))
        assert code in {0, -signal.SIGKILL}, nursery.log.read_text()[-4000:]
        world.visits.saw(f"pass killed before step {step}", code != 0)
        world.touched = True
        return code != 0

    def kill_before(self, step: int) -> None:
        """Kill a pass that nothing else stands in the way of."""
        record = Draft(kind=Kind.GOOD, key=None, with_headers=False)
        assert self._crash(0, [record], step, 1), f"no pass came to step {step}"
        self.world.check()

    @precondition(lambda self: self.world.stopped is None)
    @rule(number=numbers, records=drafts, work=st.sampled_from(["ingest", "ingest", "retry"]),
          step=st.sampled_from([1, 2, 8]))  # fmt: skip
    def stop(self, number: int, records: Sequence[Draft], work: str, step: int) -> None:
        """Stop a pass or a retry outside the lane: it is a second writer, for as many steps as it sleeps."""
        world, nursery = self.world, self.world.bench.nursery
        self._produce(number, records)
        if work == "retry":
            world.sign(replace(world.terms, required=False))
        pid = nursery.start(work, world.mesh.root, step=step, end=signal.SIGSTOP)
        code = nursery.wait(pid)
        assert code in {0, STOPPED}, nursery.log.read_text()[-4000:]
        world.touched = True
        if work == "retry":
            world.retried.append(world.terms)
        if code == STOPPED:
            now = world.judge.look()
            world.stopped = Stopped(
                pid=pid,
                work=work,
                terms=world.terms,
                nexts=dict(now.nexts) if now else {},
                topic_id=world.topic.topic_id,
                lows=world.topic.lows(),
                step=step,
            )
            world.visits.saw(f"{work} stopped before step {step}")

    @precondition(lambda self: self.world.stopped is not None)
    @rule()
    def wake(self) -> None:
        """Let the stopped process go on: what was committed meanwhile stands."""
        self.wake_up()

    def wake_up(self) -> None:
        """Continue the stopped process to its end."""
        world, stopped = self.world, self.world.stopped
        assert stopped is not None
        nursery = world.bench.nursery
        os.kill(stopped.pid, signal.SIGCONT)
        code = nursery.wait(stopped.pid)
        assert code in {0, REFUSED}, nursery.log.read_text()[-4000:]
        moved = world.view is not None and world.view.nexts != stopped.nexts
        world.visits.saw("stale pass fenced", stopped.work == "ingest" and stopped.step < 8 and moved)
        world.visits.saw("stale retry fenced", code == REFUSED)
        if stopped.work == "retry":
            world.retried.append(stopped.terms)
        world.touched = True
        world.check()
        world.stopped = None
