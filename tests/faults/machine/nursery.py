"""Processes for the machine: forked from one that has the imports behind it and no thread, then killed or stopped.

Run as a module, it reads a request a line from its standard input, a JSON array, and answers each with a JSON number:
`["start", WORK, ROOT, LOG, STEP, NTH, END]` with the process id, `["wait", PID]` with the exit code once the process
has ended, negative where a signal ended it, or with `STOPPED` once it stands still.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Final

from tests.faults.machine.work import WORK
from tests.meshes import ROOT

STOPPED: Final = 1_000
"""Where an exit code is expected: the process is stopped."""


class Nursery:
    """Starts and awaits processes that are no children of this one.

    Args:
        folder: Where they write what they say.
    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "nursery.log"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.machine.nursery"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, work: str, root: Path, *, step: int = 0, nth: int = 1, end: signal.Signals = signal.SIGKILL
    ) -> int:
        """Start some work that sends itself a signal before a step; return its process id."""
        return self._ask("start", work, str(root), str(self.log), step, nth, end.value)

    def wait(self, pid: int) -> int:
        """Wait until a process has ended or stopped; return its exit code, or `STOPPED`."""
        return self._ask("wait", pid)

    def close(self) -> None:
        """Let it go, with what is left of its children."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(60) == 0

    def _ask(self, *request: object) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


def _start(work: str, root: str, log: str, *fuse: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(descriptor, sys.stdout.fileno())
        os.dup2(descriptor, sys.stderr.fileno())
        code = WORK[work](Path(root), *fuse)
    except BaseException:  # noqa: BLE001 - a forked process must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _wait(pid: int) -> int:
    _, status = os.waitpid(pid, os.WUNTRACED)
    return STOPPED if os.WIFSTOPPED(status) else os.waitstatus_to_exitcode(status)


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        request: list[Any] = json.loads(line)
        answer = _start(*request[1:]) if request[0] == "start" else _wait(request[1])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
