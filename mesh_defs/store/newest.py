"""Whether a catalog is the newest there was: the number of the last commit's snapshot, kept beside it.

A catalog that came back from a backup is whole in itself, and so is everything that it knows of: nothing in it says
what it lacks. The number is a hint that no power failure can put ahead of the catalog, since it is written after COMMIT
and never waited for. It only grows: commits on top of an older catalog are no reason to forget what is to be decided
anew. It goes with the folder: whoever restores all of it has one that fits.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

NEWEST_FILE = "newest"


def note_newest(folder: Path, snapshot: int) -> None:
    """Note the snapshot of a commit that has just been made; a disk that refuses changes nothing."""
    if snapshot <= read_newest(folder):
        return
    with suppress(OSError):
        (folder / NEWEST_FILE).write_text(f"{snapshot}\n", encoding="ascii")


def read_newest(folder: Path) -> int:
    """Return the snapshot of the last commit; 0 where it is not known."""
    try:
        text = (folder / NEWEST_FILE).read_text(encoding="ascii")
    except (OSError, ValueError):
        return 0
    return int(text) if text.strip().isdigit() else 0


def restored_sentence(domain: str, folder: Path, snapshot: int, newest: int) -> str:
    """Return what a person should know of a catalog that is older than the last commit."""
    return (
        f"the catalog of {domain} is an older one than was here: it ends with snapshot {snapshot}, and {newest} was "
        "committed. What it lacks is read again from Kafka as far as Kafka holds it; decisions (acknowledged losses, "
        "accepted epochs) and retried dead letters since then are to be made again; then remove "
        f"{folder / NEWEST_FILE}, which is what this is known from"
    )
