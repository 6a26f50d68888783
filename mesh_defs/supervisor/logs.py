"""The parts' log files: appended to, and turned over at a start where they have grown."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mesh_defs.contract.project import Project

KEPT: Final = 3
LIMIT_BYTES: Final = 8 * 1024 * 1024


def log_of(project: Project, part: str) -> Path:
    """Return the log file of a part."""
    return project.config.data / "logs" / f"{part}.log"


def turn_over(path: Path, *, limit: int = LIMIT_BYTES, kept: int = KEPT) -> None:
    """Move a log of more than ``limit`` bytes aside as ``NAME.1``, older ones up to ``NAME.kept``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size <= limit:
        return
    for number in range(kept - 1, 0, -1):
        older = path.with_name(f"{path.name}.{number}")
        if older.exists():
            older.replace(path.with_name(f"{path.name}.{number + 1}"))
    path.replace(path.with_name(f"{path.name}.1"))
