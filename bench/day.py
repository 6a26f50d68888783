"""Whether a day of commits leaves the store and Dagster's storage as small and as fast as they were after an hour.

A second of the day is a tick: six streams of one domain get six records each, a dead letter or a gap now and then, and
are committed together, as the resident ingester does it; the ticks follow each other as fast as they can:

    .venv/bin/python bench/day.py [--ticks N] [--folder FOLDER] [--plot FILE]

All else happens by the clock of the ticks: the store is maintained as often as `mesh run` does it, in a process of its
own, and snapshots and files go when so many ticks are over as the policy names seconds; each stream is reported to
Dagster once a minute, by the code that does so in production; Dagster's own hourly jobs run every 3,600 ticks; the
writer makes room for a new process where it holds too much. No broker takes part.

With `--folder` a run that was interrupted goes on where it stopped; without, it takes a scratch folder that is deleted.
On a disk each tick waits for some twenty fsyncs; a folder in memory shows the rest alone. A line a sample of 600 ticks
goes to `samples.jsonl` in the folder; at the end the store is verified, page by page, and a table printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from array import array
from contextlib import suppress
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import day_show
import day_work
from rich.console import Console
from rich.progress import Progress

from mesh_defs.ingest import StreamReport
from mesh_defs.ingest.resident import MAINTAIN_SECONDS
from mesh_defs.store import MaintenancePolicy
from mesh_defs.supervisor.environment import FEWER_TRIPS_TO_MALLOC
from mesh_defs.supervisor.resident.children import RENEW, Child, Nursery, Work
from mesh_defs.supervisor.resident.roles import keeping

DAY = 86_400
HOUR = 3_600
LOOK_SECONDS = 0.5
CONSOLE = Console(stderr=True)


class Instants:
    """When each tick was committed, on the real clock; kept in a file for a run that goes on.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times = array("d")
        if path.exists():
            size = path.stat().st_size // self._times.itemsize
            with path.open("rb") as file:
                self._times.fromfile(file, size)
        self._file = path.open("ab")

    def __len__(self) -> int:
        return len(self._times)

    def note(self, tick: int, at: float) -> None:
        """Note a tick; those whose note was lost with an earlier run get the same instant."""
        missing = array("d", [at] * (tick + 1 - len(self._times)))
        self._times.extend(missing)
        missing.tofile(self._file)

    def age(self, ticks: float) -> float:
        """Return how many real seconds ago it was so many ticks earlier; so many seconds where nothing was."""
        place = len(self._times) - int(ticks)
        return time.time() - self._times[place] if place >= 0 else ticks

    def save(self) -> None:
        """Write what is noted."""
        self._file.flush()


class Run:
    """A run over the ticks, with all its children.

    Args:
        root: The scratch mesh.
        ticks: How many there shall be.
    """

    def __init__(self, root: Path, ticks: int) -> None:
        self._root = root
        self._ticks = ticks
        self._nursery = Nursery()
        self._children: dict[str, Child] = {}
        self._instants = Instants(root / "instants.bin")
        self._samples = root / "samples.jsonl"
        self._timings: list[tuple[float, float, float]] = []
        self._reports: dict[str, StreamReport] = {}
        self._numbers = {"told": 0, "rounds": 0, "writers": 1, "tellers": 1, "hours": 0}
        self._took = {"report_ms": 0.0, "teller_bytes": 0.0, "round_s": 0.0}
        self._telling: StreamReport | None = None
        self._maintained = len(self._instants)
        self._hour = len(self._instants) // HOUR + 1
        self._done = False

    @property
    def tick(self) -> int:
        """How many ticks are over."""
        return len(self._instants)

    def all(self) -> None:
        """Make all ticks, and let the children come to their ends."""
        with Progress(console=CONSOLE, auto_refresh=False, transient=True) as progress:
            bar = progress.add_task("ticks", total=self._ticks, completed=self.tick)
            while not self._done or self._reports or self._telling:
                self._start_due()
                self._hear()
                progress.update(bar, completed=self.tick, refresh=CONSOLE.is_terminal)
        for name in ("house", "hour"):
            while name in self._children:
                self._hear()

    def once(self, name: str, work: Work) -> Any:
        """Run a child to its end and return what it said last."""
        child = self._nursery.start(name, work)
        said = None
        while wait([child.pipe, child.process.sentinel]):
            try:
                said = child.pipe.recv() if child.pipe.poll() else said
            except EOFError:
                break
            if not child.pipe.poll() and not child.process.is_alive():
                break
        child.process.join()
        if child.process.exitcode:
            sys.exit(f"{name} ended with code {child.process.exitcode}")
        return said

    def end(self) -> None:
        """End every child; the store stands any end."""
        for child in self._children.values():
            child.kill()
        self._children.clear()
        self._instants.save()
        self._nursery.close()

    def _start_due(self) -> None:
        root, tick = self._root, self.tick
        self._start("keeper", keeping(root))
        if not self._done:
            self._start("writer", partial(day_work.write, root, self._ticks))
        if tick - self._maintained >= MAINTAIN_SECONDS and "house" not in self._children:
            self._maintained = tick
            policy = MaintenancePolicy()
            spans = (policy.keep, policy.grace, policy.orphan_age)
            keep, grace, orphan_age = (self._instants.age(span.total_seconds()) for span in spans)
            self._start("house", partial(day_work.keep_house, root, (keep, grace, orphan_age)))
        if tick >= self._hour * HOUR and "hour" not in self._children:
            self._hour += 1
            self._start("hour", partial(day_work.by_the_hour, root))
        if self._reports:
            self._start("teller", partial(day_work.tell, root))
        self._pass_on()

    def _start(self, name: str, work: Work) -> None:
        if name not in self._children:
            self._children[name] = self._nursery.start(name, work)

    def _pass_on(self) -> None:
        if self._reports and self._telling is None and "teller" in self._children:
            report = self._reports[next(iter(self._reports))]
            with suppress(OSError):  # it has just ended, which is heard next
                self._children["teller"].pipe.send((float(self.tick), report))
                self._telling = self._reports.pop(report.stream)

    def _hear(self) -> None:
        """Take what the children say, and their ends."""
        places: dict[Any, str] = {}
        for name, child in self._children.items():
            places |= {child.pipe: name, child.process.sentinel: name}
        for name in {places[place] for place in wait([*places], LOOK_SECONDS)}:
            child = self._children[name]
            alive = child.process.is_alive()
            try:
                while child.pipe.poll():
                    self._take(name, child.pipe.recv())
            except (EOFError, OSError):  # it may have ended with a report unread
                alive = False
            if not alive:
                self._ended(name)
        self._pass_on()

    def _take(self, name: str, said: tuple[str, Any]) -> None:
        what, value = said
        if what == "tick":
            tick, at, *timing = value
            self._instants.note(tick, at)
            self._timings.append(tuple(timing))
        elif what == "report":
            self._keep(value)
        elif what == "told":
            self._telling = None
            self._numbers["told"] += 1
            self._took |= value
        elif what == "round":
            self._numbers["rounds"] += 1
            self._took["round_s"] = value[0]
        elif what == "sample":
            self._sample(value)
        else:
            raise AssertionError(name, what)

    def _keep(self, report: StreamReport) -> None:
        known = self._reports.get(report.stream)
        self._reports[report.stream] = report if known is None else known.plus(report)

    def _ended(self, name: str) -> None:
        child = self._children.pop(name)
        child.process.join()
        child.pipe.close()
        code = child.process.exitcode
        if name == "teller" and self._telling is not None:  # unread
            self._keep(self._telling)
            self._telling = None
        if code == RENEW:
            self._numbers[f"{name}s"] += 1
        elif code:
            sys.exit(f"{name} ended with code {code}")
        elif name == "hour":
            self._numbers["hours"] += 1
        elif name == "writer":
            self._done = True

    def _sample(self, measured: dict[str, Any]) -> None:
        """Write one line: what was measured, and what the ticks since the last one took."""
        timings, self._timings = self._timings, []
        taken = {
            f"{name}_ms": spread([timing[place] for timing in timings])
            for place, name in enumerate(("waiting", "inside", "whole"))
        }
        line = {"at": time.time(), **measured, **taken, **self._numbers, **self._took}
        with self._samples.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self._instants.save()


def spread(values: list[float]) -> list[float]:
    """Return the median, the 95th of a hundred and the longest."""
    ordered = sorted(values)
    return [round(v, 2) for v in (statistics.median(ordered), ordered[int(len(ordered) * 0.95)], ordered[-1])]


def measure(root: Path, ticks: int, plot: Path | None) -> None:
    """Make the ticks and show what they left."""
    day_work.write_project(root)
    run = Run(root, ticks)
    try:
        run.once("layout", partial(day_work.lay_out, root))
        run.all()
        _, (reached, violations) = run.once("verify", partial(day_work.verify, root))
    finally:
        run.end()
    samples = day_show.read(root / "samples.jsonl")
    Console().print(day_show.table(samples))
    if plot is not None:
        plot.write_text(day_show.svg(samples), encoding="utf-8")
    if violations or reached < ticks:
        sys.exit(f"the store holds {reached:,} ticks; violations: {'; '.join(violations) or 'none'}")
    print(f"{reached:,} ticks stored; every offset is accounted for, once; every page is whole")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ticks", type=int, default=DAY, help="seconds of the day")
    parser.add_argument("--folder", type=Path, help="where the run is kept, to go on with it")
    parser.add_argument("--plot", type=Path, help="where a plot (SVG) is written")
    options = parser.parse_args()
    if not FEWER_TRIPS_TO_MALLOC.keys() <= os.environ.keys():  # as `mesh up` starts it
        os.execve(sys.executable, sys.orig_argv, os.environ | FEWER_TRIPS_TO_MALLOC)  # noqa: S606
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        measure(options.folder, options.ticks, options.plot)
        return
    with tempfile.TemporaryDirectory(prefix="mesh-day-") as name:
        measure(Path(name), options.ticks, options.plot)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        os.write(2, b"interrupted; with the same --folder it goes on\n")
        sys.exit(130)
