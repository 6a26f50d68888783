"""The option `format`: it narrows a number, checks a string, and says nothing new about a moment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from mesh_defs.contract.report import did_you_mean
from mesh_defs.contract.types import ColumnType, Kind

STRING_FORMATS: Final = frozenset(
    ["uuid", "email", "uri", "hostname", "ipv4", "ipv6", "date", "time", "date-time"]
)
"""What a string's `format` may demand; as JSON Schema 2020-12, section 7.3, means them."""

_RANGES: Final = {
    f"{sign}{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) if sign == "i" else (0, (1 << bits) - 1)
    for sign in "iu"
    for bits in (8, 16, 32, 64, 128)
}
_STORED: Final = {Kind.BIGINT: _RANGES["i64"], Kind.INT: _RANGES["i32"], Kind.SMALLINT: _RANGES["i16"]}
_FLOATS: Final = {"f32": Kind.FLOAT, "f64": Kind.DOUBLE}
_ISO_WORDS: Final = frozenset(["iso8601", "iso-8601", "iso 8601", "rfc3339", "rfc-3339", "rfc 3339"])
_ISO_PATTERNS: Final = {
    Kind.DATE: frozenset(["date", "yyyy-mm-dd", "%y-%m-%d"]),
    Kind.TIME: frozenset(["time"]),
    Kind.TIMESTAMP: frozenset(["date-time"]),
}


class OptionError(Exception):
    """An option's value that cannot be enforced; the message is a finding's."""


def read_format(type_: ColumnType, word: str, *, narrowed: bool) -> tuple[ColumnType, dict[str, Any]]:
    """Return what a format makes of a type: the type, and the limits that it adds.

    Args:
        type_: The type without it.
        word: The format.
        narrowed: Whether a `physicalType` chose the type.

    Raises:
        OptionError: The format is unknown, cannot be enforced, or contradicts the `physicalType`.
    """
    if type_.kind in _STORED:
        return type_, _integer(type_.kind, word, narrowed=narrowed)
    if type_.kind in (Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL):
        return replace(type_, kind=_float(type_.kind, word, narrowed=narrowed)), {}
    if type_.kind in _ISO_PATTERNS:
        _check_moment(type_.kind, word)
        return type_, {}
    if type_.kind is Kind.UUID:
        if word != "uuid":
            raise OptionError(f"format {word!r} contradicts physicalType uuid")
        return type_, {}
    if word not in STRING_FORMATS:
        binary = word in ("byte", "binary", "base64")
        hint = ": say physicalType bytes instead" if binary else did_you_mean(word, STRING_FORMATS)
        raise OptionError(f"format {word!r} is not supported{hint}")
    return type_, {"format": word}


def _integer(kind: Kind, word: str, *, narrowed: bool) -> dict[str, Any]:
    if word not in _RANGES:
        raise OptionError(f"format {word!r} is not supported{did_you_mean(word, _RANGES)}")
    low, high = _RANGES[word]
    stored_low, stored_high = _STORED[kind]
    if low < stored_low or high > stored_high:
        if narrowed:
            raise OptionError(
                f"format {word} is wider than the physicalType: values outside of it cannot be stored"
            )
        raise OptionError(
            f"format {word} holds more than 64 bits: say logicalType number, physicalType decimal(38,0)"
        )
    return {} if (low, high) == (stored_low, stored_high) else {"minimum": low, "maximum": high}


def _float(kind: Kind, word: str, *, narrowed: bool) -> Kind:
    if word not in _FLOATS:
        raise OptionError(f"format {word!r} is not supported{did_you_mean(word, _FLOATS)}")
    if narrowed and _FLOATS[word] is not kind:
        raise OptionError(f"format {word} contradicts the physicalType, which stores {kind}")
    return _FLOATS[word]


def _check_moment(kind: Kind, word: str) -> None:
    if word.casefold() not in _ISO_WORDS | _ISO_PATTERNS[kind]:
        raise OptionError(
            f"format {word!r} is not supported: a {kind} is read as ISO 8601 / RFC 3339 writes it; leave format out"
        )
