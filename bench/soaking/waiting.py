"""Waiting with a bound that does not count the time in which this process was stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LONGEST_STEP = 1.0
POLL = 0.05
_never = threading.Event()
_stopped = [0.0]


class SoakError(Exception):
    """The soak itself cannot go on."""


def pause(seconds: float) -> None:
    """Let time pass: between two questions, or as part of a fault."""
    _never.wait(seconds)


def becomes(condition: Callable[[], object], bound: float) -> bool:
    """Wait until a condition holds; False where it does not within so many seconds of being awake."""
    waited = 0.0
    last = time.monotonic()
    while not condition():
        if waited > bound:
            return False
        pause(POLL)
        now = time.monotonic()
        waited += min(now - last, LONGEST_STEP)
        _stopped[0] += max(0.0, now - last - LONGEST_STEP)
        last = now
    return True


def wait_for(condition: Callable[[], object], what: str, bound: float = 300.0) -> None:
    """Wait until a condition holds.

    Raises:
        SoakError: It never does.
    """
    if not becomes(condition, bound):
        raise SoakError(f"{what} did not come in {bound:.0f} s")


def stopped_seconds() -> float:
    """Return for how long this process was stopped, as far as its waits tell."""
    return _stopped[0]
