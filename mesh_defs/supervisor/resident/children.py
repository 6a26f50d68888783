"""Processes that are forked: what they have in common with this one is in memory once."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Final

RENEW: Final = 75
"""The exit code of a child that wants to be started anew at once."""

Work = Callable[[Connection, int], int]
"""What a child does. It is given its end of a pipe to its parent, and the reading end of a pipe that ends with its
parent; it returns its exit code."""


def say(name: str, line: str) -> None:
    """Write one line into the log."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    sys.stderr.write(f"{now} {name}: {line}\n" if name else f"{now} {line}\n")
    sys.stderr.flush()


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A forked process.

    Attributes:
        process: Its handle.
        pipe: This process's end of the pipe to it.
        started: On the monotonic clock.
    """

    process: ForkProcess
    pipe: Connection
    started: float

    def terminate(self) -> None:
        """Ask it to end."""
        self.process.terminate()

    def kill(self) -> None:
        """End it and wait until it is gone."""
        self.process.kill()
        self.process.join()


class Nursery:
    """Forks children that end when this process does, however that happens.

    This process must hold no client, no connection and no thread of its own when it forks.
    """

    def __init__(self) -> None:
        self._alive, self._held = os.pipe()
        self._context = get_context("fork")

    def start(self, name: str, work: Work) -> Child:
        """Fork a child."""
        ours, theirs = self._context.Pipe()
        # Frozen, the shared objects are not touched by the children's collectors, and stay shared.
        gc.collect()
        gc.freeze()
        process = self._context.Process(target=self._run, args=(work, ours, theirs), name=name)
        process.start()
        theirs.close()
        return Child(process=process, pipe=ours, started=time.monotonic())

    def close(self) -> None:
        """Let go of the pipe: children that are left end."""
        os.close(self._held)
        os.close(self._alive)

    def _run(self, work: Work, ours: Connection, theirs: Connection) -> None:
        os.close(self._held)
        ours.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        sys.exit(work(theirs, self._alive))
