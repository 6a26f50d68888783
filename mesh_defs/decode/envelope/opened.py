"""What an envelope hands over: the payloads, and what it says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers, RawBatch


@dataclass(slots=True, kw_only=True)
class Opened:
    """A batch without its envelopes; each sequence has one element a record.

    Attributes:
        payloads: The payload's bytes, None for a tombstone. Of a refused record anything may stand here.
        headers: As they are stored.
        times: The event's time as the envelope tells it, an array of instants, null where it does not; or
            None where no envelope tells any.
        types: The events' types, where all records are events and opening them told it anyway; else None.
        refused: By the record's position.
    """

    payloads: Sequence[bytes | None]
    headers: Sequence[Headers | None]
    times: Array | None = None
    types: Sequence[bytes] | None = None
    refused: dict[int, Refusal] = field(default_factory=dict)


class Opener(Protocol):
    """One kind of envelope."""

    def open(self, batch: RawBatch) -> Opened:
        """Return the batch without its envelopes."""
        ...


class NoEnvelope:
    """The record's value is the payload."""

    def open(self, batch: RawBatch) -> Opened:
        """Return the batch as it is."""
        return Opened(payloads=batch.values, headers=batch.headers)
