"""SIGKILL of the own process just before a numbered step of a commit: for the scripts that the fault tests start."""

from __future__ import annotations

import os
import signal

from mesh_defs.model.records import OnStep


def kill_before(step: int, nth: int = 1) -> OnStep:
    """Return what kills this process when a step comes for the n-th time."""
    seen = 0

    def kill(number: int) -> None:
        nonlocal seen
        seen += number == step
        if seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill
