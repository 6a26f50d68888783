"""What a payload codec hands over: the contract's columns, and what became of the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa

from mesh_defs.decode.changes import Change
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers


@dataclass(slots=True, kw_only=True)
class Payloads:
    """Many payloads, decoded.

    Attributes:
        columns: The contract's columns, in its order, of the payloads that are not refused, in theirs.
        refused: By the payload's position.
        unknown: By the payload's position, JSON text of what the contract does not name.
        unknown_fields: How many payloads carried each unknown field's path, refused ones included.
        schema_ids: The registry's number of each payload's schema, by the payload's position, None where its
            frame names none; or None where no frame does.
        changes: By the payload's position, what it says of its change; or None where payloads are no change
            events.
    """

    columns: list[Array] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)
    unknown_fields: Counter[str] = field(default_factory=Counter)
    schema_ids: Sequence[int | None] | None = None
    changes: dict[int, Change] | None = None

    def placed(
        self,
        positions: Sequence[int],
        refused: dict[int, Refusal],
        schema_ids: Sequence[int | None] | None,
    ) -> Payloads:
        """Return the same, seen from a larger batch of which these payloads are a part.

        Args:
            positions: Of these payloads in the larger batch, ascending.
            refused: The others, by their position in the larger batch.
            schema_ids: Of the larger batch.
        """
        return Payloads(
            columns=self.columns,
            refused=refused | {positions[i]: refusal for i, refusal in self.refused.items()},
            unknown={positions[i]: text for i, text in self.unknown.items()},
            unknown_fields=self.unknown_fields,
            schema_ids=schema_ids,
            changes=None if self.changes is None else {positions[i]: c for i, c in self.changes.items()},
        )


def joined(count: int, parts: Sequence[tuple[Sequence[int], Payloads]]) -> Payloads:
    """Return parts of a batch as one, in the batch's order.

    Args:
        count: Of payloads in the batch.
        parts: At least one, each with the positions of its payloads in the batch, ascending.
    """
    whole = Payloads()
    order: dict[int, int] = {}
    for positions, part in parts:
        placed = part.placed(positions, {}, None)
        whole.refused |= placed.refused
        whole.unknown |= placed.unknown
        whole.unknown_fields.update(placed.unknown_fields)
        if placed.changes is not None:
            whole.changes = (whole.changes or {}) | placed.changes
        for position in positions:
            if position not in placed.refused:
                order[position] = len(order)
    rows = pa.array([order[i] for i in range(count) if i in order], pa.int64())
    columns = zip(*(part.columns for _, part in parts), strict=True)
    whole.columns = [pa.concat_arrays(arrays).take(rows) for arrays in columns]
    return whole


class PayloadCodec(Protocol):
    """One serialisation of a contract's columns."""

    def decode(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Payloads:
        """Return the columns of the payloads; each is one element of them, or refused.

        Args:
            values: The payloads, with their frames.
            headers: Each record's, since a frame may stand there.

        Raises:
            RegistryError: The schemas cannot be had; nothing is known about the payloads.
        """
        ...
