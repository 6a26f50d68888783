"""Lints that streams, data at rest and products share: the columns that custom properties name, and personal data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mesh_defs.contract.contract import COORDINATES
from mesh_defs.contract.document import Node
from mesh_defs.contract.head import Head
from mesh_defs.contract.report import Report, did_you_mean
from mesh_defs.contract.types import Column, Kind

_PERSONAL: Final = re.compile(r"(?<![a-z])(personal|pii)", re.IGNORECASE)
_NOT: Final = re.compile(r"(?<![a-z])(non|not|no)[\s_-]*(personal|pii)", re.IGNORECASE)
_NO_IDENTITY: Final = frozenset([Kind.OBJECT, Kind.JSON, Kind.ARRAY, Kind.MAP, Kind.BYTES])
_MOMENTS: Final = frozenset([Kind.TIMESTAMP, Kind.DATE])


def check_column(head: Head, name: str, report: Report) -> Column | None:
    """Return the column that a custom property names; report it where there is none."""
    wanted = head.custom.get(name)
    if wanted is None:
        return None
    column = next((c for c in head.columns if c.name == wanted), None)
    if column is None:
        hint = did_you_mean(wanted, [c.name for c in head.columns])
        of = f" of {head.values['name']}" if head.several else ""
        message = f"{name} names {wanted!r}, which is no column{of}{hint}"
        report.error(head.custom.nodes[name], "column", message)
    return column


def check_event_time(head: Head, report: Report) -> None:
    """Report an `eventTime` that is no column, or tells no time."""
    column = check_column(head, "eventTime", report)
    if column is None:
        return
    node = head.custom.nodes["eventTime"]
    if column.type.kind not in _MOMENTS:
        message = f"eventTime names {column.name!r}, a {column.type.kind}; it must be a timestamp or a date"
        report.error(node, "column", message)
    elif column.type.kind is Kind.TIMESTAMP and not column.type.timezone:
        message = f"eventTime names {column.name!r}, a wall clock without an offset: it is read as UTC"
        report.warning(node, "column", message)


def check_event_id(head: Head, report: Report) -> None:
    """Report an `eventId` that is neither `coordinates` nor a column that identifies."""
    if head.custom.get("eventId", COORDINATES) == COORDINATES:
        return
    column = check_column(head, "eventId", report)
    if column is None:
        return
    node = head.custom.nodes["eventId"]
    if column.type.kind in _NO_IDENTITY:
        message = f"eventId names a column of type {column.type.kind}, which is no identity"
        report.error(node, "column", message)
    elif not column.required:
        message = f"eventId names {column.name!r}, which is not required: records without it have no identity"
        report.warning(node, "column", message)


def check_personal(head: Head, report: Report) -> None:
    """Report personal data of which nobody can tell whose it is."""
    column = check_column(head, "subjectKey", report)
    if column is not None and column.type.kind in (Kind.OBJECT, Kind.ARRAY, Kind.MAP, Kind.JSON):
        message = f"subjectKey names {column.name!r}, a {column.type.kind}; it must be a plain value"
        report.error(head.custom.nodes["subjectKey"], "column", message)
    if "subjectKey" in head.custom.nodes:
        return
    for node in _classified(head.table):
        message = "personal data needs the custom property subjectKey: the column that says whose it is"
        report.error(node, "subject-key", message)


def is_personal(classification: str) -> bool:
    """Return whether a classification says that the data is about a person."""
    return bool(_PERSONAL.search(classification)) and not _NOT.search(classification)


def _classified(node: Node) -> Iterator[Node]:
    said = node.get("classification")
    if said is not None and isinstance(said.value, str) and is_personal(said.value):
        yield said
    properties = node.get("properties")
    for child in properties.elements() if properties else ():
        yield from _classified(child)
    items = node.get("items")
    if items is not None:
        yield from _classified(items)
