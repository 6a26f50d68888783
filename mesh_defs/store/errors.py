"""How the errors of DuckDB and of the file system become errors of the store."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from mesh_defs.model.errors import StoreError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FULL_WORDS = ("no space left", "disk is full", "disk quota", "file too large")
_FAILED_WORDS = ("disk i/o error", "input/output error")
_RETRY_WORDS = ("database is locked", "conflict", "database table is locked")


def is_disk_full(error: BaseException) -> bool:
    """Say whether the error means that the disk, its quota or the file-size limit is exhausted."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(word in str(error).lower() for word in _FULL_WORDS)


def is_retryable(error: BaseException) -> bool:
    """Say whether the same transaction can succeed at another try: SQLite was busy, or another was first."""
    text = str(error).lower()
    return any(word in text for word in _RETRY_WORDS)


def store_error(cannot: str, error: BaseException) -> StoreError:
    """Return the store's error for one of DuckDB, Arrow or the file system; it quotes no record."""
    if is_disk_full(error):
        return StoreError(
            cannot=cannot,
            why=f"the disk is full, or its quota or file-size limit is reached ({first_line(error)})",
            do="free space and run the same command again; nothing of this was stored",
        )
    if any(word in str(error).lower() for word in _FAILED_WORDS):
        # SQLite says no more than "disk I/O error" when a quota or a file-size limit stops it, or when the disk breaks.
        return StoreError(
            cannot=cannot,
            why=f"the disk is full or failing ({first_line(error)})",
            do="look at the free space and the kernel's log, then run the same command again",
        )
    return StoreError(
        cannot=cannot,
        why=first_line(error),
        do="run `mesh doctor`; the store keeps what it last committed",
    )


@contextmanager
def translated(cannot: str) -> Iterator[None]:
    """Turn errors of DuckDB and of the file system into StoreError.

    Raises:
        StoreError: Instead of `duckdb.Error` and `OSError`.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise store_error(cannot, error) from error


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without its closing punctuation."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".;") if lines else type(error).__name__
