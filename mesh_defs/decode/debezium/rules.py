"""What makes a message a change event, whatever it is written in."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mesh_defs.decode.changes import OPERATIONS, WITH_IMAGE
from mesh_defs.decode.debezium.refusals import refusal

_MARKS: Final = frozenset(["op", "before", "after"])
"""What makes a document an envelope; `source` and `ts_ms` are also in other messages of Debezium."""


def check_envelope(names: Collection[str], path: str) -> None:
    """Refuse what is no envelope at all.

    Args:
        names: Of the document's fields.
        path: Where it stands.

    Raises:
        Refusal: It is none.
    """
    if _MARKS.isdisjoint(names):
        message = (
            "the document is no change event: it has neither op nor before nor after; a row that Debezium's "
            "ExtractNewRecordState has taken out of its envelope is read with `envelope: none`"
        )
        raise refusal("debezium_envelope", message, path)


def check_operation(op: str | None, path: str, *, has_after: bool) -> str:
    """Return the operation of a change.

    Args:
        op: As the message says it.
        path: Where the envelope stands.
        has_after: Whether the message says the row as it is.

    Raises:
        Refusal: There is no such operation, or it contradicts the row.
    """
    if op is None:
        raise refusal("debezium_op", "the change has no op: it must be one of c, u, d, r, t, m", f"{path}.op")
    if op not in OPERATIONS:
        message = "the change's op is not known: it must be one of c, u, d, r, t, m"
        raise refusal("debezium_op", message, f"{path}.op")
    if has_after != (op in WITH_IMAGE):
        message = (
            "a change of op d, t or m has no row after it, but after says one"
            if has_after
            else "a change of op c, u or r says the row in after, but it is absent or null"
        )
        raise refusal("debezium_after", message, f"{path}.after")
    return op
