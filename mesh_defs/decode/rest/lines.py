"""JSON documents, one a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mesh_defs.decode.rest.records import BOM, Records, batched, physical_lines

SPACE: Final = b" \t\r\n"


def json_lines(chunks: Iterable[bytes]) -> Iterator[Records]:
    """Yield the documents of a newline-delimited file; blank lines are none.

    Raises:
        MalformedFileError: A line is longer than any record may be.
    """
    numbered = enumerate(physical_lines(chunks), start=1)
    return batched((number, line.strip(SPACE)) for number, line in numbered if line.strip(SPACE))


def looks_like_array(head: bytes) -> bool:
    """Say whether a JSON file, of which these are the first bytes, holds one array and not a document a line."""
    return head.removeprefix(BOM).lstrip(SPACE).startswith(b"[")
