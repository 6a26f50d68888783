"""Many values as one block of bytes, which numpy looks at without a step of Python for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Positions: TypeAlias = npt.NDArray[np.int64]
"""Where values begin or end in a block; ascending."""

_PADDING: Final = bytes(8)


class Block:
    """Values one behind the other.

    Attributes:
        data: All of their bytes, and eight more.
        octets: The same as numbers.
        words: For each position the eight bytes from it on as one number, the first byte the lowest.
        begins: Of the values.
        ends: Of the values.
    """

    __slots__ = ("begins", "data", "ends", "octets", "words")

    def __init__(self, values: Sequence[bytes]) -> None:
        # Arrow copies the bytes and notes the ends in one go; to join and to ask each length takes longer.
        array: Any = pa.array([*values, _PADDING], pa.large_binary())
        _, offsets, self.data = array.buffers()
        ends = np.frombuffer(offsets, np.int64, len(values) + 1)
        self.octets = np.frombuffer(self.data, np.uint8)
        shape = (len(self.octets) - len(_PADDING) + 1,)
        self.words: npt.NDArray[np.uint64] = np.ndarray(shape, "<u8", self.data, strides=(1,))
        self.begins: Positions = ends[:-1]
        self.ends: Positions = ends[1:]

    def part(self, span: slice, skipped: int = 0) -> Block:
        """Return some of the values, each without so many bytes at its begin."""
        found = object.__new__(Block)
        found.data, found.octets, found.words = self.data, self.octets, self.words
        found.begins, found.ends = self.begins[span] + skipped, self.ends[span]
        return found
