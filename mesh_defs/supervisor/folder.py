"""Whether the data folder can be used at all, said in one line before anything is started."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mesh_defs.model.errors import ProcessError

LEAST_BYTES: Final = 100_000_000
"""A first start writes about a third of this: Kafka's log, Dagster's home, logs."""

_MAKE_ROOM: Final = "make room there, or name another folder with MESH_DATA or in mesh.toml"


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the file system that a folder lies on, or will lie on."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def megabytes(count: int) -> str:
    """Return bytes as a person reads them."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"  # noqa: PLR2004


@contextmanager
def usable_folder(folder: Path, cannot: str) -> Iterator[None]:
    """Refuse a folder without room, and translate what the system says about it in the block.

    Raises:
        ProcessError: There is no room, or the system refused a file.
    """
    try:
        free = free_bytes(folder)
        if free < LEAST_BYTES:
            raise ProcessError(
                cannot=cannot,
                why=f"{folder} has {megabytes(free)} free and {megabytes(LEAST_BYTES)} are needed",
                do=_MAKE_ROOM,
            )
        yield
    except BrokenPipeError:  # of a reader of the output, not of the folder
        raise
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        raise ProcessError(
            cannot=cannot,
            why=f"{error.filename or folder}: {error.strerror or 'the system refused'}",
            do=_MAKE_ROOM if full else "make the data folder writable for this user",
        ) from error
