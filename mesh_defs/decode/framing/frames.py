"""Frames: the payload's bytes, and what names their schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Protocol, TypeAlias, overload
from uuid import UUID

import numpy as np
import numpy.typing as npt

from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers

Sizes: TypeAlias = npt.NDArray[np.int64]
Frame: TypeAlias = int | UUID | bytes | None
"""What a frame names: a registry's id or GUID, a fingerprint, or nothing."""


class Unframed(Sequence[bytes]):
    """What stands behind the frames of values that all begin with the same one.

    To cut thousands of values costs more than to read them, so it is left until somebody asks for the payloads; who
    can read over the frames takes `framed`.

    Attributes:
        framed: The values, with their frames.
        frame: The bytes that each begins with.
        sizes: In bytes, of each value with its frame.
    """

    def __init__(self, framed: Sequence[bytes], frame: bytes, sizes: Sizes) -> None:
        self.framed = framed
        self.frame = frame
        self.sizes = sizes

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Unframed: ...

    def __getitem__(self, index: int | slice) -> bytes | Unframed:
        """Return a payload, or some of them."""
        if isinstance(index, slice):
            return Unframed(self.framed[index], self.frame, self.sizes[index])
        return self.framed[index][len(self.frame) :]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.framed)

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the payloads."""
        return map(itemgetter(slice(len(self.frame), None)), self.framed)


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
