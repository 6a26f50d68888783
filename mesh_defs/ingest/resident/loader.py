"""The resident loader: one process that looks at the data at rest of all domains, and loads what has changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.ingest.lease import files_lease_of
from mesh_defs.ingest.report import StreamReport, Trouble
from mesh_defs.ingest.resident.holds import Holds
from mesh_defs.ingest.resident.lifetime import Signature, memory_bytes, signature
from mesh_defs.ingest.resident.reporting import Reporter, Reporting
from mesh_defs.ingest.resident.stop import Stop
from mesh_defs.ingest.rest import Hashes, input_news
from mesh_defs.ingest.run import run_pass
from mesh_defs.model.errors import ConfigError, ContractError, MeshError
from mesh_defs.store import FileLock

LOOK_SECONDS: Final = 5.0
"""How often the files are looked at: their names, sizes and times of change, no more."""


class Loader:
    """Loads data at rest as it changes, beside the processes that ingest streams: a large file keeps none of them.

    Args:
        project: The mesh.
        names: Its domains; none means all.
        reporter: Is told what was loaded.
        stop: The wish to stop.
        say: Takes the name of a domain and one line for people.
        memory_limit: In bytes; it ends when it holds more after a load, to be started anew.
    """

    def __init__(
        self,
        project: Project,
        names: Sequence[str],
        *,
        reporter: Reporter,
        stop: Stop,
        say: Callable[[str, str], None],
        memory_limit: int,
    ) -> None:
        self._project = project
        self._names = names
        self._reporter = reporter
        self._stop = stop
        self._say = say
        self._memory_limit = memory_limit
        self._domains: dict[str, tuple[Signature, Domain | None]] = {}
        self._leases: dict[str, FileLock] = {}
        self._reporting: dict[str, Reporting] = {}
        self._holds: dict[str, Holds] = {}
        self._hashes = Hashes()

    def run(self) -> bool:
        """Load until told to stop; True where it is time for a new process."""
        try:
            while not self._stop.wait(LOOK_SECONDS):
                for name in self._domain_names():
                    domain = self._domain(name)
                    if domain is not None and domain.inputs and self._is_mine(name):
                        self._look(domain)
                    if self._stop.asked():
                        return False
                if memory_bytes() > self._memory_limit:
                    return True
        finally:
            for lease in self._leases.values():
                lease.release()
        return False

    def _domain_names(self) -> Sequence[str]:
        try:
            return self._names or self._project.domain_names()
        except ConfigError:  # the folder cannot be read now
            return ()

    def _domain(self, name: str) -> Domain | None:
        """Return a domain as its files declare it now; one that cannot be read is told by who ingests its streams."""
        now = signature(self._project, name)
        if name not in self._domains or self._domains[name][0] != now:
            try:
                self._domains[name] = (now, Project.open(self._project.root).domain(name))
            except (ConfigError, ContractError):
                self._domains[name] = (now, None)
        found = self._domains[name][1]
        return None if found is None else found.live

    def _is_mine(self, name: str) -> bool:
        if name not in self._leases:
            self._leases[name] = files_lease_of(self._project.data_folder(name))
        return self._leases[name].held or self._leases[name].try_acquire()

    def _look(self, domain: Domain) -> None:
        """Load what has changed of a domain's files and is not left alone."""
        now = time.monotonic()
        holds = self._holds.setdefault(domain.name, Holds())
        reporting = self._reporting.setdefault(domain.name, Reporting(self._reporter))
        reporting.flush(now)
        try:
            news = input_news(self._project, domain, self._hashes)
            due = [n for n, found in news.items() if found.has_news and not holds.is_held(n, now)]
            due += [n for n in news if n not in due and holds.is_due(n, now)]
            reports = run_pass(self._project, domain, due).streams if due else ()
        except MeshError as error:
            self._say(domain.name, str(error))
            return
        for report in reports:
            self._note(report, holds)
            reporting.note(report, time.monotonic())

    def _note(self, report: StreamReport, holds: Holds) -> None:
        # A file is no partition: what stops it stops the whole input.
        whole = tuple(Trouble(error=t.error) for t in report.troubles[:1])
        before = (report.stream, None) in holds.places
        found = StreamReport(domain=report.domain, stream=report.stream, troubles=whole)
        holds.note(found, frozenset(), time.monotonic())
        if whole and not before:
            self._say(report.domain, f"{whole[0].error}; it is tried again by itself")
        elif before and not whole:
            self._say(report.domain, f"{report.stream} goes on")
