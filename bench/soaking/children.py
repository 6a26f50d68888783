"""Processes of the mesh that the soak starts: passes, residents, maintenance; and the fuse that ends or stops them."""

from __future__ import annotations

import datetime as dt
import faulthandler
import os
import random
import signal
import sys
from functools import partial
from pathlib import Path

from mesh_defs.cli import ingest as _ingest_command  # noqa: F401 - imported once, before any child is forked
from mesh_defs.cli import run as _run_command  # noqa: F401 - likewise
from mesh_defs.cli.main import main as mesh
from mesh_defs.contract.sla import retentions
from mesh_defs.ingest import Limits, StreamReport, run_pass
from mesh_defs.ingest.resident import ProcessStop, Resident, loop
from mesh_defs.ingest.work import DomainWork
from mesh_defs.model.errors import MeshError
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain
from soaking.streams import DOMAINS, open_project
from soaking.waiting import pause

STEPS = 8
"""The numbered steps of a commit (`mesh_defs.store.commit`)."""

TAKES_THE_LOCK = 2
"""Who is stopped before this step, or at it, holds nothing that others need."""

GRACE_SECONDS = 60
LIMITS = Limits(rows=400, batch=100)


class Fuse:
    """Ends or stops this process just before a step.

    Args:
        step: The number of the step; 0 never comes.
        nth: At its how manyth time.
        number: The signal.
    """

    def __init__(self, step: int, nth: int, number: int) -> None:
        self._step = step
        self._left = nth
        self._signal = number

    def __call__(self, step: int) -> None:
        """Hear of a step, and act if it is the one."""
        self._left -= step == self._step
        if self._left == 0:
            self._left = -1
            os.kill(os.getpid(), self._signal)


class Hasty(ProcessStop):
    """A wish to stop that asks more often, so that this process is the next one at the lease."""

    def wait(self, seconds: float) -> bool:
        """Wait a little of it."""
        return super().wait(min(seconds, 0.05))


class Silent:
    """Tells nobody."""

    def report(self, report: StreamReport) -> None:
        """Take it."""


def command(root: Path, log: Path, *arguments: str) -> None:
    """Be `mesh`, begun by its entry point as the shell does it, but with the imports done."""
    write_to(log)
    sys.argv = ["mesh", "--project", str(root), *arguments]
    mesh()


def bounded(root: Path, log: Path, domain: str, fuse: Fuse) -> None:
    """Make one pass in small chunks; what fails is tried again by the next."""
    write_to(log)
    project = open_project(root)
    try:
        report = run_pass(project, project.domain(domain), on_step=fuse, limits=LIMITS)
        sys.stderr.writelines(f"{trouble.error}\n" for stream in report.failed for trouble in stream.troubles)
    except MeshError as error:
        sys.stderr.write(f"{error}\n")


def resident(root: Path, log: Path, domain: str, fuse: Fuse) -> None:
    """Be a resident ingester that hears of its steps; it waits until it is its turn."""
    write_to(log)
    project = open_project(root)
    loop.DomainWork = partial(DomainWork, on_step=fuse)  # type: ignore[assignment,misc]
    say = partial(print, f"{domain}:", file=sys.stderr, flush=True)
    try:
        Resident(project, project.domain(domain), reporter=Silent(), stop=Hasty(), say=say).run()
    except MeshError as error:
        sys.stderr.write(f"{error}\n")


def housekeeping(root: Path, log: Path, tally: Path, fuse: Fuse) -> None:
    """Keep the stores small, round after round, far more eagerly than any mesh would."""
    write_to(log)
    project = open_project(root)
    chance = random.Random()
    while True:
        for name in DOMAINS:
            folder = project.data_folder(name)
            if not DomainStore.exists(folder):
                continue
            try:
                with DomainStore.open(folder, name) as store:
                    done = maintain(
                        store, _policy(retentions(project.domain(name))), on_step=lambda _: fuse(1)
                    )
            except MeshError as error:
                sys.stderr.write(f"maintenance of {name}: {error}\n")
                continue
            with tally.open("a", encoding="utf-8") as file:
                file.write(
                    " ".join(
                        ["round", *(f"{step.name.replace(' ', '_')}={step.count}" for step in done.steps)]
                    )
                    + "\n"
                )
        pause(chance.uniform(0.5, 3.0))


def _policy(retention: dict[str, dt.timedelta]) -> MaintenancePolicy:
    return MaintenancePolicy(
        keep=dt.timedelta(seconds=GRACE_SECONDS / 2),
        grace=dt.timedelta(seconds=GRACE_SECONDS),
        orphan_age=dt.timedelta(seconds=2 * GRACE_SECONDS),
        flush_rows=10,
        merge_files=6,
        retention=retention,
        retention_rows=400,
    )


def write_to(log: Path) -> None:
    """Let everything that this process says, its libraries included, go to a file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    os.close(descriptor)
    faulthandler.enable()
