"""Whether the data folder can be used at all, said in one line before anything is started."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mesh_defs.model.errors import ProcessError
from mesh_defs.model.room import LEAST_BYTES, free_bytes, megabytes

_MAKE_ROOM: Final = "make room there, or name another folder with MESH_DATA or in mesh.toml"


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
