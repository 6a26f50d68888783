"""The fields of text files as JSON: what is no value of the column's type stays a text, which the decoder refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mesh_defs.contract.types import ColumnType, Kind, TimeEncoding
from mesh_defs.decode.rest.documents import NULL, quoted

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_NUMBER: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([eE][+-]?[0-9]+)?")
_PLAIN: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
"""A number as JSON writes it; text files also know `+1`, `007`, `.5` and `5.`, which mean the same."""

_TIME_AT: Final = 10
"""Where the time of a timestamp begins: RFC 3339, section 5.6, lets a space stand before it."""

_INTEGERS: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT])
_NUMBERS: Final = frozenset([Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL])
_NESTED: Final = frozenset([Kind.OBJECT, Kind.ARRAY, Kind.MAP, Kind.JSON])


class Quoted(str):
    """A field that stood in quotes: empty text is then text, where the column holds text."""

    __slots__ = ()


def column(type_: ColumnType | None, fields: Sequence[str], nulls: frozenset[str]) -> list[str]:
    """Return a column's fields as JSON values.

    Args:
        type_: The column's; None where the contract does not name it: its fields are text.
        fields: Of all rows.
        nulls: Texts that stand for no value, the empty one among them. In quotes they do so only where the column
            holds no text.
    """
    if type_ is None or type_.kind is Kind.STRING:
        return [NULL if f in nulls and type(f) is str else quoted(f) for f in fields]
    written = _writer(type_)
    return [NULL if f in nulls else written(f) for f in fields]


def _writer(type_: ColumnType) -> Callable[[str], str]:
    if type_.kind in _INTEGERS or type_.encoding is not TimeEncoding.RFC3339:
        return _integer
    if type_.kind in _NUMBERS:
        return _number
    if type_.kind in _NESTED:
        return json_text
    return {Kind.BOOLEAN: _boolean, Kind.TIMESTAMP: _timestamp}.get(type_.kind, quoted)


def _integer(field: str) -> str:
    if not _INTEGER.fullmatch(field):
        return quoted(field)
    sign = "-" if field[0] == "-" else ""
    return sign + (field.lstrip("+-").lstrip("0") or "0")


def _number(field: str) -> str:
    if _PLAIN.fullmatch(field):
        return field
    match = _NUMBER.fullmatch(field)
    if match is None or not (match[2] or match[3]):
        return quoted(field)
    sign, whole, fraction, exponent = match.groups()
    point = f".{fraction}" if fraction else ""
    return f"{sign.strip('+')}{whole.lstrip('0') or '0'}{point}{exponent or ''}"


def _boolean(field: str) -> str:
    lower = field.lower()
    return lower if lower in ("true", "false") else quoted(field)


def _timestamp(field: str) -> str:
    if field[_TIME_AT : _TIME_AT + 1] == " ":
        field = f"{field[:_TIME_AT]}T{field[_TIME_AT + 1 :]}"
    return quoted(field)


def json_text(field: str) -> str:
    """Return JSON as it is, if it is JSON: nothing may end the document early."""
    try:
        msgspec.json.decode(field.encode())
    except (msgspec.DecodeError, RecursionError):
        return quoted(field)
    return field
