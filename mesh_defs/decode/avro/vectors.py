"""What has no parts, of many payloads at once: numbers, texts, bytes, decimals, symbols.

A `Read` is told where values of a type begin in a block, and returns them as an array of `Node.arrow`, and where they
end. It trusts no byte: what it cannot read as the specification has it, or only with effort, is a `DoubtError`, and
so is an IndexError. Values that reach beyond their payload's end are for the caller to notice, by the last end.

Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.avro.types import Enum, Fixed, Primitive
from mesh_defs.contract.physical import MAX_PRECISION
from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.block import Block, Positions
from mesh_defs.decode.columns.base import Array

Read: TypeAlias = Callable[[Block, Positions], tuple[Array, Positions]]
"""From a block and where values begin to the values, and to where they end."""

Numbers: TypeAlias = npt.NDArray[np.int64]
_Words: TypeAlias = npt.NDArray[np.uint64]
_Spans: TypeAlias = Callable[[Block, Positions], tuple[Positions, Positions]]
"""From a block and where values begin to where their bytes do, and to where those end."""

_MORE: Final = 0x80
_WORD: Final = 8
_BITS: Final = 64
_LONGEST_BLOCK: Final = 2**31 - 1
_TOPS: Final = np.uint64(0x8080808080808080)
_SIGN: Final = np.uint64(1)
_SQUEEZED: Final = tuple(
    (np.uint64(low), np.uint64(high), np.uint64(shift))
    for low, high, shift in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    )
)
"""How eight groups of seven bits, a byte each, become one number: by pairs, pairs of pairs, and both halves."""


class DoubtError(Exception):
    """Bytes are not what they should be, or not worth a way of their own here."""


def scalar(node: Node) -> Read | None:
    """Return what reads a type without parts; None where only the exact decoder does."""
    type_ = node.type
    found: Read | None = None
    if isinstance(type_, Enum):
        found = _enum(type_.symbols)
    elif node.logical is not None and node.logical.name == "decimal":
        if node.logical.precision <= MAX_PRECISION:
            found = _decimals(_spans(type_), node.logical.precision, node.arrow)
    elif isinstance(type_, Primitive) and type_.name in _PRIMITIVES:
        found = _PRIMITIVES[type_.name]
    else:
        found = _texts(_spans(type_), node.arrow)
    return found


def numbers(block: Block, at: Positions) -> tuple[Numbers, Positions]:
    """Return numbers of variable length, zig-zag, and where they end."""
    first = block.octets[at]
    raw, end = (first.astype(np.uint64), at + 1) if (first < _MORE).all() else _long_numbers(block, at)
    return (raw >> _SIGN).view(np.int64) ^ -(raw & _SIGN).view(np.int64), end


def _long_numbers(block: Block, at: Positions) -> tuple[_Words, Positions]:
    words = block.words[at]
    tops = ~words & _TOPS
    # The lowest bit that is set ends the number; where none of eight bytes does, all of them belong to it.
    below = (tops & -tops) - _SIGN
    raw = words & below
    for low, high, shift in _SQUEEZED:
        raw = (raw & low) | ((raw & high) >> shift)
    end = at + ((np.bitwise_count(below) + 1) >> 3)
    longer = np.flatnonzero(tops == 0)
    if len(longer):
        raw[longer], end[longer] = _beyond(block, raw[longer], end[longer])
    return raw, end


def _beyond(block: Block, raw: _Words, at: Positions) -> tuple[_Words, Positions]:
    """Return numbers with their ninth and tenth byte; bits beyond the 64th are dropped, as Avro's own readers do."""
    ninth = block.octets[at].astype(np.uint64)
    more = ninth >= _MORE
    tenth = block.octets[at + more].astype(np.uint64)
    if (more & (tenth >= _MORE)).any():
        raise DoubtError
    raw = raw | ((ninth & np.uint64(_MORE - 1)) << np.uint64(56)) | ((tenth & more) << np.uint64(63))
    return raw, at + 1 + more


def _lengths(block: Block, at: Positions) -> tuple[Numbers, Positions]:
    """Return the lengths that stand before texts and bytes, and where those begin.

    Raises:
        DoubtError: One is negative, or longer than all payloads.
    """
    found, at = numbers(block, at)
    if ((found < 0) | (found > len(block.octets))).any():
        raise DoubtError
    return found, at


def _read_null(_block: Block, at: Positions) -> tuple[Array, Positions]:
    return pa.nulls(len(at)), at


def _read_boolean(block: Block, at: Positions) -> tuple[Array, Positions]:
    octets = block.octets[at]
    if (octets > 1).any():
        raise DoubtError
    return pa.array(octets.view(np.bool_)), at + 1


def _read_int(block: Block, at: Positions) -> tuple[Array, Positions]:
    found, at = numbers(block, at)
    narrow = found.astype(np.int32)
    if (narrow != found).any():
        raise DoubtError
    return pa.array(narrow), at


def _read_long(block: Block, at: Positions) -> tuple[Array, Positions]:
    found, at = numbers(block, at)
    return pa.array(found), at


def _read_float(block: Block, at: Positions) -> tuple[Array, Positions]:
    return pa.array(block.words[at].astype(np.uint32).view(np.float32)), at + 4


def _read_double(block: Block, at: Positions) -> tuple[Array, Positions]:
    return pa.array(block.words[at].view(np.float64)), at + 8


_PRIMITIVES: Final[dict[str, Read]] = {
    "null": _read_null,
    "boolean": _read_boolean,
    "int": _read_int,
    "long": _read_long,
    "float": _read_float,
    "double": _read_double,
}


def _enum(symbols: tuple[str, ...]) -> Read:
    texts = pa.array(symbols, pa.string())

    def read(block: Block, at: Positions) -> tuple[Array, Positions]:
        found, at = numbers(block, at)
        if ((found < 0) | (found >= len(symbols))).any():
            raise DoubtError
        places: Any = pa.array(found)
        return texts.take(places), at

    return read


def _spans(type_: Any) -> _Spans:
    if not isinstance(type_, Fixed):

        def sized(block: Block, at: Positions) -> tuple[Positions, Positions]:
            size, at = _lengths(block, at)
            return at, at + size

        return sized
    return lambda _, at: (at, at + type_.size)


def _texts(spans: _Spans, arrow: pa.DataType) -> Read:
    def read(block: Block, at: Positions) -> tuple[Array, Positions]:
        begin, end = spans(block, at)
        return _cut_out(block, begin, end, arrow), end

    return read


def _cut_out(block: Block, begin: Positions, end: Positions, arrow: pa.DataType) -> Array:
    """Return the bytes of spans: every second of an array that has the whole block, spans and what is between them.

    Raises:
        DoubtError: Spans overlap or pass the block's end, or the block is too long for Arrow's offsets.
        ArrowInvalid: A text is no UTF-8.
    """
    count = len(begin)
    if not count:
        return pa.array([], arrow)
    ascend = (begin <= end).all() and (end[:-1] <= begin[1:]).all()
    if not ascend or end[-1] > len(block.octets) or len(block.octets) > _LONGEST_BLOCK:
        raise DoubtError
    offsets: Any = np.empty(2 * count, np.int32)
    offsets[::2], offsets[1::2] = begin, end
    whole = pa.Array.from_buffers(arrow, 2 * count - 1, [None, pa.py_buffer(offsets), block.data])
    every_second: Any = pa.array(np.arange(0, 2 * count, 2))
    found = whole.take(every_second)
    if pa.types.is_string(arrow):
        found.validate(full=True)
    return found


def _decimals(spans: _Spans, precision: int, arrow: pa.DataType) -> Read:
    most = 10**precision

    def read(block: Block, at: Positions) -> tuple[Array, Positions]:
        begin, end = spans(block, at)
        if not len(begin):
            return pa.array([], arrow), end
        pairs: Any = _integers(block, begin, end)
        data = [None, pa.py_buffer(pairs)]
        ends: Any = pc.min_max(pa.Array.from_buffers(pa.decimal128(MAX_PRECISION), len(begin), data))
        if not -most < int(ends["min"].as_py()) <= int(ends["max"].as_py()) < most:
            raise DoubtError
        return pa.Array.from_buffers(arrow, len(begin), data), end

    return read


def _integers(block: Block, begin: Positions, end: Positions) -> npt.NDArray[np.int64]:
    """Return integers of 1 to 16 bytes, the highest first, as pairs of a lower and an upper word."""
    bits = (end - begin) * 8
    if ((bits < 1) | (bits > 2 * _BITS)).any():
        raise DoubtError
    pairs = np.empty((len(begin), 2), np.int64)
    lowest = _signed(block, np.maximum(end - _WORD, begin))
    pairs[:, 0] = lowest >> np.maximum(_BITS - bits, 0)
    highest = _signed(block, begin) >> np.clip(2 * _BITS - bits, 0, _BITS - 1)
    pairs[:, 1] = np.where(bits > _BITS, highest, pairs[:, 0] >> (_BITS - 1))
    return pairs


def _signed(block: Block, at: Positions) -> Numbers:
    return block.words[at].byteswap().view(np.int64)
