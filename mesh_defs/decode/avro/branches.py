"""Whether every union in a block names a branch that there is.

Polars takes any index but that of null for the other branch, and any but the other's for null where null is
second. So the bytes are walked once more, all payloads of a block in step: a part of the record at a time, as far as
its last union. A record without unions is not walked at all.

Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mesh_defs.contract.avro.types import Array, Enum, Fixed, Primitive, Record, Union, name_of
from mesh_defs.decode.avro.nodes import Node, is_null

Positions: TypeAlias = npt.NDArray[np.int64]
"""One element a value: where in the block it is."""

Bytes: TypeAlias = npt.NDArray[np.uint8]
Step: TypeAlias = int | Callable[[Bytes, Positions], Positions]
"""How far a type reaches: so many bytes, or from the block and where values begin to where they end."""

_MORE: Final = 0x80
_SIZES: Final = {"boolean": 1, "float": 4, "double": 8}
_LONGEST_LENGTH: Final = 1 << 35
_LONGEST_ARRAY: Final = 1_000
"""Of longer arrays the exact decoder is as fast: elements are passed one after another."""


class Branches:
    """Checks the unions of one record type, of the types that polars reads.

    Args:
        node: The record.
    """

    def __init__(self, node: Node) -> None:
        last = max((place for place, part in enumerate(node.parts) if _has_union(part)), default=-1)
        self._step = _sequence([_step(part) for part in node.parts[: last + 1]])

    def check(self, block: bytes, begins: Positions) -> None:
        """Refuse a block in which an index is neither of a union's two, or is written in more bytes than one.

        Args:
            block: The payloads, each consumed to its last byte by its schema, with at least one byte behind it.
            begins: Of the payloads, in the block.

        Raises:
            ValueError: There is such an index, or more than is worth looking at.
            IndexError: The payloads are not consumed to their last bytes.
        """
        if not isinstance(self._step, int):
            self._step(np.frombuffer(block, np.uint8), begins)


def _has_union(node: Node) -> bool:
    return node.union is not None or any(map(_has_union, node.parts))


def _step(node: Node) -> Step:
    inner = _inner(node)
    return inner if node.union is None else _optional(node.union, inner)


def _inner(node: Node) -> Step:
    # What polars does not read is never checked.
    inner: Step = 0
    match node.type:
        case Fixed(size=size):
            inner = size
        case Primitive(name="bytes" | "string"):
            inner = _pass_bytes
        case Primitive() | Enum():
            inner = _SIZES.get(name_of(node.type), _pass_number)
        case Record():
            inner = _sequence([_step(part) for part in node.parts])
        case Array():
            inner = _elements(_step(node.parts[0]))
    return inner


def _sequence(steps: Sequence[Step]) -> Step:
    """Return one step that is several, those of a fixed size taken together."""
    parts: list[Step] = []
    for step in steps:
        if parts and isinstance(step, int) and isinstance(parts[-1], int):
            parts[-1] += step
        else:
            parts.append(step)
    if not parts or (len(parts) == 1 and isinstance(parts[0], int)):
        return sum(part for part in parts if isinstance(part, int))

    def passed(block: Bytes, at: Positions) -> Positions:
        for part in parts:
            at = _passed(part, block, at)
        return at

    return passed


def _passed(step: Step, block: Bytes, at: Positions) -> Positions:
    return at + step if isinstance(step, int) else step(block, at)


def _optional(union: Union, inner: Step) -> Step:
    null, other = (0, 2) if is_null(union.branches[0]) else (2, 0)

    def passed(block: Bytes, at: Positions) -> Positions:
        index = block[at]
        there = index == other
        if not (there | (index == null)).all():
            raise ValueError
        at = at + 1
        if isinstance(inner, int):
            at += there * inner
        else:
            at[there] = inner(block, at[there])
        return at

    return passed


def _pass_number(block: Bytes, at: Positions) -> Positions:
    more = block[at] >= _MORE
    at = at + 1
    while more.any():
        beyond = more & (block[at] >= _MORE)
        at = at + more
        more = beyond
    return at


def _pass_bytes(block: Bytes, at: Positions) -> Positions:
    size, at = _lengths(block, at)
    return at + size


def _lengths(block: Bytes, at: Positions) -> tuple[Positions, Positions]:
    """Return the numbers that stand before texts, bytes and blocks of arrays, and where they end.

    Raises:
        ValueError: One is negative, as where a block of an array tells its size, or longer than any payload.
    """
    found = block[at].astype(np.int64)
    more = found >= _MORE
    at = at + 1
    factor = 1
    while more.any():
        factor *= _MORE
        byte = block[at].astype(np.int64)
        # The bit that said that there is more has been taken for a number.
        found = found + more * (byte - 1) * factor
        at = at + more
        more = more & (byte >= _MORE)
        if factor > _LONGEST_LENGTH:
            raise ValueError
    if (found & 1).any():
        raise ValueError
    return found >> 1, at


def _elements(item: Step) -> Step:
    def passed(block: Bytes, at: Positions) -> Positions:
        at = at.copy()
        unfinished = np.arange(len(at))
        while len(unfinished):
            count, here = _lengths(block, at[unfinished])
            at[unfinished] = _repeated(item, block, here, count)
            unfinished = unfinished[count > 0]
        return at

    return passed


def _repeated(item: Step, block: Bytes, at: Positions, count: Positions) -> Positions:
    """Return where so many elements end."""
    if isinstance(item, int):
        return at + count * item
    most = int(count.max())
    if most > _LONGEST_ARRAY:
        raise ValueError
    for passed in range(most):
        left = count > passed
        at[left] = item(block, at[left])
    return at
