"""What is wrong in a file that a person wrote: where it stands, what it is, what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Severity(StrEnum):
    """Whether a finding refuses the file."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, or doubtful, in a file.

    Attributes:
        path: The file.
        line: From 1, which also stands for the file as a whole.
        column: From 1.
        where: The place in the document: `schema[0].properties[2]`; empty for the document itself.
        rule: A short stable word: `unknown-key`, `value`, `not-supported-yet`, ...
    """

    path: Path
    line: int
    column: int
    severity: Severity
    where: str
    rule: str
    message: str

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        return f"{shown_path(self.path)}:{self.line}:{self.column}: {self.severity}: {place}{self.message}"


def shown_path(path: Path) -> str:
    """Return a path as messages write it: relative where it lies below the working folder."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
