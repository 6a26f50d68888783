"""A part of a running mesh: what starts it, what says that it is well, what happens when it ends."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from mesh_defs.model.errors import ProcessError
from mesh_defs.supervisor.logs import turn_over
from mesh_defs.supervisor.state import Birth

PATIENCE_SECONDS: Final = 180.0
"""How long a part may take to answer: a cold start of many domains on a busy machine takes a minute."""


class State(StrEnum):
    """How a part stands."""

    RUNNING = "running"
    DIED = "died"
    RESTARTING = "restarting"
    FINISHED = "finished"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """What is told about a part when its state changes.

    Attributes:
        part: Its name.
        state: How it stands.
        address: Where it answers; empty for a part that nobody connects to.
        pid: Its process id, None when it has none any more.
        log: Where it writes.
        note: What a person should know beside the state.
    """

    part: str
    state: State
    address: str
    pid: int | None
    log: Path
    note: str = ""


class Running(Protocol):
    """A started part."""

    @property
    def birth(self) -> Birth:
        """The process to watch."""

    @property
    def owned(self) -> bool:
        """Whether `mesh up` stops it at its own end."""

    def wait(self) -> int | None:
        """Block until the process ended and return its exit code, None where it cannot be known."""


class Part(Protocol):
    """What `mesh up` can start. `start` returns at once, or when the part is well."""

    @property
    def name(self) -> str:
        """Its name, in reports and in the log file's name."""

    @property
    def log(self) -> Path:
        """Where it writes."""

    @property
    def restarts(self) -> bool:
        """Whether it is started again when it ends."""

    @property
    def patience(self) -> float:
        """Seconds within which it must be well after its start."""

    def address(self) -> str:
        """Return where it answers."""

    def start(self, environment: Mapping[str, str]) -> Running:
        """Start it.

        Raises:
            ProcessError: It cannot be started.
        """

    def is_well(self, running: Running) -> bool:
        """Return whether it answers, within a few seconds."""


def _always_well(_: Running) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandPart:
    """A part that is a program of its own, in a session of its own.

    Attributes:
        name: Its name.
        command: Program and arguments.
        folder: Its working directory.
        log: Where its output goes.
        restarts: Whether it is started again when it ends; a finished program is fine otherwise.
        place: Where it answers, for the report.
        check: Whether it is well; a program that only runs is well at once.
        patience: Seconds within which it must be well.
        added: What its environment holds besides, asked for at each start.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    log: Path
    restarts: bool
    place: str = ""
    check: Callable[[Running], bool] = field(default=_always_well)
    patience: float = PATIENCE_SECONDS
    added: Callable[[], Mapping[str, str]] = field(default=dict)

    def address(self) -> str:
        """Return where it answers."""
        return self.place

    def is_well(self, running: Running) -> bool:
        """Return whether it answers."""
        return self.check(running)

    def start(self, environment: Mapping[str, str]) -> Child:
        """Start the program, its output appended to the log.

        Raises:
            ProcessError: There is no such program.
        """
        turn_over(self.log)
        try:
            with self.log.open("ab") as output:
                process = subprocess.Popen(
                    self.command,
                    cwd=self.folder,
                    env={**environment, **self.added()},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,  # its signals come from `mesh up`, in order, not from the terminal
                )
        except OSError as error:
            raise ProcessError(
                cannot=f"start {self.name}",
                why=f"{self.command[0]}: {error.strerror}",
                do=f"mend [process.{self.name}] in mesh.toml" if not self.restarts else "run ./mesh again",
            ) from None
        return Child(process=process, birth=Birth.of(self.name, process.pid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A program that was started here.

    Attributes:
        process: Its handle.
        birth: Its process id and time of creation.
        owned: Always true: it is ours to stop.
    """

    process: subprocess.Popen[bytes]
    birth: Birth
    owned: bool = True

    def wait(self) -> int | None:
        """Block until the program ended and return its exit code, negative for a signal."""
        return self.process.wait()
