"""Starts parts stage by stage, watches them in one loop of events, stops them all."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from mesh_defs.model.errors import ProcessError
from mesh_defs.supervisor import family
from mesh_defs.supervisor.part import Part, PartReport, Running, State
from mesh_defs.supervisor.state import Birth, RunState, only_one, read_state

WAITS: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before each start after a death; the last one is kept."""

_STABLE_SECONDS: Final = 300.0
_POLL_SECONDS: Final = 0.2
_GUARD_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Parts that are started together.

    Attributes:
        parts: They are all well before the next stage begins.
        before: What must be done first; it is given the environment of the parts.
    """

    parts: tuple[Part, ...]
    before: Callable[[Mapping[str, str]], None] | None = None


@dataclass(slots=True, kw_only=True)
class _Watched:
    part: Part
    running: Running
    started: float
    well: bool = False
    over: bool = False
    ended: threading.Event = field(default_factory=threading.Event)
    deaths: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    watched: _Watched
    kind: str  # well | late | ended
    code: int | None = None


def _nothing() -> None:
    """Tell nobody."""


class Supervisor:
    """Runs the parts of one project.

    Args:
        folder: Where lock and state are kept, ``data/run``.
        environment: What every part sees.
        report: Is told each change of a part's state.
        ready: Is called once, when every part of the last stage is well.
        waits: Seconds before each start after a death.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str],
        report: Callable[[PartReport], None],
        ready: Callable[[], None] = _nothing,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._folder = folder
        self._state_file = folder / "up.json"
        self._state = RunState(run=uuid.uuid4().hex, supervisor=Birth.of("supervisor", os.getpid()))
        self._environment = {**environment, family.RUN_VARIABLE: self._state.run}
        self._report = report
        self._ready = ready
        self._waits = waits
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._watched: dict[str, _Watched] = {}
        self._due: dict[str, float] = {}

    def run(self, stages: Sequence[Stage]) -> None:
        """Start every stage, then watch until the caller is interrupted by an exception.

        1. Take the project's lock; stop what a killed run left behind.
        2. Write down this run and start its guard.
        3. Start each stage and wait until its parts are well.
        4. Watch. A part that dies is reported, and started again where it says so.
        5. However it ends, stop every process of the run and forget it.

        Raises:
            ProcessError: Another run holds the project, or a part did not become well.
        """
        with only_one(self._folder) as lock:
            left = read_state(self._state_file)
            if left is not None:
                family.stop_all(left)
            self._state.write(self._state_file)
            guard, pipe = self._start_guard(lock)
            try:
                for stage in stages:
                    self._run_stage(stage)
                self._ready()
                self._watch()
            finally:
                family.stop_all(self._state)
                self._state_file.unlink(missing_ok=True)
                os.close(pipe)
                guard.wait(_GUARD_SECONDS)

    def _start_guard(self, lock: int) -> tuple[subprocess.Popen[bytes], int]:
        reader, writer = os.pipe()
        guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "mesh_defs.supervisor.guard", str(reader), str(self._state_file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(reader, lock),
            start_new_session=True,
        )
        os.close(reader)
        return guard, writer

    def _run_stage(self, stage: Stage) -> None:
        if stage.before is not None:
            stage.before(self._environment)
        for part in stage.parts:
            self._start(part, deaths=0)
        while any(not self._watched[part.name].well for part in stage.parts):
            event = self._next_event()
            if event is None:
                continue
            if event.kind != "well" and event.watched.part in stage.parts and event.watched.part.restarts:
                raise _not_well(event)
            self._handle(event)

    def _watch(self) -> None:
        while True:
            event = self._next_event()
            if event is not None:
                self._handle(event)

    def _next_event(self) -> _Event | None:
        """Return the next event, or None after parts that were due have been started."""
        try:
            return self._events.get(timeout=self._next_due())
        except queue.Empty:
            self._start_due()
            return None

    def _handle(self, event: _Event) -> None:
        watched = event.watched
        if self._watched.get(watched.part.name) is not watched:
            return  # news of a process that was replaced since
        if event.kind == "well":
            if watched.over:
                return
            watched.well = True
            self._tell(watched, State.RUNNING, watched.running.birth.pid)
        elif event.kind == "late":
            self._tell(watched, State.DIED, None, f"it did not answer in {watched.part.patience:.0f} s")
            self._kill_session(watched)
        else:
            self._ended(watched, event.code)

    def _ended(self, watched: _Watched, code: int | None) -> None:
        """Report an end. A part that restarts is due again, later each time; a program may just be finished."""
        how = _how(code)
        watched.well = watched.over = True
        if not watched.part.restarts:
            state = State.FINISHED if code == 0 else State.FAILED
            self._tell(watched, state, None, "" if code == 0 else how)
            return
        if time.monotonic() - watched.started > _STABLE_SECONDS:
            watched.deaths = 0
        wait = self._waits[min(watched.deaths, len(self._waits) - 1)]
        self._tell(watched, State.DIED, None, f"{how}; it is started again in {wait:g} s")
        self._kill_session(watched)
        self._due[watched.part.name] = time.monotonic() + wait

    def _kill_session(self, watched: _Watched) -> None:
        if watched.running.owned:
            family.kill(list(family.session_of(watched.running.birth, self._state.run)))

    def _next_due(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, min(self._due.values()) - time.monotonic())

    def _start_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            watched = self._watched[name]
            self._tell(watched, State.RESTARTING, None)
            try:
                self._start(watched.part, deaths=watched.deaths + 1)
            except ProcessError as error:
                watched.deaths += 1
                self._tell(watched, State.FAILED, None, str(error))
                self._due[name] = now + self._waits[min(watched.deaths, len(self._waits) - 1)]

    def _start(self, part: Part, *, deaths: int) -> None:
        running = part.start(self._environment)
        watched = _Watched(part=part, running=running, started=time.monotonic(), deaths=deaths)
        self._watched[part.name] = watched
        others = tuple(birth for birth in self._state.parts if birth.name != part.name)
        if running.owned:
            birth = replace(running.birth, place=part.address())
            self._state = replace(self._state, parts=(*others, birth))
            self._state.write(self._state_file)
        for work in (self._await_end, self._await_well):
            threading.Thread(target=work, args=(watched,), name=f"{part.name}", daemon=True).start()

    def _await_end(self, watched: _Watched) -> None:
        code = watched.running.wait()
        watched.ended.set()
        self._events.put(_Event(watched=watched, kind="ended", code=code))

    def _await_well(self, watched: _Watched) -> None:
        deadline = time.monotonic() + watched.part.patience
        while not watched.part.is_well(watched.running):
            if watched.ended.wait(_POLL_SECONDS):
                return
            if time.monotonic() > deadline:
                self._events.put(_Event(watched=watched, kind="late"))
                return
        self._events.put(_Event(watched=watched, kind="well"))

    def _tell(self, watched: _Watched, state: State, pid: int | None, note: str = "") -> None:
        part = watched.part
        address = part.address() if state is State.RUNNING else ""
        self._report(
            PartReport(part=part.name, state=state, address=address, pid=pid, log=part.log, note=note)
        )


def _not_well(event: _Event) -> ProcessError:
    part = event.watched.part
    if event.kind == "late":
        why = f"it did not answer in {part.patience:.0f} s"
    else:
        why = f"{_how(event.code)} before it answered"
    return ProcessError(cannot=f"start {part.name}", why=why, do=f"read the end of {part.log}")


def _how(code: int | None) -> str:
    if code is None:
        return "it ended"
    return f"signal {-code} ended it" if code < 0 else f"it ended with code {code}"
