"""What stopped a stream, kept beside the store so that `mesh status` can say it after the pass has gone."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "failures.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a stream, or one of its partitions, did not reach its end in the last pass.

    Attributes:
        partition: None where the whole stream is concerned.
        error: The error's class name.
        at: When the pass ended, RFC 3339, UTC.
        attempts: How often it was tried in vain by the resident ingester, one after the other.
        retry_at: When the resident ingester tries it again, RFC 3339, UTC; None where nobody does by itself.
    """

    stream: str
    partition: int | None
    error: str
    message: str
    at: str
    attempts: int = 1
    retry_at: str | None = None


def read_failures(folder: Path) -> tuple[Failure, ...]:
    """Return the failures of the last pass over each stream of the domain in `folder`.

    A file that a crash of the machine left empty or torn counts as none: the next pass finds again what stops it.
    """
    try:
        return tuple(Failure(**entry) for entry in json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return ()


def write_failures(folder: Path, streams: set[str], failures: list[Failure]) -> None:
    """Replace what is known of `streams`; other streams' failures stay. The file is swapped atomically.

    A disk that is full keeps the file as it was: what stops the streams is told in other ways as well.
    """
    kept = [f for f in read_failures(folder) if f.stream not in streams]
    if not (folder / FILE).exists() and not failures:
        return
    fresh = folder / f"{FILE}.{os.getpid()}.tmp"
    with suppress(OSError):
        fresh.write_text(json.dumps([asdict(f) for f in (*kept, *failures)], indent=1), encoding="utf-8")
        fresh.replace(folder / FILE)
