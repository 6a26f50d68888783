"""The records of the state machine: what is produced, and what a contract makes of it."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import hypothesis.strategies as st

from tests.meshes import ORDERS

FIRST_MILLISECOND: Final = 1_700_000_000_000
"""The timestamp of record 0; the others follow."""

KEYS: Final = (None, b"", b"k", b"\xff\x00")

HEADERS: Final = (None, [("a", b"1"), ("a", b"\x00\xff"), ("b", None)])


@enum.unique
class Kind(enum.Enum):
    """What a record is like."""

    GOOD = "good"
    NOTED = "with a field that the contract may not name"
    ODD_NOTE = "with such a field, of another type than the contract will give it"
    NAMELESS = "without a field that the contract may require"
    WRONG = "of the wrong type"
    BROKEN = "no JSON"
    TOMBSTONE = "a tombstone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the contract says at a time.

    Attributes:
        required: Whether `order_id` is required.
        noted: Whether the contract has adopted the column `note`.
        on_loss: Its `onLoss`.
    """

    required: bool = True
    noted: bool = False
    on_loss: str = "fail"

    @property
    def properties(self) -> tuple[Mapping[str, Any], ...]:
        """The columns, as the contract writes them."""
        note = {"name": "note", "logicalType": "string"}
        return ({**ORDERS[0], "required": self.required}, ORDERS[1], *([note] if self.noted else []))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a table says of a record."""

    order_id: int | None
    customer: str | None
    note: str | None
    unknown: str | None
    tombstone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A record that the broker has acknowledged, or will."""

    kind: Kind
    number: int
    key: bytes | None
    with_headers: bool

    @property
    def value(self) -> bytes | None:
        """Its value."""
        match self.kind:
            case Kind.TOMBSTONE:
                return None
            case Kind.BROKEN:
                return b'{"order_id":'
            case Kind.WRONG:
                return b'{"order_id":"%d"}' % self.number
            case _:
                return json.dumps(self._document, separators=(",", ":")).encode()

    @property
    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Its headers."""
        return HEADERS[self.with_headers]

    @property
    def milliseconds(self) -> int:
        """Its timestamp."""
        return FIRST_MILLISECOND + self.number

    @property
    def arguments(self) -> dict[str, Any]:
        """What a producer is told."""
        return {
            "value": self.value,
            "key": self.key,
            "headers": self.headers,
            "timestamp": self.milliseconds,
        }

    def row(self, terms: Terms) -> Row | None:
        """Return the row that it is under a contract; None where it is a dead letter."""
        if self.kind in {Kind.BROKEN, Kind.WRONG}:
            return None
        if self.kind is Kind.TOMBSTONE:
            return Row(order_id=None, customer=None, note=None, unknown=None, tombstone=True)
        if (terms.required and self.kind is Kind.NAMELESS) or (terms.noted and self.kind is Kind.ODD_NOTE):
            return None
        document = self._document
        note = document.get("note")
        unknown = None if note is None or terms.noted else json.dumps({"note": note}, separators=(",", ":"))
        return Row(
            order_id=document.get("order_id"),
            customer=document["customer"],
            note=note if terms.noted else None,
            unknown=unknown,
            tombstone=False,
        )

    @property
    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {"customer": f"c{self.number}"}
        if self.kind is not Kind.NAMELESS:
            document["order_id"] = self.number
        if self.kind is Kind.NOTED:
            document["note"] = f"n{self.number}"
        if self.kind is Kind.ODD_NOTE:
            document["note"] = self.number
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record that is to be sent, not yet numbered."""

    kind: Kind
    key: bytes | None
    with_headers: bool

    def sent(self, number: int) -> Sent:
        """Return the record under its number."""
        return Sent(kind=self.kind, number=number, key=self.key, with_headers=self.with_headers)


drafts = st.lists(
    st.builds(Draft, kind=st.sampled_from(Kind), key=st.sampled_from(KEYS), with_headers=st.booleans()),
    min_size=1,
    max_size=7,
)
