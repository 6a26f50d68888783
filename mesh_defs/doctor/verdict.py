"""What the doctor says about one part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from mesh_defs.model.errors import MeshError, of_the_system


class Word(StrEnum):
    """How a part stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How one part stands.

    Attributes:
        part: Its name.
        found: What was found, one clause.
        do: What to do; empty where nothing is.
    """

    part: str
    state: Word
    found: str
    do: str = ""


def ok(part: str, found: str) -> Verdict:
    """Return that a part is well."""
    return Verdict(part=part, state=Word.OK, found=found)


def warning(part: str, found: str, do: str) -> Verdict:
    """Return that a part works, but asks for a look."""
    return Verdict(part=part, state=Word.WARNING, found=found, do=do)


def failed(part: str, found: str, do: str) -> Verdict:
    """Return that a part does not work."""
    return Verdict(part=part, state=Word.FAILED, found=found, do=do)


def tried(part: str, attempt: Callable[[], Verdict]) -> Verdict:
    """Return what an attempt found; its error is a verdict."""
    try:
        return attempt()
    except MeshError as error:
        found = error
    except OSError as error:
        found = of_the_system(error, cannot="try it")
    return failed(part, f"cannot {found.cannot}: {found.why}", found.do)
