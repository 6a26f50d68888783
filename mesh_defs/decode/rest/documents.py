"""Columns of values, as JSON text each, to documents."""

from __future__ import annotations

from collections.abc import Sequence
from json.encoder import encode_basestring
from typing import Final

NULL: Final = "null"

Named = Sequence[tuple[str, Sequence[str]]]
"""Columns: a name, and for each row the value as JSON text."""


AS_BYTES: Final = "surrogateescape"
"""Lets bytes that are no UTF-8 pass through texts as they are, to be refused with their row."""


def quoted(text: str) -> str:
    """Return a text as a JSON string."""
    return encode_basestring(text)


def documents(known: Named, others: Named, count: int) -> list[bytes]:
    """Return one JSON object a row.

    Args:
        known: The columns of the contract.
        others: Columns that the contract does not name; a null there is left out.
        count: Rows.
    """
    template = ",".join(quoted(name).replace("%", "%%") + ":%s" for name, _ in known)
    bodies = [template % row for row in zip(*(v for _, v in known), strict=True)] if known else [""] * count
    for name, values in others:
        key = quoted(name)
        bodies = [
            body if value == NULL else f"{body},{key}:{value}"
            for body, value in zip(bodies, values, strict=True)
        ]
    return [f"{{{body.removeprefix(',')}}}".encode("utf-8", AS_BYTES) for body in bodies]
