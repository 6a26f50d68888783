"""What a change event says of its change, beside the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from mesh_defs.contract.arrow import INSTANT
from mesh_defs.decode.columns.base import Array

WITH_IMAGE: Final = frozenset("cur")
"""The operations that say the row as it is."""

MESSAGE: Final = "m"
"""The operation that is no change of a row, but a logical message."""

OPERATIONS: Final = WITH_IMAGE | frozenset(["d", "t", MESSAGE])


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a row, or of its table.

    Attributes:
        op: `c` created, `u` updated, `d` deleted, `r` read by a snapshot, `t` truncated, `m` a message.
        position: Where it stands among the changes of its source; such texts sort as the changes happened.
        before: The row as it was, JSON text, as far as the source tells it.
        time: When it happened, in microseconds since the epoch.
    """

    op: str
    position: str | None = None
    before: str | None = None
    time: int | None = None

    @property
    def has_image(self) -> bool:
        """Whether it brings a row: without, the contract's columns are null."""
        return self.op in WITH_IMAGE


def change_columns(changes: Sequence[Change | None]) -> list[Array]:
    """Return the columns of changes, in the order of `contract.arrow.CHANGE_COLUMNS`; None is a tombstone."""
    return [
        pa.array([None if c is None else c.op for c in changes], pa.string()),
        pa.array([None if c is None else c.position for c in changes], pa.string()),
        pa.array([None if c is None else c.before for c in changes], pa.string()),
    ]


def change_times(changes: Sequence[Change | None]) -> Array:
    """Return when the changes happened, null where they do not tell."""
    return pa.array([None if c is None else c.time for c in changes], INSTANT)
