"""Reads the logs of the parts: their last lines in the order of their time, and what is added."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.suggest import did_you_mean

_SUFFIX: Final = ".log"
_BLOCK: Final = 65_536
_POLL_SECONDS: Final = 0.3
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?")
_HEAD: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a part's log, without its end."""

    part: str
    text: str


def logs(project: Project) -> dict[str, Path]:
    """Return the log file of each part that ever wrote one, by the part's name, in order."""
    folder = project.config.data / "logs"
    return {path.stem: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}


def chosen_logs(project: Project, parts: Sequence[str]) -> dict[str, Path]:
    """Return the logs of the named parts; of all when none is named.

    Raises:
        ConfigError: A part has no log.
    """
    known = logs(project)
    for part in parts:
        if part not in known:
            hint = f", {did_you_mean(part, known)}" if known else ""
            raise ConfigError(
                cannot=f"show the log of '{part}'",
                why=f"no part of that name has written one{hint}",
                do=f"name one of: {', '.join(known)}" if known else "start the mesh with `mesh up` first",
            )
    return {part: known[part] for part in parts} if parts else known


def ends(files: Mapping[str, Path]) -> dict[str, int]:
    """Return how many bytes each log holds now."""
    return {part: _size(path) for part, path in files.items()}


def last_lines(files: Mapping[str, Path], count: int, until: Mapping[str, int]) -> list[LogLine]:
    """Return the last lines of each log before its end, merged by the time that stands at the head of a line.

    A line without one (of a traceback, say) stays behind the line before it.
    """
    keyed: list[tuple[str, LogLine]] = []
    for part, path in files.items():
        instant = ""
        for text in _tail(path, count, until[part]):
            found = _INSTANT.search(text[:_HEAD])
            instant = found.group().replace("T", " ").replace(",", ".") if found else instant
            keyed.append((instant, LogLine(part=part, text=text)))
    return [line for _, line in sorted(keyed, key=lambda pair: pair[0])]


def follow(files: Callable[[], Mapping[str, Path]], since: Mapping[str, int]) -> Iterator[LogLine]:
    """Yield what is added to logs behind their ends, until the caller is interrupted.

    Args:
        files: Returns the logs to follow; asked again and again, so that new parts are followed too.
        since: The ends; a log without one is new from its beginning.
    """
    followed: dict[str, _Followed] = {}
    while True:
        for part, path in files().items():
            if part not in followed:
                followed[part] = _Followed(path=path, position=since.get(part, 0))
            for text in followed[part].new_lines():
                yield LogLine(part=part, text=text)
        threading.Event().wait(_POLL_SECONDS)


@dataclass(slots=True, kw_only=True)
class _Followed:
    path: Path
    position: int = 0
    rest: bytes = b""
    inode: int = field(init=False)

    def __post_init__(self) -> None:
        self.inode = _inode(self.path)

    def new_lines(self) -> Iterator[str]:
        """Yield the complete lines that came since; a log that was turned over begins anew."""
        inode = _inode(self.path)
        if inode != self.inode or _size(self.path) < self.position:
            self.inode, self.position, self.rest = inode, 0, b""
        try:
            with self.path.open("rb") as file:
                file.seek(self.position)
                data = file.read()
        except FileNotFoundError:
            return
        self.position += len(data)
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")


def _tail(path: Path, count: int, position: int) -> deque[str]:
    """Return the last lines of a file before a position, reading no more of it than needed."""
    data = b""
    with path.open("rb") as file:
        while position > 0 and data.count(b"\n") <= count:
            step = min(_BLOCK, position)
            position -= step
            file.seek(position)
            data = file.read(step) + data
    return deque((line.decode(errors="replace") for line in data.splitlines()), maxlen=count)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0
