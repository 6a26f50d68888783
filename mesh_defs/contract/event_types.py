"""Several event types in one topic: one schema object each, and where a record says which it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from mesh_defs.contract.arrow import RESERVED_TABLES
from mesh_defs.contract.choices import Envelope, EventKind, TypeSource
from mesh_defs.contract.contract import EventTypeFrom
from mesh_defs.contract.document import Node
from mesh_defs.contract.head import Head
from mesh_defs.contract.names import NAME, NAME_RULE
from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.report import Report
from mesh_defs.contract.types import Column

_RULE: Final = "event-type"
_SCHEMA: Final = "schema"


def check_event_types(
    root: Node, heads: Sequence[Head], path: Path, format_: str, report: Report
) -> EventTypeFrom | None:
    """Return where a record says its type; None where the topic holds one type, or the report refuses.

    A name without `header:` or `field:` is the field where a type declares it as a column; else the header, and for a
    record without that header the field.

    Args:
        root: The document.
        heads: Of its schema objects.
        path: The contract file, whose name is the stream's.
        format_: Of the records.
        report: Takes the findings.
    """
    custom = heads[0].custom
    said = custom.get("eventTypeFrom")
    if not any(head.several for head in heads):
        if "eventTypeFrom" in custom.nodes:
            message = "eventTypeFrom is of use only where schema objects say their `eventType`; remove it"
            report.error(custom.nodes["eventTypeFrom"], "useless-property", message)
        return None
    if not any("eventType" in head.custom.nodes for head in heads):
        message = (
            "several objects under `schema` are the event types of one topic, each with its `eventType`; "
            "any other table needs a contract of its own"
        )
        report.error(heads[1].table, _RULE, message)
        return None
    _check_stream_name(path, report)
    _check_types(heads, report)
    _check_topics(heads, report)
    envelope = custom.get("envelope", Envelope.NONE)
    if said is not None:
        source = _resolved(said, heads, envelope, format_)
        _warn_of_deletions(heads, source, report)
        return source
    if envelope is Envelope.CLOUDEVENTS:
        return EventTypeFrom(source=TypeSource.ENVELOPE)
    if "eventTypeFrom" not in custom.nodes:
        message = (
            "the custom property eventTypeFrom must be said: the header or the field that holds a record's type "
            "(only `envelope: cloudevents` tells it by itself)"
        )
        report.error(root.get("customProperties") or root, _RULE, message)
    return None


def stream_name(path: Path) -> str:
    """Return what a stream of several types is called: as its file."""
    return path.name.removesuffix(CONTRACT_SUFFIX)


def _check_stream_name(path: Path, report: Report) -> None:
    name = stream_name(path)
    if not NAME.fullmatch(name):
        message = (
            f"a stream of several event types is called as its file, but {name!r} is no name: {NAME_RULE}"
        )
        report.about_file("name", message)
    elif name in RESERVED_TABLES:
        report.about_file("name", f"{name!r} is a table of the platform's own; rename the file")


def _check_types(heads: Sequence[Head], report: Report) -> None:
    types: dict[str, str] = {}
    tables: set[str] = set()
    for head in heads:
        table, node = head.values["name"], head.custom.nodes.get("eventType")
        if node is None:
            message = (
                "`eventType` must be said here: several schema objects are several event types of one topic"
            )
            report.error(head.table, _RULE, message)
        elif head.event_type is not None and types.setdefault(head.event_type, table) != table:
            message = f"the event type {head.event_type!r} has the table {types[head.event_type]} already"
            report.error(node, _RULE, message)
        if table in tables:
            message = f"the table {table} stands twice; give each event type a table of its own"
            report.error(head.table.get("name") or head.table, "repeated-table", message)
        tables.add(table)


def _check_topics(heads: Sequence[Head], report: Report) -> None:
    first = heads[0].table.string("physicalName")
    for head in heads[1:]:
        node = head.table.get("physicalName")
        if node is not None and first is not None and isinstance(node.value, str) and node.value != first:
            message = (
                f"physicalName {node.value!r} is not {first!r}, the topic of the first: one contract reads one "
                "topic; declare the other in a file of its own"
            )
            report.error(node, "topic", message)


def _resolved(said: EventTypeFrom, heads: Sequence[Head], envelope: Envelope, format_: str) -> EventTypeFrom:
    if said.source is not TypeSource.EITHER:
        return said
    steps = said.name.split(".")
    if any(_names_field(head.columns, steps) for head in heads):
        return EventTypeFrom(source=TypeSource.FIELD, name=said.name)
    if said.name == _SCHEMA and format_ == "avro":
        return EventTypeFrom(source=TypeSource.SCHEMA)
    if said.name == "type" and envelope is Envelope.CLOUDEVENTS:
        return EventTypeFrom(source=TypeSource.ENVELOPE)
    return said


def _names_field(columns: Iterable[Column], steps: Sequence[str]) -> bool:
    found = next((column for column in columns if column.name == steps[0]), None)
    return found is not None and (len(steps) == 1 or _names_field(found.type.fields, steps[1:]))


def _warn_of_deletions(heads: Sequence[Head], source: EventTypeFrom, report: Report) -> None:
    custom = heads[0].custom
    keeps_state = custom.get("eventKind") in (EventKind.STATE, EventKind.HYBRID)
    if source.source is TypeSource.FIELD and (keeps_state or custom.get("envelope") is Envelope.DEBEZIUM):
        message = "a null value has no field: deletions become dead letters; say the type in a header"
        report.warning(custom.nodes["eventTypeFrom"], _RULE, message)
