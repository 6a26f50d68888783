"""The ingest lease: passes over one domain take turns, so that none does its work twice."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from mesh_defs.store import FileLock, Holder

FILE = "ingest.lock"

POLL_SECONDS = 0.2
"""How often a waiting pass asks again: flock cannot be waited for and interrupted at the same time."""


@contextlib.contextmanager
def ingest_lease(folder: Path) -> Iterator[None]:
    """Hold the domain's ingest lease; wait while another pass holds it.

    The lease only saves work. What protects the data is the fence in the commit; so a holder that was stopped
    (SIGSTOP) is passed over, and its batch is fenced when it comes back.

    Args:
        folder: The domain's store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / FILE, purpose="ingest pass")
    tick = threading.Event()
    while not lock.try_acquire():
        if _stopped(lock.holder()):
            yield
            return
        tick.wait(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _stopped(holder: Holder | None) -> bool:
    if holder is None:
        return False
    try:
        return bool(psutil.Process(holder.pid).status() == psutil.STATUS_STOPPED)
    except psutil.NoSuchProcess:
        return False
