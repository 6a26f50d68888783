"""The victim: a pass, or a round of maintenance, that kills itself with SIGKILL just before a numbered step."""

from __future__ import annotations

import datetime as dt
import os
import signal
import sys
from pathlib import Path
from typing import Final

from mesh_defs.contract.project import Project
from mesh_defs.ingest import Limits, run_pass
from mesh_defs.model.config import load_config
from mesh_defs.selftest.events import DOMAIN
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain

LIMITS: Final = Limits(rows=120, batch=40)
"""Small chunks: several commits a pass."""

POLICY: Final = MaintenancePolicy(
    keep=dt.timedelta(seconds=5),
    grace=dt.timedelta(0),
    orphan_age=dt.timedelta(0),
    flush_rows=2,
    merge_files=2,
)
"""As eager as can be. The sweep's age of 0 is sound only because no pass runs beside it here."""


class Fuse:
    """Kills this process at a step.

    Args:
        step: The number to die at; 0 never comes.
        nth: At its how manyth time.
    """

    def __init__(self, step: int, nth: int) -> None:
        self._step = step
        self._left = nth

    def __call__(self, step: int) -> None:
        """Hear of a step, and die if it is the one."""
        self._left -= step == self._step
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def open_project(root: Path) -> Project:
    """Open the scratch project; the environment's overrides are for other meshes."""
    return Project(root=root, config=load_config(root, environ={}))


def ingest(root: Path, log: Path, step: int, nth: int) -> None:
    """Make one pass in small chunks, and die before a step of its nth commit; exit code 1 if it fails."""
    _write_to(log)
    project = open_project(root)
    report = run_pass(project, project.domain(DOMAIN), on_step=Fuse(step, nth), limits=LIMITS)
    for stream in report.failed:
        sys.stderr.write("".join(f"{error}\n" for error in stream.errors))
    sys.exit(1 if report.failed else 0)


def tidy(root: Path, log: Path, step: int, nth: int) -> None:
    """Make one round of maintenance, and die before its nth transaction; each counts as a step 1."""
    _write_to(log)
    fuse = Fuse(step, nth)
    folder = open_project(root).data_folder(DOMAIN)
    if DomainStore.exists(folder):
        with DomainStore.open(folder, DOMAIN) as store:
            maintain(store, POLICY, on_step=lambda _: fuse(1))


def _write_to(log: Path) -> None:
    """Let everything that this process says, its libraries included, go to a file."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    os.close(descriptor)
