"""The self-test's course."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesh_defs.broker import Broker, LocalKafka, connection_for, free_port
from mesh_defs.contract.project import Project
from mesh_defs.scaffold import new_domain, new_project
from mesh_defs.selftest.child import open_project
from mesh_defs.selftest.events import CONTRACT, DOMAIN, STREAM, Source
from mesh_defs.selftest.judge import ends, judge
from mesh_defs.selftest.report import SelfTestReport
from mesh_defs.selftest.victims import Victims

STEPS: Final = 8
"""The numbered steps of a commit (`mesh_defs.store.commit`)."""

_MAINTENANCE_EVERY: Final = 4
_ABORTED: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestOptions:
    """How hard it is tried.

    Attributes:
        kills: How many passes are killed: two thirds at numbered steps, the others at random instants.
        records: Records produced before each pass.
        seed: Decides order and instants.
        keep: Leave the scratch project on disk.
    """

    kills: int = 24
    records: int = 500
    seed: int = 1
    keep: bool = False


OnSelfTest = Callable[[str, int, int], None]
"""Told what happens now, which round it is, and how many there are."""


def run_selftest(options: SelfTestOptions, on_progress: OnSelfTest) -> SelfTestReport:
    """Run the self-test.

    1. Make a project as `mesh init` and `mesh domain new` do, and start a local Kafka in it.
    2. In each round: produce known events, begin a pass, kill it; look whether an offset fell. Every few rounds
       abort a transaction, and run maintenance, which is killed every second time.
    3. Make one more pass and one more round of maintenance, unharmed.
    4. Compare every row and dead letter with what was produced, and verify the ledger against tables and broker.

    Nothing is left running, whatever happens; the folder stays only where it was asked for.

    Raises:
        ProcessError: The local Kafka does not start.
        BrokerError: It cannot be had, or does not answer.
        StoreError: The store cannot be read.
    """
    began = time.monotonic()
    with _scratch(keep=options.keep) as folder:
        root = folder / "mesh"
        project = _project(root)
        kafka = LocalKafka.of_mesh(project.config.data, port=free_port())
        on_progress("starting Kafka", 0, options.kills)
        kafka.start()
        try:
            with Broker(connection_for(project.config, "main")) as broker:
                broker.apply_topics(project.domain(DOMAIN).streams)
                course = _Course(options, project, Source(broker), on_progress)
                course.run()
            on_progress("verifying", options.kills, options.kills)
            return course.report(began, folder if options.keep else None)
        finally:
            kafka.stop()


class _Course:
    """Rounds of production, kill and look.

    Args:
        options: How hard it is tried.
        project: The scratch project.
        source: Of the known events.
        on_progress: Told of each round.
    """

    def __init__(
        self, options: SelfTestOptions, project: Project, source: Source, on_progress: OnSelfTest
    ) -> None:
        self._options = options
        self._project = project
        self._source = source
        self._on_progress = on_progress
        self._chance = random.Random(options.seed)  # noqa: S311 - instants of kills, no secret
        self._victims = Victims(project.root, project.config.data / "selftest.log")
        self._ends: dict[int, int] = {}
        self._backwards = self._passes = self._rounds = 0
        self._struck = {"steps": 0, "random": 0, "maintenance": 0}

    def run(self) -> None:
        """Run all rounds, then once more unharmed."""
        for _ in range(2):  # the first pass lays out the store, and says little of how long one usually takes
            self._source.produce(self._options.records)
            began = time.monotonic()
            self._ingest()
            usual = time.monotonic() - began
        for number, step in enumerate(self._plan(), start=1):
            self._on_progress(
                f"killing ingest {f'before step {step}' if step else 'at random'}",
                number,
                self._options.kills,
            )
            self._source.produce(self._options.records)
            if number % _MAINTENANCE_EVERY == 1:
                self._source.abort(_ABORTED)
            if step:
                self._struck["steps"] += self._ingest(step=step, nth=self._chance.randint(1, 2))
            else:
                self._struck["random"] += self._ingest(after=usual * self._chance.uniform(0.2, 1.0))
            if number % _MAINTENANCE_EVERY == 0:
                self._maintain(kill=self._rounds % 2 == 1)
        self._on_progress("the last pass, unharmed", self._options.kills, self._options.kills)
        self._ingest()
        self._maintain(kill=False)
        self._look()

    def report(self, began: float, folder: Path | None) -> SelfTestReport:
        """Judge, and return everything that is to be told."""
        produced = self._source.produced
        verdict = judge(self._project, produced)
        return SelfTestReport(
            produced=len(produced.numbers),
            good=produced.good,
            bad=produced.bad,
            tombstones=produced.tombstones,
            aborted=produced.aborted,
            rows=verdict.rows,
            dead_letters=verdict.dead_letters,
            in_gaps=verdict.in_gaps,
            lost=verdict.lost,
            twice=verdict.twice,
            altered=verdict.altered,
            foreign=verdict.foreign,
            backwards=self._backwards,
            kills_at_steps=self._struck["steps"],
            kills_at_random=self._struck["random"],
            kills_of_maintenance=self._struck["maintenance"],
            passes=self._passes,
            maintenance=self._rounds,
            commits=verdict.commits,
            violations=verdict.violations,
            troubles=tuple(self._victims.troubles),
            seconds=time.monotonic() - began,
            folder=folder,
        )

    def _plan(self) -> list[int]:
        """Return the step of each kill, 0 for a random instant, in an order that the seed decides."""
        at_random = self._options.kills // 3
        plan = [0] * at_random + [1 + n % STEPS for n in range(self._options.kills - at_random)]
        self._chance.shuffle(plan)
        return plan

    def _ingest(self, *, step: int = 0, nth: int = 1, after: float | None = None) -> bool:
        self._passes += 1
        struck = self._victims.ingest(step=step, nth=nth, after=after)
        self._look()
        return struck

    def _maintain(self, *, kill: bool) -> None:
        self._rounds += 1
        transaction = self._chance.randint(1, 4) if kill else 0
        self._struck["maintenance"] += self._victims.maintain(transaction=transaction)
        self._look()

    def _look(self) -> None:
        """Count the partitions whose next offset fell since the last look."""
        found = ends(self._project)
        self._backwards += sum(found.get(p, 0) < end for p, end in self._ends.items())
        self._ends = found


def _project(root: Path) -> Project:
    """Make the scratch project, as a person would."""
    new_project(root)
    new_domain(root, DOMAIN)
    (root / "domains" / DOMAIN / "streams" / f"{STREAM}.odcs.yaml").write_text(CONTRACT, encoding="utf-8")
    return open_project(root)


@contextmanager
def _scratch(*, keep: bool) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mesh-selftest-")).resolve()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
