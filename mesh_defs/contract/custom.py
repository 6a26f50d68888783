"""`customProperties`: the closed list of what streams and products say beyond ODCS's own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from mesh_defs.contract.choices import (
    Envelope,
    EventKind,
    Incremental,
    LoadMode,
    OnError,
    OnLoss,
    OnUnknownField,
)
from mesh_defs.contract.document import Node
from mesh_defs.contract.report import Report, did_you_mean
from mesh_defs.contract.values import (
    ValueRefusedError,
    read_boolean,
    read_delimiter,
    read_duration,
    read_event_type,
    read_null_text,
    read_partitions,
    read_ratio,
    read_reference,
    read_start,
    read_text,
    read_type_source,
    read_window,
    read_word,
)


class Sort(StrEnum):
    """What a contract is for; the value is the word that messages use."""

    STREAM = "a stream"
    AT_REST = "data at rest"
    PRODUCT = "a product"


class Framing(StrEnum):
    """What stands before an Avro or Protobuf payload."""

    CONFLUENT = "confluent"
    SINGLE_OBJECT = "single_object"
    NONE = "none"


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

    def over(self, other: Custom) -> Custom:
        """Return the properties of both; what this one says goes before what the other says."""
        below = {name: value for name, value in other.values.items() if name not in self.nodes}
        return Custom(values=below | self.values, nodes=other.nodes | self.nodes)


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


def read_table_custom(table: Node, sort: Sort, report: Report, *, several: bool) -> Custom:
    """Read the custom properties of one schema object: its `eventType`, and what that type says for itself.

    Args:
        table: The node of the schema object.
        sort: What the contract is for.
        report: Takes the others.
        several: Whether there are several schema objects.
    """
    custom = Custom()
    entries = _entries(table, report)
    own = _OWN if several or "eventType" in entries else _BELOW
    for name, entry in entries.items():
        value = entry.get("value")
        if name not in own or (name not in _BELOW and sort is not Sort.STREAM):
            refuse_custom(name, entry, report)
        elif sort is not Sort.STREAM:
            message = f"{name} is of no use for {sort.value}, only for a stream; remove it"
            report.error(entry, "useless-property", message)
        elif value is not None:
            custom.nodes[name] = value
            _take(custom, name, KNOWN[name], value, report)
    return custom


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
        report.error(entry, "unknown-property", _unknown(name, _OWN))


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


def _known(read: Callable[[Node], object], *sorts: Sort) -> _Known:
    return _Known(read=read, sorts=frozenset(sorts))


_S, _R, _P = Sort.STREAM, Sort.AT_REST, Sort.PRODUCT

_BELOW: Final = frozenset(["eventType"])
"""What stands at a schema object, not at the top of the file."""

_OWN: Final = _BELOW | {"eventTime", "eventId", "subjectKey"}
"""What the schema object of one of several event types may say; at the top it holds for all types."""

KNOWN: Final[Mapping[str, _Known]] = {
    "eventKind": _known(read_word(EventKind), _S, _R),
    "envelope": _known(read_word(Envelope), _S),
    "eventTime": _known(read_text, _S, _R, _P),
    "eventId": _known(read_text, _S, _R),
    "allowedLateness": _known(read_duration, _S, _R),
    "partitions": _known(read_partitions, _S),
    "startFrom": _known(read_start, _S),
    "onError": _known(read_word(OnError), _S, _R),
    "maxDeadLetterRatio": _known(read_ratio, _S, _R),
    "onLoss": _known(read_word(OnLoss), _S),
    "onUnknownField": _known(read_word(OnUnknownField), _S, _R),
    "retainRaw": _known(read_boolean, _S),
    "subjectKey": _known(read_text, _S, _R, _P),
    "reference": _known(read_reference, _S),
    "framing": _known(read_word(Framing), _S),
    "schema": _known(read_text, _S),
    "eventType": _known(read_event_type, _S),
    "eventTypeFrom": _known(read_type_source, _S),
    "history": _known(Node.plain, _S),
    "load": _known(read_word(LoadMode), _R),
    "cursor": _known(read_text, _R),
    "delimiter": _known(read_delimiter, _R),
    "nullText": _known(read_null_text, _R),
    "incremental": _known(read_word(Incremental), _P),
    "window": _known(read_window, _P),
}
"""Every custom property of `CONTRACTS.md`, and the contracts that it is of use for."""
