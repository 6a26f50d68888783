"""Records as they stand in a file, in batches that memory holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mesh_defs.model.text import TextError

BATCH_RECORDS: Final = 10_000
BATCH_BYTES: Final = 8 << 20

MAX_RECORD: Final = 16 << 20
"""Bytes of one record; more would not be a record, but a file that lost its shape."""

BOM: Final = b"\xef\xbb\xbf"


class MalformedFileError(TextError):
    """What keeps a file as a whole from being read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Consecutive records of a file.

    Attributes:
        values: Each record's bytes; a row of Parquet as a JSON document.
        lines: The line that each begins in, from 1; of Parquet the row's number.
    """

    values: list[bytes]
    lines: list[int]


def batched(records: Iterable[tuple[int, bytes]]) -> Iterator[Records]:
    """Gather records, each with its line, into batches bounded by count and by bytes."""
    values: list[bytes] = []
    lines: list[int] = []
    size = 0
    for line, value in records:
        values.append(value)
        lines.append(line)
        size += len(value)
        if len(values) == BATCH_RECORDS or size >= BATCH_BYTES:
            yield Records(values=values, lines=lines)
            values, lines, size = [], [], 0
    if values:
        yield Records(values=values, lines=lines)


def physical_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file without their line feeds; a byte-order mark at its beginning is dropped.

    Raises:
        MalformedFileError: A line is longer than any record may be.
    """
    rest = b""
    number = 0
    for chunk in without_mark(chunks):
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        number += len(parts)
        if len(rest) > MAX_RECORD:
            raise MalformedFileError(f"a line of more than {MAX_RECORD:,} bytes", number + 1)
        yield from parts
    if rest:
        yield rest


def without_mark(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a file without a byte-order mark at its beginning; the first holds three bytes or all."""
    first = b""
    found = iter(chunks)
    for chunk in found:
        first += chunk
        if len(first) >= len(BOM):
            break
    yield first.removeprefix(BOM)
    yield from found
