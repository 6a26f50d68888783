"""What is replayed: one record of one stream."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

NAMESPACE = uuid.UUID("6f5b4b0e-7b0c-5d57-9a53-0d3c9f0a2013")

START = 0
"""The part before the year: what is there when the first month begins. Parts 1 to 12 are the source's months."""

Headers = tuple[tuple[str, str | bytes | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record to be produced.

    Attributes:
        stream: The stream's full name; its contract names the topic.
        published: When it was published, microseconds since the epoch. Its event time is in the value.
        key: Decides the partition.
        value: None is a tombstone.
        headers: Those that its format asks for.
    """

    stream: str
    published: int
    key: bytes
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A record with its place in the replay.

    Attributes:
        part: The part of the year that it belongs to.
        sequence: Its number among the records of its stream and part.
    """

    record: Record
    part: int
    sequence: int


Records = Iterator[Record]
"""Records in the order of their publication."""


def identity(*words: object) -> str:
    """Return the id of an event: a UUID made from its words, version 5."""
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, words))))


def document(fields: dict[str, Any]) -> bytes:
    """Return a JSON document without the fields that are null."""
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def rfc3339(us: int) -> str:
    """Write an instant, microseconds since the epoch, with milliseconds."""
    instant = dt.datetime.fromtimestamp(us / 1_000_000, dt.UTC)
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
