"""The nemesis: what happens to the ingesters, the maintenance and the broker, at random."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess

import psutil

from soaking.children import STEPS, TAKES_THE_LOCK, Fuse
from soaking.mesh import SoakedMesh
from soaking.streams import DOMAINS
from soaking.waiting import becomes, pause

LONG = 20.0
"""Seconds after which a child that did not meet its fate is killed as it is."""

REST_SECONDS = 6.0
VERIFY_EVERY = 50
PASSES_EVERY = 6


class Nemesis:
    """Strikes until so many processes of the mesh were killed.

    Args:
        mesh: What it strikes.
        chance: Decides what happens and when.
    """

    def __init__(self, mesh: SoakedMesh, chance: random.Random) -> None:
        self.struck: Counter[str] = Counter()
        self._mesh = mesh
        self._chance = chance
        self._rounds = 0

    @property
    def kills(self) -> int:
        """SIGKILLs that struck a living process of the mesh; those of the broker are counted apart."""
        return sum(count for what, count in self.struck.items() if what.startswith("killed"))

    def strike(self) -> None:
        """Do one round of harm; the ingesters that it leaves behind go on."""
        self._rounds += 1
        self._tend()
        if self._rounds % VERIFY_EVERY == 0:
            self._mesh.verify()
            self.struck["verified the ledger meanwhile"] += len(DOMAINS)
        if self._rounds % PASSES_EVERY == 0:
            self._passes()
            return
        weights: dict[Callable[[], None], int] = {
            self._kill_holder: 5,
            self._kill_at_step: 8,
            self._kill_run: 2,
            self._zombie_at_step: 2,
            self._stop_holder: 2,
            self._kill_command: 1,
            self._second_run: 1,
            self._kill_maintenance: 3,
            self._rest: 1,
            self._restart_broker: 1,
        }
        [act] = self._chance.choices(list(weights), list(weights.values()))
        act()
        pause(self._chance.uniform(0.1, 0.8))

    def _tend(self) -> None:
        """Start what should run; count the maintenance that ended itself."""
        if not self._mesh.runs():
            self._mesh.start_run()
        if self._mesh.tend_housekeeping(self._housekeeping_fuse):
            self.struck["killed: maintenance, before a transaction"] += 1

    def _housekeeping_fuse(self) -> Fuse:
        step = int(self._chance.random() < 0.5)  # noqa: PLR2004 - half of them end themselves
        return Fuse(step, self._chance.randint(1, 60), signal.SIGKILL)

    def _kill(self, pid: int, what: str) -> bool:
        """Kill a process of this soak; say whether it lived."""
        if not self._mesh.is_own(pid):
            return False
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            return False
        self.struck[f"killed: {what}"] += 1
        return True

    def _kill_holder(self) -> None:
        holder = self._mesh.holder(self._chance.choice(DOMAINS))
        if holder is None:  # its `mesh run` waits ever longer before it starts another
            self._kill_run()
        else:
            self._kill(holder, "who ingests, at random")

    def _kill_run(self) -> None:
        run = self._chance.choice(self._mesh.runs())
        self._kill(run, "a whole `mesh run`")
        becomes(lambda: run not in self._mesh.runs(), LONG)
        self._mesh.start_run()

    def _successor(self, domain: str, fuse: Fuse) -> ForkServerProcess:
        """Start a resident ingester that acts at a step, and make it the domain's next one."""
        child = self._mesh.resident(domain, fuse)
        becomes(lambda: _has_begun(child.pid), LONG)
        holder = self._mesh.holder(domain)
        if holder is not None and holder != child.pid:
            self._kill(holder, "who ingests, at random")
        return child

    def _kill_at_step(self) -> None:
        fuse = Fuse(self._chance.randint(1, STEPS), self._chance.randint(1, 3), signal.SIGKILL)
        child = self._successor(self._chance.choice(DOMAINS), fuse)
        self._await_death(child, "who ingests")

    def _await_death(self, child: ForkServerProcess, what: str, bound: float = LONG) -> None:
        """Count a child that ends itself before a step; kill it where it does not come to it in time."""
        if becomes(lambda: not child.is_alive(), bound):
            child.join()
            self.struck[f"killed: {what}, before a step of its commit"] += child.exitcode == -signal.SIGKILL
        elif child.pid is not None:
            self._kill(child.pid, f"{what}, at random")
        child.join()
        self._mesh.note_end(child)

    def _zombie_at_step(self) -> None:
        """Stop one just before its commit, let another commit, and let the first one go on."""
        domain = self._chance.choice(DOMAINS)
        fuse = Fuse(self._chance.randint(1, TAKES_THE_LOCK), self._chance.randint(1, 2), signal.SIGSTOP)
        child = self._successor(domain, fuse)
        if becomes(lambda: _status(child.pid) in {psutil.STATUS_STOPPED, ""}, LONG) and child.is_alive():
            self._succeed(domain)
            self.struck["stopped before its commit, passed over, continued"] += 1
            _signal(child.pid, signal.SIGCONT)
        pause(self._chance.uniform(0.2, 1.0))
        if child.pid is not None:
            self._kill(child.pid, "a zombie, after it went on")
        child.join()
        self._mesh.note_end(child)

    def _stop_holder(self) -> None:
        domain = self._chance.choice(DOMAINS)
        holder = self._mesh.holder(domain)
        if holder is None or not self._mesh.is_own(holder):
            return
        _signal(holder, signal.SIGSTOP)
        try:
            self._succeed(domain)
            self.struck["stopped at random, passed over, continued"] += 1
        finally:
            _signal(holder, signal.SIGCONT)

    def _succeed(self, domain: str) -> None:
        """Let a pass do the work of one that is stopped; it may have to wait for the writer's lane."""
        successor = self._mesh.bounded(domain, Fuse(0, 1, 0))
        becomes(lambda: not successor.is_alive(), self._chance.uniform(1.0, 4.0))

    def _kill_command(self) -> None:
        process = self._mesh.start_ingest()
        self.struck["`mesh ingest` beside `mesh run`"] += 1
        bound = self._chance.uniform(0.3, 3.0)
        if not becomes(lambda: not process.is_alive(), bound) and process.pid is not None:
            self._kill(process.pid, "`mesh ingest`, at random")
        process.join()

    def _second_run(self) -> None:
        if len(self._mesh.runs()) == 1:
            self._mesh.start_run()
            self.struck["a second `mesh run` beside the first"] += 1
        else:
            self._mesh.stop_run(self._chance.choice(self._mesh.runs()))
            self.struck["`mesh run` ended with SIGTERM"] += 1

    def _kill_maintenance(self) -> None:
        pid = self._mesh.housekeeping_pid()
        if pid is not None and self._kill(pid, "maintenance, at random"):
            self._mesh.forget_housekeeping()

    def _kill_runs(self) -> None:
        for run in self._mesh.runs():
            self._kill(run, "a whole `mesh run`")
        becomes(lambda: not self._mesh.runs(), LONG)

    def _rest(self) -> None:
        """Let nobody ingest for a while: a backlog grows, and compaction takes away what nobody has read."""
        self._kill_runs()
        self.struck["nobody ingested for a while"] += 1
        pause(self._chance.uniform(1.0, 1.5) * REST_SECONDS)

    def _restart_broker(self) -> None:
        kill = self._chance.random() < 0.5  # noqa: PLR2004 - as often as not
        self._mesh.restart_broker(kill=kill, away=self._chance.uniform(0.0, 2.0))
        self.struck["broker killed" if kill else "broker restarted"] += 1

    def _passes(self) -> None:
        """Passes alone, several at once, killed before steps and at random."""
        self._kill_runs()
        for _ in range(4):
            domain = self._chance.choice(DOMAINS)
            count = self._chance.choice((1, 1, 2))
            children = [
                self._mesh.bounded(
                    domain,
                    Fuse(self._chance.randint(1, STEPS), self._chance.randint(1, 4), signal.SIGKILL),
                )
                for _ in range(count)
            ]
            self.struck["passes at the same time"] += count > 1
            at_random = self._chance.random() < 0.3  # noqa: PLR2004 - three in ten
            for child in children:
                self._await_death(child, "a pass", self._chance.uniform(0.1, 1.0) if at_random else LONG)


def _has_begun(pid: int | None) -> bool:
    """Say whether a child has done something, or is gone."""
    try:
        return psutil.Process(pid).cpu_times().user > 0
    except psutil.NoSuchProcess:
        return True


def _status(pid: int | None) -> str:
    try:
        return psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return ""


def _signal(pid: int | None, number: int) -> None:
    try:
        psutil.Process(pid).send_signal(number)
    except psutil.NoSuchProcess:
        return
