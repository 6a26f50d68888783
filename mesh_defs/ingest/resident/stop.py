"""The wish to stop, as a long-lived process hears it: in the middle of its work, and while it waits."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType
from typing import Final, Protocol

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Stop(Protocol):
    """Says whether to stop."""

    def asked(self) -> bool:
        """Say whether somebody wants it."""

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until somebody wants it; say whether somebody does."""


class ProcessStop:
    """Wants to stop on SIGTERM or SIGINT, and when the process that started this one is gone.

    To be made in the main thread.

    Args:
        parent: The reading end of a pipe whose other end only the parent holds; None where nobody started this one.
    """

    def __init__(self, parent: int | None = None) -> None:
        self._asked = False
        # A signal handler may do little: it writes a byte that `wait` wakes up from.
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._watched = [self._reader] if parent is None else [self._reader, parent]
        for number in _SIGNALS:
            signal.signal(number, self._take)

    def fileno(self) -> int:
        """Return what becomes readable at a signal."""
        return self._reader

    def asked(self) -> bool:
        """Say whether a signal came, or the parent is gone."""
        return self.wait(0.0)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until a signal comes or the parent is gone."""
        if not self._asked:
            ready, _, _ = select.select(self._watched, [], [], max(0.0, seconds))
            self._asked = bool(ready)
        return self._asked

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
        os.write(self._writer, b"x")
