"""`mesh up` in the background: a process of its own whose first output is passed on, and then goes to a log."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Final

from mesh_defs.contract.project import Project
from mesh_defs.supervisor.folder import usable_folder
from mesh_defs.supervisor.logs import log_of, turn_over

PART: Final = "up"
"""The name of its log, beside those of the parts."""

_VARIABLE: Final = "MESH_UP_BACKGROUND"
"""Tells the background process its starter's pipe and its log, ``FD:PATH``; it is no option of a person."""

_WELL: Final = b"1"
_STDOUT, _STDERR = 1, 2

_Give = Callable[[str], None]


def up_in_background(project: Project, arguments: Sequence[str], *, out: _Give, err: _Give) -> int:
    """Start `mesh up` in a session of its own and wait until everything is well, or it ended.

    1. Its output comes through two pipes; each line is handed on and appended to the log.
    2. When all is well it takes the log for its output (`leaving`), which ends the pipes; it also ends them by
       ending itself.
    3. Where the wait is interrupted, it is stopped again.

    Args:
        project: The mesh.
        arguments: Of `mesh up`.
        out: Is given each line of its standard output.
        err: Is given each line of its standard error.

    Returns:
        0 when it runs on, its exit code when it ended.

    Raises:
        ProcessError: The data folder cannot be written.
    """
    log = log_of(project, PART)
    with usable_folder(project.config.data, "run the mesh"):
        turn_over(log)
        file = log.open("ab", buffering=0)
    reader, writer = os.pipe()
    try:
        with file, _start(project, arguments, f"{writer}:{log}", writer) as child:
            os.close(writer)
            _pass_on(child, file, out, err)
            went_on = os.read(reader, 1) == _WELL
            return 0 if went_on else child.wait()
    finally:
        os.close(reader)


def leaving() -> Callable[[], None]:
    """Return what a `mesh up` calls when all is well: nothing, unless `up_in_background` started it.

    Then its output goes on to the log, and its starter is told. To be called before any part is started, since
    no part may see the variable.
    """
    told = os.environ.pop(_VARIABLE, None)
    if told is None:
        return lambda: None
    pipe, _, log = told.partition(":")
    return lambda: _leave(int(pipe), log)


def _leave(pipe: int, log: str) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for stream in (_STDOUT, _STDERR):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    with suppress(BrokenPipeError):  # the starter was killed; the mesh is well all the same
        os.write(pipe, _WELL)
    os.close(pipe)


class _Background(subprocess.Popen[str]):
    """A child that is meant to outlive this process: neither leaving the block nor forgetting it waits for it."""

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def __del__(self) -> None:
        """Leave the process alone."""


def _start(project: Project, arguments: Sequence[str], told: str, pipe: int) -> _Background:
    return _Background(
        [sys.executable, "-P", "-m", "mesh_defs.cli", "--project", str(project.root), "up", *arguments],
        env={**os.environ, _VARIABLE: told},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        pass_fds=(pipe,),
        start_new_session=True,  # it outlives the terminal
    )


def _pass_on(child: _Background, log: IO[bytes], out: _Give, err: _Give) -> None:
    """Hand on both streams until their ends; an interrupt stops the child first."""
    readers = [
        threading.Thread(target=_copy, args=(stream, log, give), daemon=True)
        for stream, give in ((child.stdout, out), (child.stderr, err))
    ]
    for reader in readers:
        reader.start()
    try:
        for reader in readers:
            reader.join()
    except BaseException:
        child.terminate()
        child.wait()
        for reader in readers:
            reader.join()
        raise


def _copy(stream: IO[str], log: IO[bytes], give: _Give) -> None:
    for line in stream:
        give(line.rstrip("\n"))
        with suppress(OSError):  # a full disk is what the line may be about
            log.write(line.encode())
