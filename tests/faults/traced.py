"""Runs of a writer whose N-th system call of a kind fails or kills it, a tenth of a second each.

A server (`traced_server.py`) has the imports and DuckDB's extensions behind it, and no thread
that works. Each run is a fork
of it that stops itself; strace is attached, and the run goes on: so the calls that are counted are those of the writer
alone, in their order.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pytest

from tests.meshes import ROOT

LANDED = 0
REFUSED = 3
"""Exit codes of a run: the writer did its work, or said in one sentence why not."""


def need_strace() -> None:
    """Leave a test out, aloud, where no system call can be made to fail."""
    if sys.platform != "linux" or shutil.which("strace") is None:
        pytest.skip("there is no strace (Debian's package strace)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of a run.

    Attributes:
        code: Its exit code; negative where a signal ended it.
        said: The sentence, where it refused; the traceback, where it failed in another way.
        injected: Whether there was an N-th call.
    """

    code: int
    said: str
    injected: bool


class Server:
    """The process that the runs are forked from."""

    def __init__(self, scratch: Path) -> None:
        script = str(ROOT / "tests" / "faults" / "traced_server.py")
        self._scratch = scratch
        self._process = subprocess.Popen(
            [sys.executable, script, str(scratch)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert self._lines.readline() == "ready\n"

    def run(self, writer: str, folder: Path, call: str, fault: str) -> Run:
        """Let a writer (a function of `traced_server`) work on a folder, under a fault at a system call.

        Args:
            writer: Its name.
            folder: The store's, or the project's.
            call: The system call.
            fault: As strace's `inject` takes it.
        """
        log = self._scratch / "strace.log"
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([writer, str(folder)]) + "\n")
        self._process.stdin.flush()
        pid = int(self._lines.readline())
        with tracer(pid, call, fault, log):
            os.kill(pid, signal.SIGCONT)
            code, said = json.loads(self._lines.readline())
        # A call that killed is not logged any more.
        return Run(code=code, said=said, injected=code < 0 or "(INJECTED)" in log.read_text())

    @property
    def _lines(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=60)


@contextmanager
def tracer(pid: int, call: str, fault: str, log: Path) -> Iterator[None]:
    """Have a process traced, from before the block until it ends."""
    command = ["strace", "-f", "-p", str(pid), "-o", log, "-e", f"trace={call}"]
    strace = subprocess.Popen([*command, "-e", f"inject={call}:{fault}"], stderr=subprocess.PIPE, text=True)
    try:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        assert "attached" in said, said
        yield
    finally:
        strace.communicate(timeout=60)
