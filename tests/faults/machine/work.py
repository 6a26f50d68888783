"""What the machine does to a mesh in processes of their own, which a fuse ends or stops before a numbered step."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest import Limits, run_pass
from mesh_defs.ingest.retry import retry_dead_letters
from mesh_defs.model.errors import MeshError
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain

DOMAIN: Final = "shop"

STREAM: Final = "orders"

SMALL: Final = Limits(rows=4, batch=3)
"""Several commits a pass."""

REPORTED: Final = 9
"""The step behind the last one of a commit: what was committed is told, and no offset mirrored yet."""

REFUSED: Final = 3
"""The exit code of what the mesh refused."""

CHUNK_LETTERS: Final = 2

_NOTHING: Final = dt.timedelta(0)


class Fuse:
    """Sends this process a signal before a step.

    Args:
        step: The step's number; 0 never comes.
        nth: At its how manyth time.
        end: The signal.
    """

    def __init__(self, step: int, nth: int, end: int) -> None:
        self._step = step
        self._left = nth
        self._end = end

    def __call__(self, step: int) -> None:
        """Hear of a step."""
        self._left -= step == self._step
        if self._left == 0 and step == self._step:
            os.kill(os.getpid(), self._end)


def stream_of(project: Project) -> tuple[Domain, StreamContract]:
    """Return the domain and the stream of the machine."""
    domain = project.domain(DOMAIN)
    stream = domain.stream(STREAM)
    assert isinstance(stream, StreamContract)
    return domain, stream


def policy(*, young: bool, retention: bool, orphans: bool) -> MaintenancePolicy:
    """Return how much a round of maintenance takes away, as eagerly as can be.

    Args:
        young: Whether snapshots and dismissed files go at once; an open reader needs them.
        retention: Whether the rows go that are there.
        orphans: Whether files that no row names go at once; a pass under way needs them.
    """
    usual = MaintenancePolicy()
    return MaintenancePolicy(
        keep=_NOTHING if young else usual.keep,
        grace=_NOTHING if young else usual.grace,
        orphan_age=_NOTHING if orphans else usual.orphan_age,
        flush_rows=1,
        merge_files=2,
        retention={STREAM: _NOTHING} if retention else {},
        retention_rows=3,
    )


def ingest(root: Path, step: int, nth: int, end: int) -> int:
    """Make a pass."""
    fuse = Fuse(step, nth, end)
    project = Project.open(root)
    run_pass(
        project, project.domain(DOMAIN), on_step=fuse, on_progress=lambda _: fuse(REPORTED), limits=SMALL
    )
    return 0


def retry(root: Path, step: int, nth: int, end: int) -> int:
    """Take dead letters back."""
    project = Project.open(root)
    _, stream = stream_of(project)
    try:
        retry_dead_letters(project, stream, on_step=Fuse(step, nth, end), chunk_letters=CHUNK_LETTERS)
    except MeshError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    return 0


def tidy(root: Path, step: int, nth: int, end: int) -> int:
    """Make a round of maintenance; each of its transactions counts as a step 1. Nobody may read meanwhile."""
    fuse = Fuse(step, nth, end)
    with DomainStore.open(Project.open(root).data_folder(DOMAIN), DOMAIN) as store:
        maintain(store, policy(young=True, retention=False, orphans=True), on_step=lambda _: fuse(1))
    return 0


def expire(root: Path, step: int, nth: int, end: int) -> int:
    """Make a round of maintenance that takes away the rows that are there; otherwise as `tidy`."""
    fuse = Fuse(step, nth, end)
    with DomainStore.open(Project.open(root).data_folder(DOMAIN), DOMAIN) as store:
        maintain(store, policy(young=True, retention=True, orphans=True), on_step=lambda _: fuse(1))
    return 0


WORK: Final[dict[str, Callable[[Path, int, int, int], int]]] = {
    function.__name__: function for function in (ingest, retry, tidy, expire)
}
