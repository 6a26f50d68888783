"""What a payload codec hands over: the contract's columns, and what became of the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.refusal import Refusal


@dataclass(slots=True, kw_only=True)
class Payloads:
    """Many payloads, decoded.

    Attributes:
        columns: The contract's columns, in its order, of the payloads that are not refused, in theirs.
        refused: By the payload's position.
        unknown: By the payload's position, JSON text of what the contract does not name.
        unknown_fields: How many payloads carried each unknown field's path, refused ones included.
    """

    columns: list[Array] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)
    unknown: dict[int, str] = field(default_factory=dict)
    unknown_fields: Counter[str] = field(default_factory=Counter)


class PayloadCodec(Protocol):
    """One serialisation of a contract's columns."""

    def decode(self, values: list[bytes]) -> Payloads:
        """Return the columns of the payloads; each is one element of them, or refused."""
        ...
