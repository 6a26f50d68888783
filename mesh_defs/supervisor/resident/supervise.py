"""Starts the children of `mesh run`, starts them anew when they end, and passes their reports on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any, Final

from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.project import DOMAINS, Project
from mesh_defs.ingest import StreamReport
from mesh_defs.ingest.resident import MEMORY_LIMIT_BYTES, ProcessStop
from mesh_defs.model.errors import ConfigError
from mesh_defs.supervisor.environment import dagster_home
from mesh_defs.supervisor.resident.children import RENEW, Child, Nursery, Work, say
from mesh_defs.supervisor.resident.roles import ingesting, keeping, loading, maintaining, telling
from mesh_defs.supervisor.supervisor import WAITS

DRAIN_SECONDS: Final = 7.0
"""How long a domain may take to commit what it has read; then it is killed, and its next process resumes."""

_LAST_WORD_SECONDS: Final = 2.0
_STABLE_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 5.0
_REPORTER: Final = "Dagster's reporter"
_LOADER: Final = "loader of files"
_KEEPER: Final = "keeper of catalogs"
_MAINTAINER: Final = "maintainer of stores"
"""Names among the children that no domain has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidentOptions:
    """How `mesh run` runs.

    Attributes:
        domains: Their names; none means all that have a folder, also those that come later.
        memory_limit: In bytes; a domain's process that holds more makes room for a new one.
        waits: Seconds before each start after a death.
    """

    domains: Sequence[str] = ()
    memory_limit: int = MEMORY_LIMIT_BYTES
    waits: Sequence[float] = field(default=WAITS)


def run_resident(project: Project, options: ResidentOptions) -> None:
    """Ingest domains until SIGTERM or SIGINT, or until this process is gone.

    1. On the signal every domain's process is told; it ends its chunk, commits it, and reports.
    2. Those that are left after 7 s are killed: nothing is lost by that, their next process resumes.
    3. Dagster is told what is left to tell.
    """
    stop = ProcessStop()
    run = _Run(project, options)
    try:
        while not stop.asked():
            run.start_due()
            run.hear(stop)
    finally:
        run.end()


@dataclass(slots=True)
class _Fate:
    """How often a child died one after the other, and when it is due."""

    deaths: int = 0
    due: float = 0.0


class _Run:
    def __init__(self, project: Project, options: ResidentOptions) -> None:
        self._project = project
        self._options = options
        self._nursery = Nursery()
        self._children: dict[str, Child] = {}
        self._fates: dict[str, _Fate] = {}
        self._reports: dict[tuple[str, str], StreamReport] = {}
        self._telling: StreamReport | None = None
        self._names: list[str] = []

    def start_due(self) -> None:
        """Start what should run and does not; end what should not."""
        now = time.monotonic()
        wanted = self._wanted()
        for name, child in self._children.items():
            if name not in {_REPORTER, _LOADER, _KEEPER, _MAINTAINER, *wanted}:
                child.terminate()
        limit = self._options.memory_limit
        if wanted:
            self._start(_KEEPER, keeping(self._project.root), now)
            self._start(_LOADER, loading(self._project.root, self._options.domains, limit), now)
            self._start(_MAINTAINER, maintaining(self._project.root, self._options.domains), now)
        for name in wanted:
            self._start(name, ingesting(self._project.root, name, limit), now)
        if self._reports and (dagster_home(self._project) / "dagster.yaml").is_file():
            self._start(_REPORTER, telling(self._project.root), now)
        self._pass_on()

    def hear(self, stop: ProcessStop | None, seconds: float = _LOOK_SECONDS) -> None:
        """Take what children say, and their ends, for at most so long."""
        dues = [
            fate.due - time.monotonic() for name, fate in self._fates.items() if name not in self._children
        ]
        timeout = max(0.0, min([seconds, *(due for due in dues if due > 0)]))
        places: dict[Any, str] = {}
        for name, child in self._children.items():
            places |= {child.pipe: name, child.process.sentinel: name}
        heard = wait([*places, *([stop.fileno()] if stop is not None else [])], timeout)
        for name in {places[place] for place in heard if place in places}:
            self._listen(name)
            if not self._children[name].process.is_alive():
                self._ended(name)

    def end(self) -> None:
        """Let every domain commit what it has read; tell Dagster the rest."""
        domains = [child for name, child in self._children.items() if name != _REPORTER]
        for child in domains:
            child.terminate()
        self._until(DRAIN_SECONDS, lambda: not (self._children.keys() - {_REPORTER}))
        for name in tuple(self._children.keys() - {_REPORTER}):
            say(name, f"did not stop in {DRAIN_SECONDS:g} s, and is killed")
            self._children.pop(name).kill()
        if _REPORTER in self._children:
            self._until(_LAST_WORD_SECONDS, lambda: not self._reports and self._telling is None)
        reporter = self._children.pop(_REPORTER, None)
        if reporter is not None:
            reporter.kill()
        self._nursery.close()

    def _until(self, seconds: float, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + seconds
        while not done() and (left := deadline - time.monotonic()) > 0 and self._children:
            self._pass_on()
            self.hear(None, left)

    def _wanted(self) -> list[str]:
        """Return the domains that may have something to ingest."""
        folder = self._project.root / DOMAINS
        with contextlib.suppress(ConfigError):  # the folder cannot be read now: those go on that run
            names = self._options.domains or self._project.domain_names()
            self._names = [n for n in names if any((folder / n / "streams").glob(f"*{CONTRACT_SUFFIX}"))]
        return self._names

    def _start(self, name: str, work: Work, now: float) -> None:
        fate = self._fates.setdefault(name, _Fate())
        if name not in self._children and now >= fate.due:
            self._children[name] = self._nursery.start(name, work)

    def _listen(self, name: str) -> None:
        """Take all that a child has said."""
        child = self._children[name]
        with contextlib.suppress(EOFError, OSError):
            while child.pipe.poll():
                said = child.pipe.recv()
                if name == _REPORTER:
                    self._telling = None
                else:
                    self._keep(said)
        self._pass_on()

    def _keep(self, report: StreamReport) -> None:
        key = (report.domain, report.stream)
        known = self._reports.get(key)
        self._reports[key] = report if known is None else known.plus(report)

    def _pass_on(self) -> None:
        """Give the reporter its next report when it has told the last one."""
        reporter = self._children.get(_REPORTER)
        if reporter is None or self._telling is not None or not self._reports:
            return
        key = next(iter(self._reports))
        with contextlib.suppress(OSError):  # it has just died: its end is heard next
            reporter.pipe.send(self._reports[key])
            self._telling = self._reports.pop(key)

    def _ended(self, name: str) -> None:
        """Take note of a child's end, and decide when it is started anew."""
        child, fate = self._children.pop(name), self._fates[name]
        child.process.join()
        child.pipe.close()
        if name == _REPORTER and self._telling is not None:
            report, self._telling = self._telling, None
            key = (report.domain, report.stream)
            later = self._reports.get(key)
            self._reports[key] = report if later is None else report.plus(later)
        code = child.process.exitcode
        if code in {0, RENEW}:
            fate.deaths, fate.due = 0, 0.0
            return
        now = time.monotonic()
        if now - child.started > _STABLE_SECONDS:
            fate.deaths = 0
        pause = self._options.waits[min(fate.deaths, len(self._options.waits) - 1)]
        fate.deaths, fate.due = fate.deaths + 1, now + pause
        how = f"signal {-code} ended it" if code is not None and code < 0 else f"it ended with code {code}"
        say(name, f"{how}; it is started again in {pause:g} s")
