"""Readers of the values of custom properties: exact about types, since YAML's `true` is Python's 1."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from mesh_defs.contract.choices import StartFrom, TypeSource
from mesh_defs.contract.contract import EventTypeFrom
from mesh_defs.contract.document import Node
from mesh_defs.contract.instants import parse_duration, parse_timestamp
from mesh_defs.contract.report import did_you_mean

MAX_PARTITIONS: Final = 2**31 - 1

JSON_DELIMITERS: Final = ("new_line", "array")
"""ODCS's words for how a file holds several JSON documents."""

_NO_DELIMITER: Final = frozenset('"\r\n\0')


class ValueRefusedError(Exception):
    """A custom property's value that means nothing; the message is a finding's."""


def read_word(words: type[StrEnum]) -> Callable[[Node], StrEnum]:
    """Return the reader of one of a closed list of words."""
    known = [word.value for word in words]

    def read(node: Node) -> StrEnum:
        if not isinstance(node.value, str):
            raise ValueRefusedError(f"must be one of {', '.join(known)}")
        if node.value not in known:
            raise ValueRefusedError(f"cannot be {node.value!r}{did_you_mean(node.value, known)}")
        return words(node.value)

    return read


def read_text(node: Node) -> str:
    """Read text that is not empty."""
    if not isinstance(node.value, str) or not node.value.strip():
        raise ValueRefusedError("must be text")
    return node.value


def read_boolean(node: Node) -> bool:
    """Read true or false."""
    if not isinstance(node.value, bool):
        raise ValueRefusedError("must be true or false, without quotes")
    return node.value


def read_partitions(node: Node) -> int:
    """Read a number of partitions."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PARTITIONS:
        raise ValueRefusedError("must be a whole number, 1 or more")
    return value


def read_ratio(node: Node) -> float:
    """Read a share, 0 to 1."""
    value = node.value
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or math.isnan(value)
        or not 0 <= value <= 1
    ):
        raise ValueRefusedError("must be a number from 0 to 1")
    return float(value)


def read_duration(node: Node) -> dt.timedelta:
    """Read an ISO 8601 duration."""
    if not isinstance(node.value, str):
        raise ValueRefusedError("must be an ISO 8601 duration, as PT26H")
    try:
        return parse_duration(node.value)
    except ValueError as error:
        raise ValueRefusedError(f"cannot be read: {error}") from None


def read_window(node: Node) -> dt.timedelta:
    """Read a window's width."""
    duration = read_duration(node)
    if not duration:
        raise ValueRefusedError("must be longer than nothing")
    return duration


def read_start(node: Node) -> StartFrom | dt.datetime:
    """Read where a new stream begins."""
    text = node.value if isinstance(node.value, str) else ""
    if text in tuple(StartFrom):
        return StartFrom(text)
    try:
        return parse_timestamp(text, zoned=True)
    except ValueError:
        message = "must be earliest, latest, or an RFC 3339 timestamp as 2013-01-31T17:30:00Z"
        raise ValueRefusedError(message) from None


def read_reference(node: Node) -> str:
    """Read `domain.table.column`."""
    name = "[a-z][a-z0-9_]{0,62}"
    if not isinstance(node.value, str) or not re.fullmatch(
        rf"{name}\.{name}\.[A-Za-z_][A-Za-z0-9_]{{0,127}}", node.value
    ):
        raise ValueRefusedError("must be domain.table.column: where the event's subject is found")
    return node.value


def read_event_type(node: Node) -> str:
    """Read a type's name: text, or a whole number as its digits."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return str(node.value)
    return read_text(node)


def read_type_source(node: Node) -> EventTypeFrom:
    """Read where a record says its type: `header:NAME`, `field:NAME`, or a name alone, which may be either."""
    text = read_text(node).strip()
    word, colon, rest = text.partition(":")
    if not colon:
        return EventTypeFrom(source=TypeSource.EITHER, name=text)
    if word not in (TypeSource.HEADER, TypeSource.FIELD) or not rest.strip():
        raise ValueRefusedError("must be a name, header:NAME or field:NAME")
    return EventTypeFrom(source=TypeSource(word), name=rest.strip())


def read_delimiter(node: Node) -> str:
    """Read what stands between two records of JSON, or two fields of CSV; which of them it is, the format decides."""
    value = node.value
    if isinstance(value, str) and (
        value in JSON_DELIMITERS or (len(value) == 1 and value not in _NO_DELIMITER)
    ):
        return value
    raise ValueRefusedError("must be one character, as ; or |, for CSV; new_line or array for JSON")


def read_null_text(node: Node) -> tuple[str, ...]:
    """Read the text, or the texts, that stand for no value."""
    values = [element.value for element in node.elements()] or [node.value]
    texts = tuple(v for v in values if isinstance(v, str) and v and not any(c in v for c in '"\r\n'))
    if len(texts) != len(values):
        raise ValueRefusedError("must be text without quotes and line breaks, or a list of such texts")
    return texts
