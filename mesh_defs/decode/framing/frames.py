"""Frames: the payload's bytes, and what names their schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol, TypeAlias, overload
from uuid import UUID

from mesh_defs.decode.block import Block
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers

Frame: TypeAlias = int | UUID | bytes | None
"""What a frame names: a registry's id or GUID, a fingerprint, or nothing."""


class Unframed(Sequence[bytes]):
    """What stands behind the frames of values that all begin with the same one.

    To cut thousands of values costs more than to read them, so it is left until somebody asks for the payloads.

    Attributes:
        block: The payloads where they stand, between their frames.
    """

    def __init__(self, framed: Sequence[bytes], frame_size: int, block: Block) -> None:
        self._framed = framed
        self._frame_size = frame_size
        self.block = block

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Unframed: ...

    def __getitem__(self, index: int | slice) -> bytes | Unframed:
        """Return a payload, or some of them."""
        if isinstance(index, slice):
            return Unframed(self._framed[index], self._frame_size, self.block.part(index))
        return self._framed[index][self._frame_size :]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._framed)

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the payloads."""
        return map(itemgetter(slice(self._frame_size, None)), self._framed)


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
