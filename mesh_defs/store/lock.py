"""Locks that die with their holder: `flock` on a file that says who holds it.

The kernel releases them at `kill -9`. They hold on a local disk only: a network file system may not honour
them.
"""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from mesh_defs.model.errors import StoreLockedError
from mesh_defs.model.flock import is_locked
from mesh_defs.store.errors import translated

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a lock.

    Attributes:
        since: When it was taken, RFC 3339 in UTC.
        purpose: What for, in the holder's words.
    """

    pid: int
    since: str
    purpose: str

    def __str__(self) -> str:
        return f"process {self.pid} ({self.purpose}) since {self.since}"


class FileLock:
    """An exclusive lock on a file, held by one open file: other threads and processes are kept out alike.

    It does not pass to child processes: not through `exec` (close-on-exec), not through `fork`.

    Args:
        path: The lock file; created with its folders, never deleted (deleting would let two hold it).
        purpose: What the holder does with it, for the message that others get.
    """

    def __init__(self, path: Path, *, purpose: str) -> None:
        self.path = path
        self.purpose = purpose
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._fd is not None

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it, without waiting; say whether it is held now by this object.

        Raises:
            OSError: The lock file cannot be created or written.
        """
        if self._fd is not None:
            return False
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._sign(fd)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        _held.add(self)
        return True

    def release(self) -> None:
        """Let go of the lock; harmless where it is not held."""
        fd, self._fd = self._fd, None
        if fd is not None:
            _held.discard(self)
            os.close(fd)

    def is_taken(self) -> bool:
        """Say whether anybody holds the lock now, this object included; nobody is kept out by the question.

        Who asks for the lock in that very instant may be told that it is held, and asks again.
        """
        return is_locked(self.path)

    def holder(self) -> Holder | None:
        """Return who signed the lock file last, or None; meaningful only while somebody holds the lock."""
        try:
            signed = json.loads(self.path.read_text(encoding="utf-8"))
            return Holder(pid=signed["pid"], since=signed["since"], purpose=signed["purpose"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _sign(self, fd: int) -> None:
        now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"pid": os.getpid(), "since": now, "purpose": self.purpose})
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, text.encode(), 0)
        except OSError:
            # A full disk must not keep anybody from the lock: its signature is for messages only.
            return

    def _forget_in_child(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class WriterLock(FileLock):
    """The one writer's lane of a domain's store: `writer.lock` in its folder.

    Args:
        path: The lock file.
        purpose: What the holder does.
        timeout: Seconds to wait for the lane.
    """

    def __init__(self, path: Path, *, purpose: str, timeout: float = 60.0) -> None:
        super().__init__(path, purpose=purpose)
        self.timeout = timeout

    def acquire(self) -> None:
        """Take the lane, waiting at most `timeout` seconds.

        Raises:
            StoreLockedError: It was held all that time; the message names the holder.
            StoreError: The disk refused the lock file.
        """
        deadline = time.monotonic() + self.timeout
        pause = _FIRST_PAUSE_S
        never = threading.Event()
        while not self._try():
            if time.monotonic() >= deadline:
                holder = self.holder() or "a process that did not say who it is"
                raise StoreLockedError(
                    cannot=self.purpose,
                    why=f"{self.path} has been held for over {self.timeout:g} s by {holder}",
                    do="wait for it to end, or end that process; the lock ends with it",
                )
            never.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def _try(self) -> bool:
        with translated(self.purpose):
            return self.try_acquire()

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _after_fork() -> None:
    # A forked child shares the open file: while it lived, the lock would outlive the parent that took it.
    for lock in list(_held):
        lock._forget_in_child()  # noqa: SLF001
    _held.clear()


os.register_at_fork(after_in_child=_after_fork)
