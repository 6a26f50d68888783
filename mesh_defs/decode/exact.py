"""JSON documents that no contract describes: read whole, and written again without losing a digit."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Stage

MAX_DEPTH: Final = 256
"""Levels of nesting; a fixed limit, because the interpreter's own depends on who calls."""

MAX_DIGITS: Final = 1 << 14
"""Of a number whose scale stands beside it: PostgreSQL's `numeric` has at most 16,383 behind the point."""

_TYPED: Final = msgspec.json.Decoder(float_hook=msgspec.Raw)
_encode: Final = msgspec.json.Encoder().encode


def document(text: bytes | msgspec.Raw) -> Any:
    """Return a JSON value with its numbers kept exactly: integers, and `msgspec.Raw` for all others.

    Args:
        text: Well-formed JSON. Of duplicate keys the last wins.

    Raises:
        Refusal: It is nested deeper than `MAX_DEPTH`, or not well-formed after all.
    """
    data = bytes(text)
    # Brackets inside strings count too: only a text with many of them is measured exactly.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise too_deep()
    try:
        return _TYPED.decode(data)
    except msgspec.ValidationError:
        # An integer of more digits than Python's own limit for conversions: its characters are kept.
        return json.loads(data, parse_int=_raw, parse_float=_raw)
    except RecursionError:
        raise too_deep() from None
    except UnicodeDecodeError:
        raise Refusal("utf8", "the text is no UTF-8", stage=Stage.DECODE) from None
    except msgspec.DecodeError as error:
        raise Refusal("json_syntax", str(error), stage=Stage.DECODE) from None


def text_of(value: Any) -> str:
    """Return a value of `document` as compact JSON text."""
    return _encode(value).decode()


def unscaled(number: bytes, scale: int) -> msgspec.Raw:
    """Return the JSON number that an unscaled value of two's complement, big-endian, means.

    Raises:
        Refusal: It has more digits than any decimal holds.
    """
    try:
        digits = str(int.from_bytes(number, signed=True))
    except ValueError:
        digits = ""
    if not digits or abs(scale) > MAX_DIGITS:
        raise Refusal("range", "the number has more digits than any decimal holds")
    if scale <= 0:
        return msgspec.Raw((digits + "0" * -scale if digits != "0" else digits).encode())
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    digits = digits.zfill(scale + 1)
    return msgspec.Raw(f"{sign}{digits[:-scale]}.{digits[-scale:]}".encode())


def too_deep() -> Refusal:
    """Return the verdict on a document that is nested too deeply."""
    return Refusal("depth", f"the document is nested deeper than {MAX_DEPTH} levels", stage=Stage.DECODE)


def _raw(characters: str) -> msgspec.Raw:
    return msgspec.Raw(characters.encode())


def _depth(data: bytes) -> int:
    depth = deepest = 0
    in_string = escaped = False
    for byte in data:
        if in_string:
            in_string = escaped or byte != _QUOTE
            escaped = byte == _BACKSLASH and not escaped
        elif byte == _QUOTE:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


_QUOTE: Final = ord('"')
_BACKSLASH: Final = ord("\\")
