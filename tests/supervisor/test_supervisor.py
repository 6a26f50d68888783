"""Tests of the supervisor with real processes: restarts, signals, kill -9, two at once."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh_defs.broker.ports import free_port
from mesh_defs.supervisor.family import family
from mesh_defs.supervisor.logs import turn_over
from mesh_defs.supervisor.state import Birth, RunState, read_state

PROGRAM = Path(__file__).with_name("program.py")
ROOT = Path(__file__).parents[2]
LONG = 60

# A program with a grandchild in the same session, which ignores SIGTERM.
STUBBORN = (
    "import signal, subprocess, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import signal; signal.signal(15, signal.SIG_IGN); signal.pause()']);"
    "print('ready', flush=True); signal.pause()"
)


class Run:
    """A supervisor that runs as a process of its own."""

    def __init__(self, folder: Path, port: int, *command: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(folder), str(port), *command],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def report(self) -> dict[str, Any]:
        """Return the next report; none any more is an error."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate(timeout=LONG)[1]
        found: dict[str, Any] = json.loads(line)
        return found

    def until(self, part: str, state: str) -> dict[str, Any]:
        """Return the first report of a part in a state."""
        while True:
            report = self.report()
            if (report["part"], report["state"]) == (part, state):
                return report

    def state(self) -> RunState:
        """Return what it wrote down."""
        state = read_state(self.folder / "run" / "up.json")
        assert state is not None
        return state

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, wait, and return the exit code."""
        self.process.send_signal(number)
        self.process.communicate(timeout=LONG)
        return self.process.returncode


Start = Callable[..., Run]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a factory of supervisors on one project folder; every process of them is gone afterwards."""
    runs: list[Run] = []
    states: list[RunState] = []

    def factory(port: int, *command: str) -> Run:
        runs.append(Run(tmp_path, port, *command))
        return runs[-1]

    yield factory
    for run in runs:
        left = read_state(tmp_path / "run" / "up.json")
        if left is not None:
            states.append(left)
        run.process.kill()
        run.process.communicate(timeout=LONG)
    for state in states:
        for process in list(family(state)):
            process.kill()


def gone(state: RunState) -> bool:
    """Return whether no process of a run is left."""
    return not list(family(state))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_everything(start: Start, number: signal.Signals) -> None:
    """Each stopping signal ends every process, a stubborn one with a child too, and the state is forgotten."""
    run = start(free_port(), sys.executable, "-c", STUBBORN)
    server = run.until("server", "running")
    assert server["address"].startswith("http://127.0.0.1:")
    run.until("program", "running")
    state = run.state()
    assert {part.name for part in state.parts} == {"server", "program"}
    assert run.end(number) == 0
    assert gone(state)
    assert read_state(run.folder / "run" / "up.json") is None


@pytest.mark.fault(45)
def test_killed_part_starts_again(start: Start) -> None:
    """A part that is killed is reported with its log and started again under a new process id."""
    run = start(free_port())
    first = run.until("server", "running")
    os.kill(first["pid"], signal.SIGKILL)
    died = run.until("server", "died")
    assert "signal 9" in died["note"]
    assert Path(died["log"]).is_file()
    again = run.until("server", "running")
    assert again["pid"] != first["pid"]
    os.kill(again["pid"], signal.SIGKILL)
    assert run.until("server", "running")["pid"] not in {first["pid"], again["pid"]}
    assert run.end() == 0


def test_killed_supervisor_leaves_nothing(start: Start) -> None:
    """After kill -9 of the supervisor a new one starts on the same port, and nothing of the old one is left."""
    port = free_port()
    run = start(port, sys.executable, "-c", STUBBORN)
    run.until("program", "running")
    state = run.state()
    run.end(signal.SIGKILL)
    again = start(port)
    again.until("server", "running")
    assert gone(state)
    assert again.state().run != state.run
    assert again.end() == 0


def test_killed_supervisor_and_guard(start: Start) -> None:
    """Where the guard was killed too, the next supervisor stops what is left before it starts."""
    port = free_port()
    run = start(port, sys.executable, "-c", STUBBORN)
    run.until("program", "running")
    state = run.state()
    (guard,) = [p for p in psutil.Process(run.process.pid).children() if "guard" in " ".join(p.cmdline())]
    guard.kill()
    run.end(signal.SIGKILL)
    assert not gone(state)
    again = start(port)
    again.until("server", "running")
    assert gone(state)
    assert again.end() == 0


def test_second_one_is_refused(start: Start) -> None:
    """A second supervisor on the same folder ends with one line that names the first, which goes on."""
    run = start(free_port())
    run.until("server", "running")
    second = start(free_port())
    _, error = second.process.communicate(timeout=LONG)
    assert second.process.returncode == 1
    assert f"process {run.process.pid}" in error
    assert len(error.splitlines()) == 1
    assert not gone(run.state())
    assert run.end() == 0


def test_program_that_ends_is_finished_or_failed(start: Start) -> None:
    """A program of the project that ends is told and not started again; the other parts go on."""
    run = start(free_port(), sys.executable, "-c", "print('done')")
    run.until("program", "finished")
    assert (run.folder / "logs" / "program.log").read_text(encoding="utf-8") == "done\n"
    assert run.end() == 0
    run = start(free_port(), sys.executable, "-c", "raise SystemExit(3)")
    assert "code 3" in run.until("program", "failed")["note"]
    assert run.end() == 0


def test_part_that_never_answers_is_an_error(start: Start) -> None:
    """A part that ends before it answers stops the start, and the error names its log."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        run = start(port)
        _, error = run.process.communicate(timeout=LONG)
    assert run.process.returncode == 1
    assert "cannot start server: it ended with code 1 before it answered" in error
    assert str(run.folder / "logs" / "server.log") in error


def test_program_that_does_not_exist(start: Start) -> None:
    """A command without a program is one clear line, and what had started is stopped."""
    run = start(free_port(), "no-such-program")
    run.until("server", "running")
    state = run.state()
    _, error = run.process.communicate(timeout=LONG)
    assert run.process.returncode == 1
    assert "no-such-program" in error
    assert "[process.program]" in error
    assert gone(state)


def test_reused_process_id_is_no_part() -> None:
    """A process that has the id of a part but another time of creation is not touched."""
    birth = Birth.of("server", os.getppid())
    assert birth.lives()
    stranger = Birth(name="server", pid=birth.pid, created=birth.created - 1000)
    assert not stranger.lives()
    assert gone(RunState(run="no such run", supervisor=birth, parts=(stranger,)))


def test_damaged_state_counts_as_none(tmp_path: Path) -> None:
    """A state file that cannot be read stops no start."""
    path = tmp_path / "up.json"
    path.write_text('{"run": 1', encoding="utf-8")
    assert read_state(path) is None


def test_logs_turn_over(tmp_path: Path) -> None:
    """A log that has grown is moved aside, and three older ones are kept at most."""
    log = tmp_path / "logs" / "part.log"
    for number in range(6):
        turn_over(log, limit=5)
        log.write_text(f"text {number}", encoding="utf-8")
    assert sorted(path.name for path in log.parent.iterdir()) == [
        "part.log",
        "part.log.1",
        "part.log.2",
        "part.log.3",
    ]
    assert log.with_name("part.log.1").read_text(encoding="utf-8") == "text 4"
