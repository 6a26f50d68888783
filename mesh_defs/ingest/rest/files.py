"""The files of data at rest: which there are, and whether one is still what it was."""

from __future__ import annotations

import datetime as dt
import glob
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesh_defs.contract.choices import LoadMode
from mesh_defs.contract.contract import RestContract
from mesh_defs.model.errors import SourceMissingError, SourceUnreadableError
from mesh_defs.model.micros import from_micros
from mesh_defs.store import LoadedFile

SETTLED: Final = dt.timedelta(seconds=2)
"""How long a file must have been left alone before its time of change tells that it is the same: within the clock's
tick of a file system it may change without a trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as the file system has it now.

    Attributes:
        name: As the contract's path names it: relative to the project's root, or absolute.
        identity: Device, inode, size in bytes, and the times of the last change of content and of state, in
            nanoseconds: while it is the same, so is the file.
    """

    name: str
    path: Path
    size_bytes: int
    modified_ns: int
    identity: tuple[int, ...]

    @property
    def modified_at(self) -> dt.datetime:
        """When the content was last changed."""
        return from_micros(self.modified_ns // 1_000)


def find_files(root: Path, contract: RestContract) -> tuple[SourceFile, ...]:
    """Return the files that a contract's path names now, in the order of their names.

    Args:
        root: The project's root.
        contract: Of the data at rest.

    Raises:
        SourceMissingError: There is none; an `append` may wait for the first file of a pattern, in a folder that is
            there.
        SourceUnreadableError: A file cannot be looked at, or is none.
    """
    pattern = os.path.normpath(contract.source)
    if not glob.has_magic(pattern):
        return (look_at(contract, root, pattern),)
    # Unlike Path.glob, it leaves out names that begin with a dot: files in the making.
    names = sorted(glob.glob(pattern, root_dir=root, recursive=True))  # noqa: PTH207
    found = tuple(file for name in names if (file := _file(contract, root, name)) is not None)
    waits = contract.load is LoadMode.APPEND and _fixed_folder(root, pattern).is_dir()
    if not found and not waits:
        raise SourceMissingError(
            cannot=f"load {contract.full_name}",
            why=f"no file is called {contract.source}",
            do="bring the files, or mend `path` in the contract; the table stays as it is",
        )
    return found


def look_at(contract: RestContract, root: Path, name: str) -> SourceFile:
    """Return a file as it is now.

    Raises:
        SourceMissingError: It is not there.
        SourceUnreadableError: It cannot be looked at, or is a folder.
    """
    try:
        found = (root / name).stat()
    except FileNotFoundError:
        raise SourceMissingError(
            cannot=f"load {contract.full_name}",
            why=f"there is no file {name}",
            do="bring it, or mend `path` in the contract; the table stays as it is",
        ) from None
    except OSError as error:
        raise unreadable(contract, name, error.strerror or type(error).__name__) from error
    if any(0xD800 <= ord(sign) <= 0xDFFF for sign in name):  # noqa: PLR2004 - what Python makes of other bytes
        raise unreadable(contract, ascii(name), "its name is no UTF-8")
    if not stat.S_ISREG(found.st_mode):
        raise unreadable(contract, name, "it is no file; a pattern as DIR/*.csv names the files of a folder")
    return SourceFile(
        name=name,
        path=root / name,
        size_bytes=found.st_size,
        modified_ns=found.st_mtime_ns,
        identity=(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns),
    )


def unreadable(contract: RestContract, name: str, why: str) -> SourceUnreadableError:
    """Return the error of a file that cannot be read."""
    return SourceUnreadableError(
        cannot=f"load {contract.full_name}",
        why=f"{name}: {why}",
        do="mend the file or the contract; the table stays as it is",
    )


def read_chunks(file: SourceFile, size: int = 1 << 20) -> Iterator[bytes]:
    """Yield a file's bytes.

    Raises:
        OSError: It cannot be read.
    """
    with file.path.open("rb") as opened:
        while chunk := opened.read(size):
            yield chunk


class Hashes:
    """The SHA-256 of files, each read once while it stays as it is."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, ...], str]] = {}

    def of(self, contract: RestContract, file: SourceFile) -> str:
        """Return a file's hash, hexadecimal.

        Raises:
            SourceUnreadableError: The file cannot be read.
        """
        identity, known = self._known.get(file.path, ((), ""))
        if identity == file.identity:
            return known
        try:
            with file.path.open("rb") as opened:
                found = hashlib.file_digest(opened, "sha256").hexdigest()
        except OSError as error:
            raise unreadable(contract, file.name, error.strerror or type(error).__name__) from error
        if time.time_ns() - max(file.identity[-2:]) > SETTLED.total_seconds() * 1e9:
            self._known[file.path] = (file.identity, found)
        return found

    def differs(self, contract: RestContract, file: SourceFile, loaded: LoadedFile) -> bool:
        """Say whether a file is not what was loaded: by size and time of change, and only else by its content.

        Raises:
            SourceUnreadableError: The file cannot be read.
        """
        if file.size_bytes != loaded.size_bytes:
            return True
        settled = loaded.ingested_at - loaded.modified_at > SETTLED
        if settled and file.modified_at == loaded.modified_at:
            return False
        return self.of(contract, file) != loaded.sha256


def _file(contract: RestContract, root: Path, name: str) -> SourceFile | None:
    """Return what a pattern found, unless it is a folder, or gone already."""
    if (root / name).is_dir():
        return None
    try:
        return look_at(contract, root, name)
    except SourceMissingError:
        return None


def _fixed_folder(root: Path, pattern: str) -> Path:
    """Return the folder above the first part of a pattern that is one."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return root.joinpath(*parts[:fixed])
