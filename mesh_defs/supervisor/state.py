"""What a running `mesh up` writes down about itself, and the lock that lets only one run at a time."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from mesh_defs.model.errors import ProcessError

# Clocks of the kernel and of the library round; an id is not used again within this many seconds of its birth.
_SAME_BIRTH_SECONDS: Final = 1.0
_LAST_ONE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """A process, told apart from later ones with the same id.

    Attributes:
        name: The part that it is.
        pid: Its process id, which is its session's id too.
        created: When it was created, seconds since the epoch.
        place: Where it answers; empty where nobody connects to it.
    """

    name: str
    pid: int
    created: float
    place: str = ""

    @classmethod
    def of(cls, name: str, pid: int) -> Birth:
        """Return the birth of a process that runs now, or ended and was not yet waited for."""
        try:
            return cls(name=name, pid=pid, created=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return cls(name=name, pid=pid, created=0.0)

    def lives(self) -> bool:
        """Return whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < _SAME_BIRTH_SECONDS
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """One run of `mesh up`.

    Attributes:
        run: Its id, which every process that it starts carries in the environment.
        supervisor: The process of `mesh up`.
        parts: The processes that it started.
    """

    run: str
    supervisor: Birth
    parts: tuple[Birth, ...] = ()

    def write(self, path: Path) -> None:
        """Write it down, whole or not at all."""
        scratch = path.with_suffix(".new")
        scratch.write_text(json.dumps(asdict(self)), encoding="utf-8")
        scratch.replace(path)


def read_state(path: Path) -> RunState | None:
    """Return what the last run wrote down, or None when it ended in order."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return RunState(
            run=found["run"],
            supervisor=_birth(found["supervisor"]),
            parts=tuple(_birth(part) for part in found["parts"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _birth(found: dict[str, Any]) -> Birth:
    """Return a process that was written down; psutil takes no other kinds of ids and instants."""
    if type(found["pid"]) is not int or found["pid"] <= 0 or not isinstance(found["created"], int | float):
        raise TypeError
    return Birth(**found)


@contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Hold the lock of `mesh up` on a project and yield its descriptor.

    The guard of a killed `mesh up` inherited the lock and stops the rest of it; that is waited for.

    Args:
        folder: Where lock and state are, ``data/run``.

    Raises:
        ProcessError: Another `mesh up` runs on the project.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(descriptor, folder / "up.json")
        yield descriptor
    finally:
        os.close(descriptor)


def _take(descriptor: int, state_file: Path) -> None:
    deadline = time.monotonic() + _LAST_ONE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            state = read_state(state_file)
            if (state is not None and state.supervisor.lives()) or time.monotonic() > deadline:
                raise _already_running(state) from None
        else:
            return
        threading.Event().wait(_POLL_SECONDS)


def _already_running(state: RunState | None) -> ProcessError:
    who = "another process" if state is None else f"process {state.supervisor.pid}"
    return ProcessError(
        cannot="start the mesh",
        why=f"`mesh up` already runs on this project ({who})",
        do="use that one, or stop it with `mesh down`",
    )
