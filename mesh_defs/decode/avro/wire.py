"""How the wire writes what has no parts: numbers, texts, bytes, decimals, symbols.

Source: Apache Avro 1.12 specification, "Binary encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Any, Final, TypeAlias

from mesh_defs.contract.avro.types import Fixed, Primitive
from mesh_defs.contract.physical import MAX_PRECISION
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Stage

Read: TypeAlias = Callable[[bytes, int, int], tuple[Any, int]]
"""From the payload, a position and the depth to a value and the position behind it."""

_MORE: Final = 0x80
_BITS: Final = 0x7F
_NOT_SHORT: Final = 0x81
_LONGEST: Final = 10
_WORD: Final = (1 << 64) - 1
_INT: Final = range(-(1 << 31), 1 << 31)
_float: Final = struct.Struct("<f").unpack_from
_double: Final = struct.Struct("<d").unpack_from


def malformed(message: str) -> Refusal:
    """Return the verdict on bytes that the writer's schema cannot have made."""
    return Refusal("avro", message, stage=Stage.DECODE)


def truncated() -> Refusal:
    """Return the verdict on a payload that ends too early."""
    return malformed("the payload ends before the writer's schema does")


def read_long(data: bytes, at: int, _depth: int = 0) -> tuple[int, int]:
    """Return a number of variable length, zig-zag."""
    try:
        byte = data[at]
    except IndexError:
        raise truncated() from None
    if byte < _MORE:
        return (byte >> 1) ^ -(byte & 1), at + 1
    return _longer(data, at)


def _longer(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of several bytes; bits beyond the 64th are dropped, as Avro's own readers do."""
    found = shift = 0
    for end in range(at, min(at + _LONGEST, len(data))):
        byte = data[end]
        found |= (byte & _BITS) << shift
        if byte < _MORE:
            found &= _WORD
            return (found >> 1) ^ -(found & 1), end + 1
        shift += 7
    raise malformed("a number takes more than 10 bytes") if at + _LONGEST <= len(data) else truncated()


def _integer(data: bytes, at: int, _depth: int) -> tuple[int, int]:
    value, at = read_long(data, at)
    if value not in _INT:
        raise malformed("an int is beyond 32 bits")
    return value, at


def _null(_data: bytes, at: int, _depth: int) -> tuple[None, int]:
    return None, at


def _boolean(data: bytes, at: int, _depth: int) -> tuple[bool, int]:
    if at >= len(data):
        raise truncated()
    if data[at] > 1:
        raise malformed("a boolean is a byte other than 0 and 1")
    return data[at] == 1, at + 1


def _of_struct(unpack: Callable[[bytes, int], tuple[Any, ...]], size: int) -> Read:
    def read(data: bytes, at: int, _depth: int) -> tuple[Any, int]:
        try:
            return unpack(data, at)[0], at + size
        except struct.error:
            raise truncated() from None

    return read


def _bytes(data: bytes, at: int, _depth: int) -> tuple[bytes, int]:
    size, at = read_long(data, at)
    if size < 0:
        raise malformed("a length is negative")
    end = at + size
    if end > len(data):
        raise truncated()
    return data[at:end], end


def read_string(data: bytes, at: int, depth: int) -> tuple[str, int]:
    """Return a text."""
    # Most texts are shorter than 64 bytes: their length is one even byte.
    size = data[at] if at < len(data) else 1
    if size & _NOT_SHORT:
        value, end = _bytes(data, at, depth)
    else:
        begin = at + 1
        end = begin + (size >> 1)
        if end > len(data):
            raise truncated()
        value = data[begin:end]
    try:
        return value.decode(), end
    except UnicodeDecodeError:
        raise Refusal("utf8", "the text is no UTF-8", stage=Stage.DECODE) from None


def _fixed(size: int) -> Read:
    def read(data: bytes, at: int, _depth: int) -> tuple[bytes, int]:
        end = at + size
        if end > len(data):
            raise truncated()
        return data[at:end], end

    return read


_PRIMITIVES: Final[dict[str, Read]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _integer,
    "long": read_long,
    "float": _of_struct(_float, 4),
    "double": _of_struct(_double, 8),
    "bytes": _bytes,
    "string": read_string,
}


def scalar_reader(type_: Primitive | Fixed) -> Read:
    """Return the reader of a type without parts."""
    read = _fixed(type_.size) if isinstance(type_, Fixed) else _PRIMITIVES[type_.name]
    logical = type_.logical
    if logical is None or logical.name != "decimal":
        return read
    return _decimal(read, logical.precision, logical.scale)


def _decimal(inner: Read, precision: int, scale: int) -> Read:
    most = 10**precision
    exactly = Context(prec=precision)
    as_text = precision > MAX_PRECISION

    def read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
        digits, at = inner(data, at, depth)
        unscaled = int.from_bytes(digits, "big", signed=True)
        if abs(unscaled) >= most:
            raise Refusal(
                "range", f"the decimal has more than the {precision} digits that its writer declares"
            )
        value = Decimal(unscaled).scaleb(-scale, context=exactly)
        return (f"{value:f}" if as_text else value), at

    return read


def enum_reader(symbols: tuple[str, ...]) -> Read:
    """Return the reader of an enum."""

    def read(data: bytes, at: int, _depth: int) -> tuple[str, int]:
        index, at = read_long(data, at)
        if not 0 <= index < len(symbols):
            raise malformed("the enum has no such symbol")
        return symbols[index], at

    return read
