"""What the children of `mesh run` do: ingest a domain, load files, maintain stores, keep them open, or tell Dagster."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Sequence
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mesh_defs.contract.project import Project
from mesh_defs.ingest import StreamReport
from mesh_defs.ingest.resident import (
    MEMORY_LIMIT_BYTES,
    Ending,
    Loader,
    Maintainer,
    ProcessStop,
    Resident,
    Stop,
    signature,
)
from mesh_defs.ingest.resident.lifetime import memory_bytes
from mesh_defs.model.errors import ConfigError, ContractError, MeshError
from mesh_defs.store import CatalogKeeper
from mesh_defs.supervisor.resident.children import RENEW, Work, say

if TYPE_CHECKING:
    from mesh_defs.orchestration.resident import DagsterReporter

_LOOK_SECONDS: Final = 2.0
_KEEP_SECONDS: Final = 1.0

REPORTER_BYTES: Final = 2 * MEMORY_LIMIT_BYTES
"""Dagster alone takes half of it; each report leaves half a megabyte behind in the engines."""


_MOST_REPORTER_BYTES: Final = REPORTER_BYTES * 3 // 2
"""Above it tables that wait to be measured wait for their next report instead."""


class PipeReporter:
    """Hands reports to the process that started this one.

    Args:
        pipe: To that process.
    """

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def report(self, report: StreamReport) -> None:
        """Hand over a report; where that process is gone this one ends too, and its successor tells."""
        with contextlib.suppress(BrokenPipeError):
            self._pipe.send(report)


def ingesting(root: Path, name: str, memory_limit: int) -> Work:
    """Return the work of a domain's process."""
    return partial(_ingest, root, name, memory_limit)


def loading(root: Path, names: Sequence[str], memory_limit: int) -> Work:
    """Return the work of the process that loads data at rest."""
    return partial(_load, root, tuple(names), memory_limit)


def maintaining(root: Path, names: Sequence[str]) -> Work:
    """Return the work of the process that keeps the stores small."""
    return partial(_maintain, root, tuple(names))


def keeping(root: Path) -> Work:
    """Return the work of the process that keeps all catalogs open."""
    return partial(_keep, root)


def telling(root: Path) -> Work:
    """Return the work of the process that tells Dagster."""
    return partial(_tell, root)


def _ingest(root: Path, name: str, memory_limit: int, pipe: Connection, parent: int) -> int:
    stop = ProcessStop(parent)
    tell = partial(say, name)
    project = Project.open(root)
    before = signature(project, name)
    try:
        domain = project.domain(name)
    except (ConfigError, ContractError) as error:
        tell(str(error))
        return _await_change(project, name, before, stop)
    if not domain.live.streams:
        return _await_change(project, name, before, stop)
    resident = Resident(
        project, domain, reporter=PipeReporter(pipe), stop=stop, say=tell, memory_limit=memory_limit
    )
    try:
        ending = resident.run()
    except MeshError as error:
        tell(str(error))
        return 1
    return RENEW if ending is Ending.RENEWED else 0


def _load(root: Path, names: Sequence[str], memory_limit: int, pipe: Connection, parent: int) -> int:
    loader = Loader(
        Project.open(root),
        names,
        reporter=PipeReporter(pipe),
        stop=ProcessStop(parent),
        say=say,
        memory_limit=memory_limit,
    )
    return RENEW if loader.run() else 0


def _maintain(root: Path, names: Sequence[str], _pipe: Connection, parent: int) -> int:
    maintainer = Maintainer(Project.open(root), names, stop=ProcessStop(parent), say=say)
    return RENEW if maintainer.run() else 0


def _keep(root: Path, _pipe: Connection, parent: int) -> int:
    """Hold the catalogs of all domains, also of those that this run does not ingest: their products are built."""
    project, stop, keeper = Project.open(root), ProcessStop(parent), CatalogKeeper()
    while True:
        with contextlib.suppress(ConfigError):  # the folder of the domains cannot be read now
            keeper.keep([project.data_folder(name) for name in project.domain_names()])
        if stop.wait(_KEEP_SECONDS):
            return 0


def _await_change(project: Project, name: str, before: object, stop: Stop) -> int:
    """Wait until the domain's files change: until then there is nothing to ingest."""
    while not stop.wait(_LOOK_SECONDS):
        if signature(project, name) != before:
            return RENEW
    return 0


def _tell(root: Path, pipe: Connection, parent: int) -> int:
    """Tell Dagster each report that comes, and answer when it is told; measure what moved while none waits."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # the end comes from the parent, after the last report
    from mesh_defs.orchestration.resident import DagsterReporter  # noqa: PLC0415 - Dagster is imported only here

    with DagsterReporter(Project.open(root)) as reporter:
        while not (heard := wait([pipe, parent], reporter.left())) or pipe in heard:
            try:
                report = pipe.recv() if heard else None
            except EOFError:  # the parent is gone, and this end of it was seen first
                break
            _told(reporter, report)
            if report is not None:
                pipe.send("told")
            held = memory_bytes()
            if held > _MOST_REPORTER_BYTES or (held > REPORTER_BYTES and reporter.left() is None):
                return RENEW
    return 0


def _told(reporter: DagsterReporter, report: StreamReport | None) -> None:
    """Tell a report, or measure what waits for it."""
    try:
        if report is None:
            reporter.catch_up()
        else:
            reporter.report(report)
    except MeshError as error:
        what = "what was measured" if report is None else f"{report.domain}.{report.stream}"
        say("", f"Dagster is not told of {what}: {error}")
