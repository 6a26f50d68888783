"""The machine: every rule, the invariants after every step, and at the end nothing that is left to read."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import initialize, invariant

from tests.faults.machine.ingesting import Ingesting
from tests.faults.machine.keeping import Keeping
from tests.faults.machine.producing import Producing
from tests.faults.machine.records import Draft, Kind, Terms
from tests.faults.machine.work import REPORTED, SMALL
from tests.faults.machine.world import Bench, World

GOOD = Draft(kind=Kind.GOOD, key=None, with_headers=False)

NAMELESS = Draft(kind=Kind.NAMELESS, key=b"", with_headers=True)

KILLS_APART = 3
"""Of the steps of a commit, each third is one at which an example is killed on its way to the end."""


class MeshMachine(Producing, Ingesting, Keeping):
    """Does to one stream whatever can be done, in any order.

    Args:
        bench: What all examples share.
    """

    def __init__(self, bench: Bench) -> None:
        super().__init__()
        self._bench = bench
        self._world: World | None = None
        self._kills = range(0)

    @property
    def world(self) -> World:  # type: ignore[override]
        """The example's mesh."""
        assert self._world is not None
        return self._world

    @initialize(
        partitions=st.integers(min_value=1, max_value=3),
        required=st.booleans(),
        on_loss=st.sampled_from(["fail", "record"]),
        first_kill=st.integers(min_value=1, max_value=KILLS_APART),
    )
    def begin(self, partitions: int, required: bool, on_loss: str, first_kill: int) -> None:  # noqa: FBT001
        """Create a topic and its contract; decide at which steps the way to the end is interrupted."""
        self._kills = range(first_kill, REPORTED + 1, KILLS_APART)
        self._world = World(self._bench, partitions, Terms(required=required, on_loss=on_loss))

    @invariant()
    def holds(self) -> None:
        """Whatever the step was."""
        self.world.visits.saw("step")
        self.world.check()

    def teardown(self) -> None:
        """Run into every obstacle once more, then take it away: all is read, and all of it holds."""
        if self._world is None:
            return
        try:
            if sys.exc_info()[0] is None:
                self._settle()
        finally:
            self._let_go()

    def _settle(self) -> None:
        world = self.world
        if world.stopped is not None:
            self.wake_up()
        if not world.is_known_topic:
            self.accept()
            world.check()
        self._pass_beside_a_transaction()
        self._lose_and_acknowledge()
        for step in self._kills:
            self.kill_before(step)
        self._pass()
        assert world.nexts == {p: log.end for p, log in enumerate(world.topic.partitions)}
        self.retry(loosen=True)
        world.check()
        world.visits.saw("brought to its end")

    def _pass_beside_a_transaction(self) -> None:
        """Leave a dead letter for the retry, and pass while a transaction is open."""
        world = self.world
        world.sign(replace(world.terms, required=True))
        world.produce(0, [NAMELESS])
        if world.open_partition is None:
            world.open_transaction(0, [GOOD])
        self._pass()
        self.end_transaction(commit=True)

    def _lose_and_acknowledge(self) -> None:
        """Lose a record: the partition stops, or goes on, until somebody takes note."""
        self.lose(0, [GOOD, NAMELESS], 1)
        self._pass()
        self.acknowledge()
        self.world.check()

    def _pass(self) -> None:
        self.pass_to_the_end(SMALL)
        self.world.check()

    def _let_go(self) -> None:
        world = self.world
        if world.stopped is not None:
            os.kill(world.stopped.pid, signal.SIGKILL)
            self._bench.nursery.wait(world.stopped.pid)
        world.close()
