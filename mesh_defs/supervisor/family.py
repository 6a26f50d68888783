"""Finds every process that a run of `mesh up` started, and stops them."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Iterator
from typing import Final

import psutil

from mesh_defs.supervisor.state import Birth, RunState

RUN_VARIABLE: Final = "MESH_UP_RUN"
"""Carries the run's id in the environment of each process, whoever its parent is by now."""

KAFKA: Final = "kafka"

# Together below the 15 s within which `mesh up` promises to be gone.
_GRACE_SECONDS: Final = 6.0
_KAFKA_GRACE_SECONDS: Final = 4.0
_KILL_SECONDS: Final = 2.0


def stop_all(state: RunState) -> None:
    """Stop every process of a run; what is not of it is never touched.

    1. Ask all but Kafka to end (SIGTERM, to whole process groups), so that clients can still speak to it.
    2. Kill those that are left after 6 s.
    3. Ask Kafka to end, and kill it after 4 s.
    """
    kafka = {part.pid for part in state.parts if part.name == KAFKA}
    _stop(state, spared=kafka, grace=_GRACE_SECONDS)
    _stop(state, spared=(), grace=_KAFKA_GRACE_SECONDS)


def _stop(state: RunState, *, spared: Collection[int], grace: float) -> None:
    asked = list(family(state, spared))
    _signal(asked, signal.SIGTERM)
    psutil.wait_procs(asked, timeout=grace)
    left = list(family(state, spared))
    _signal(left, signal.SIGKILL)
    psutil.wait_procs(left, timeout=_KILL_SECONDS)


def family(state: RunState, spared: Collection[int] = ()) -> Iterator[psutil.Process]:
    """Yield the living processes of a run.

    A process is of the run when it carries the run's id, or was written down with its time of creation, or is
    in the session of one that was: children of a dead code server are found, a stranger with a reused process
    id is not.
    """
    known = {part.pid for part in state.parts if part.lives()} - set(spared)
    for process in psutil.process_iter():
        if process.pid == os.getpid() or process.pid in spared:
            continue
        if process.pid in known or _session(process.pid) in known or _carries(process, state.run):
            yield process


def session_of(part: Birth, run: str) -> Iterator[psutil.Process]:
    """Yield a part's process and what stands in its session, also when the part itself is gone."""
    for process in psutil.process_iter():
        if _session(process.pid) == part.pid and _carries(process, run):
            yield process


def kill(processes: Collection[psutil.Process]) -> None:
    """Kill processes at once and wait until they are gone."""
    _signal(processes, signal.SIGKILL)
    psutil.wait_procs(list(processes), timeout=_KILL_SECONDS)


def _signal(processes: Collection[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(number)
        except psutil.NoSuchProcess:
            continue


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


def _carries(process: psutil.Process, run: str) -> bool:
    try:
        return process.environ().get(RUN_VARIABLE) == run
    except (psutil.Error, OSError):
        return False
