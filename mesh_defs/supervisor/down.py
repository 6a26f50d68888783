"""Stops a running mesh from another process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

import psutil

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ProcessError
from mesh_defs.supervisor.family import family, stop_all
from mesh_defs.supervisor.state import RunState, read_state

# `mesh up` promises 15 s; a machine under load gets twice that before its processes are killed.
_PATIENCE_SECONDS: Final = 30.0


def state_file(project: Project) -> Path:
    """Return where `mesh up` writes down what it started."""
    return project.config.data / "run" / "up.json"


def running(project: Project) -> RunState | None:
    """Return the run of `mesh up` that holds the project now, or None."""
    state = read_state(state_file(project))
    return state if state is not None and state.supervisor.lives() else None


def down(project: Project) -> bool:
    """Stop the mesh and wait until no process of it is left, 40 s at most.

    1. Ask `mesh up` to end, which stops its parts in order; wait.
    2. Stop what is left: of one that does not answer, and of one that was killed.

    Returns:
        Whether anything was running.

    Raises:
        ProcessError: It belongs to another user, or a process is left that cannot be killed.
    """
    state = read_state(state_file(project))
    if state is None:
        return False
    lived = state.supervisor.lives()
    if lived:
        _end(state)
    state = _same_run(project, state) or state  # with parts that were started while it ended
    left = list(family(state))
    if left:
        stop_all(state)
    still = list(family(state))
    if still:
        raise ProcessError(
            cannot="stop the mesh",
            why=f"processes are left that do not end: {', '.join(str(p.pid) for p in still)}",
            do="look at them with ps; a full or hanging disk holds a process like that",
        )
    if _same_run(project, state) is not None:
        state_file(project).unlink(missing_ok=True)
    return lived or bool(left)


def _same_run(project: Project, state: RunState) -> RunState | None:
    """Return what is written down now, if it is still of this run: another may have been started since."""
    now = read_state(state_file(project))
    return now if now is not None and now.run == state.run else None


def _end(state: RunState) -> None:
    pid = state.supervisor.pid
    try:
        process = psutil.Process(pid)
        os.kill(pid, signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)
    except PermissionError:
        raise ProcessError(
            cannot="stop the mesh",
            why=f"`mesh up` (process {pid}) belongs to another user",
            do="stop it as that user",
        ) from None
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(_PATIENCE_SECONDS)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return
