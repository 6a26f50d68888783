"""Frames: the payload's bytes, and what names their schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias
from uuid import UUID

from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers

Frame: TypeAlias = int | UUID | bytes | None
"""What a frame names: a registry's id or GUID, a fingerprint, or nothing."""


@dataclass(slots=True, kw_only=True)
class Frames:
    """Many values without their frames.

    Attributes:
        groups: For each thing that frames name the positions of its values, ascending.
        payloads: One element a value; of a refused one anything may stand here.
        refused: By the value's position.
    """

    groups: dict[Frame, Sequence[int]]
    payloads: Sequence[bytes]
    refused: dict[int, Refusal] = field(default_factory=dict)


class Framing(Protocol):
    """One way to frame payloads."""

    def open(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Frames:
        """Return the values without their frames."""
        ...


class NoFraming:
    """The value is the payload."""

    def open(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Frames:
        """Return the values as they are."""
        del headers
        return Frames(groups={None: range(len(values))} if values else {}, payloads=values)
