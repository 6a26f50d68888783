"""`customProperties`: the closed list of what streams and products say beyond ODCS's own words."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mesh_defs.contract.contract import (
    Envelope,
    EventKind,
    Incremental,
    OnError,
    OnLoss,
    OnUnknownField,
    StartFrom,
)
from mesh_defs.contract.document import Node
from mesh_defs.contract.instants import parse_duration, parse_timestamp
from mesh_defs.contract.report import Report, did_you_mean

MAX_PARTITIONS: Final = 2**31 - 1


class Sort(StrEnum):
    """What a contract is for; the value is the word that messages use."""

    STREAM = "a stream"
    AT_REST = "a stream at rest"
    PRODUCT = "a product"


class Framing(StrEnum):
    """What stands before an Avro or Protobuf payload."""

    CONFLUENT = "confluent"
    SINGLE_OBJECT = "single_object"
    NONE = "none"


class LoadMode(StrEnum):
    """How data at rest is taken in."""

    SNAPSHOT = "snapshot"
    APPEND = "append"


class ValueRefusedError(Exception):
    """A custom property's value that means nothing; the message is a finding's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """A custom property that the mesh knows."""

    read: Callable[[Node], object]
    sorts: frozenset[Sort]


@dataclass(slots=True)
class Custom:
    """The custom properties that a contract says, read; those in error are left out of `values`."""

    values: dict[str, Any] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a property's value, or the default."""
        return self.values.get(name, default)


def read_custom(root: Node, sort: Sort, report: Report) -> Custom:
    """Read the custom properties at the top of a contract.

    Args:
        root: The document.
        sort: Decides which properties are of use.
        report: Takes unknown, repeated, useless and wrong ones.
    """
    custom = Custom()
    for name, entry in _entries(root, report).items():
        known = KNOWN.get(name)
        value = entry.get("value")
        if known is None:
            report.error(entry, "unknown-property", _unknown(name, KNOWN))
        elif name in _BELOW:
            report.error(
                entry, "misplaced-property", f"{name} belongs to the schema object that it describes"
            )
        elif sort not in known.sorts:
            sorts = " or ".join(s.value for s in Sort if s in known.sorts)
            message = f"{name} is of no use for {sort.value}, only for {sorts}; remove it"
            report.error(entry, "useless-property", message)
        elif value is not None:
            custom.nodes[name] = value
            _take(custom, name, known, value, report)
    return custom


def read_event_type(table: Node, report: Report) -> Node | None:
    """Return the node of the schema object's `eventType`; report every other custom property there."""
    found: Node | None = None
    for name, entry in _entries(table, report).items():
        if name == "eventType":
            found = entry
        else:
            refuse_custom(name, entry, report)
    return found


def refuse_all(node: Node, report: Report) -> None:
    """Report every custom property of a server or a column: the mesh knows none there."""
    for name, entry in _entries(node, report).items():
        refuse_custom(name, entry, report)


def refuse_custom(name: str, entry: Node, report: Report) -> None:
    """Report a custom property that stands where the mesh knows none of its name."""
    if name in KNOWN and name not in _BELOW:
        message = f"{name} belongs to the customProperties at the top of the file"
        report.error(entry, "misplaced-property", message)
    else:
        report.error(entry, "unknown-property", _unknown(name, _BELOW))


def _unknown(name: str, known: Mapping[str, object] | frozenset[str]) -> str:
    hint = did_you_mean(name, known)
    other = " (another tool's is kept apart by `vendor`)" if "mean" not in hint else ""
    return f"unknown custom property {name!r}{hint}{other}"


def _entries(node: Node, report: Report) -> dict[str, Node]:
    """Return the custom properties by name, without those that say another tool's `vendor` (ODCS 3.2)."""
    custom = node.get("customProperties")
    entries: dict[str, Node] = {}
    for entry in custom.elements() if custom else ():
        name = entry.string("property")
        if name is None or entry.get("vendor") is not None:
            continue
        if name in entries:
            message = f"{name} stands twice, first in line {entries[name].line}; remove one"
            report.error(entry, "repeated-property", message)
        else:
            entries[name] = entry
    return entries


def _take(custom: Custom, name: str, known: _Known, value: Node, report: Report) -> None:
    try:
        custom.values[name] = known.read(value)
    except ValueRefusedError as error:
        report.error(value, "value", f"{name} {error}")


def _word(words: type[StrEnum]) -> Callable[[Node], StrEnum]:
    known = [word.value for word in words]

    def read(node: Node) -> StrEnum:
        if not isinstance(node.value, str):
            raise ValueRefusedError(f"must be one of {', '.join(known)}")
        if node.value not in known:
            raise ValueRefusedError(f"cannot be {node.value!r}{did_you_mean(node.value, known)}")
        return words(node.value)

    return read


def _text(node: Node) -> str:
    if not isinstance(node.value, str) or not node.value.strip():
        raise ValueRefusedError("must be text")
    return node.value


def _boolean(node: Node) -> bool:
    if not isinstance(node.value, bool):
        raise ValueRefusedError("must be true or false, without quotes")
    return node.value


def _partitions(node: Node) -> int:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_PARTITIONS:
        raise ValueRefusedError("must be a whole number, 1 or more")
    return value


def _ratio(node: Node) -> float:
    value = node.value
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or math.isnan(value)
        or not 0 <= value <= 1
    ):
        raise ValueRefusedError("must be a number from 0 to 1")
    return float(value)


def _duration(node: Node) -> dt.timedelta:
    if not isinstance(node.value, str):
        raise ValueRefusedError("must be an ISO 8601 duration, as PT26H")
    try:
        return parse_duration(node.value)
    except ValueError as error:
        raise ValueRefusedError(f"cannot be read: {error}") from None


def _window(node: Node) -> dt.timedelta:
    duration = _duration(node)
    if not duration:
        raise ValueRefusedError("must be longer than nothing")
    return duration


def _start(node: Node) -> StartFrom | dt.datetime:
    text = node.value if isinstance(node.value, str) else ""
    if text in tuple(StartFrom):
        return StartFrom(text)
    try:
        return parse_timestamp(text, zoned=True)
    except ValueError:
        message = "must be earliest, latest, or an RFC 3339 timestamp as 2013-01-31T17:30:00Z"
        raise ValueRefusedError(message) from None


def _reference(node: Node) -> str:
    name = "[a-z][a-z0-9_]{0,62}"
    if not isinstance(node.value, str) or not re.fullmatch(
        rf"{name}\.{name}\.[A-Za-z_][A-Za-z0-9_]{{0,127}}", node.value
    ):
        raise ValueRefusedError("must be domain.table.column: where the event's subject is found")
    return node.value


def _known(read: Callable[[Node], object], *sorts: Sort) -> _Known:
    return _Known(read=read, sorts=frozenset(sorts))


_S, _R, _P = Sort.STREAM, Sort.AT_REST, Sort.PRODUCT

_BELOW: Final = frozenset(["eventType"])
"""What stands at a schema object, not at the top of the file."""

KNOWN: Final[Mapping[str, _Known]] = {
    "eventKind": _known(_word(EventKind), _S, _R),
    "envelope": _known(_word(Envelope), _S),
    "eventTime": _known(_text, _S, _R, _P),
    "eventId": _known(_text, _S, _R),
    "allowedLateness": _known(_duration, _S, _R),
    "partitions": _known(_partitions, _S),
    "startFrom": _known(_start, _S),
    "onError": _known(_word(OnError), _S, _R),
    "maxDeadLetterRatio": _known(_ratio, _S, _R),
    "onLoss": _known(_word(OnLoss), _S),
    "onUnknownField": _known(_word(OnUnknownField), _S, _R),
    "retainRaw": _known(_boolean, _S),
    "subjectKey": _known(_text, _S, _R, _P),
    "reference": _known(_reference, _S),
    "framing": _known(_word(Framing), _S),
    "schema": _known(_text, _S),
    "eventType": _known(_text, _S),
    "eventTypeFrom": _known(_text, _S),
    "history": _known(Node.plain, _S),
    "load": _known(_word(LoadMode), _R),
    "cursor": _known(_text, _R),
    "incremental": _known(_word(Incremental), _P),
    "window": _known(_window, _P),
}
"""Every custom property of `CONTRACTS.md`, and the contracts that it is of use for."""
