"""The ingest lease: who ingests a domain, one process at a time, so that none does another's work twice.

The lease only saves work. What protects the data is the fence in the commit; so a holder that was stopped (SIGSTOP) is
passed over, and its batch is fenced when it comes back.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from mesh_defs.store import FileLock, Holder

FILE = "ingest.lock"
FILES = "files.lock"
NUDGE = "ingest.nudge"

BOUNDED = "ingest pass"
RESIDENT = "resident ingester"
LOADER = "resident loader"
"""The purposes by which a holder says whether it ends by itself."""

POLL_SECONDS = 0.2
"""How often a waiting pass asks again: flock cannot be waited for and interrupted at the same time."""


def lease_of(folder: Path, purpose: str) -> FileLock:
    """Return the lease of the domain whose store is in `folder`, not yet held."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / FILE, purpose=purpose)


def lease_holder(folder: Path) -> Holder | None:
    """Return who ingests the domain in `folder` now; None where nobody does, or only one that was stopped."""
    return _living_holder(FileLock(folder / FILE, purpose=""))


def _living_holder(lock: FileLock) -> Holder | None:
    holder = lock.holder() if lock.is_taken() else None
    return None if is_stopped(holder) else holder


def files_lease_of(folder: Path) -> FileLock:
    """Return the lease of the data at rest of the domain in `folder`, not yet held: who looks at its files."""
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / FILES, purpose=LOADER)


def files_holder(folder: Path) -> Holder | None:
    """Return who looks at the files of the domain in `folder` by itself; None where only passes do."""
    return _living_holder(FileLock(folder / FILES, purpose=""))


def nudge(folder: Path) -> None:
    """Ask whoever ingests the domain in `folder` to try at once what it has stopped."""
    (folder / NUDGE).touch()


def nudges(folder: Path) -> int:
    """Return when the last nudge was, in nanoseconds since the epoch; 0 where there was none."""
    try:
        return (folder / NUDGE).stat().st_mtime_ns
    except FileNotFoundError:
        return 0


@contextlib.contextmanager
def pass_lease(folder: Path) -> Iterator[Holder | None]:
    """Hold the domain's lease for a pass; wait while another pass holds it.

    Args:
        folder: The domain's store.

    Yields:
        None where the pass may begin; the resident ingester that holds the lease and does not end by itself.
    """
    lock = lease_of(folder, BOUNDED)
    tick = threading.Event()
    while not lock.try_acquire():
        holder = lock.holder()
        if is_stopped(holder):
            yield None
            return
        if holder is not None and holder.purpose == RESIDENT:
            yield holder
            return
        tick.wait(POLL_SECONDS)
    try:
        yield None
    finally:
        lock.release()


def is_stopped(holder: Holder | None) -> bool:
    """Say whether a holder cannot act (SIGSTOP)."""
    if holder is None:
        return False
    try:
        return bool(psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False
