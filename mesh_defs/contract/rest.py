"""The contract of data at rest: its server, and how its files are taken in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from mesh_defs.contract.choices import EventKind, LoadMode
from mesh_defs.contract.contract import RestContract
from mesh_defs.contract.custom import Sort, refuse_all
from mesh_defs.contract.document import Node
from mesh_defs.contract.head import Head, read_head
from mesh_defs.contract.lints import check_column, check_event_id, check_event_time, check_personal
from mesh_defs.contract.report import Report, did_you_mean
from mesh_defs.contract.types import Kind
from mesh_defs.contract.values import JSON_DELIMITERS

FORMATS: Final = ("csv", "parquet", "json")
_LATER: Final = frozenset(["postgres", "postgresql"])
_ORDERED: Final = frozenset(
    [Kind.BIGINT, Kind.INT, Kind.SMALLINT, Kind.DECIMAL, Kind.STRING, Kind.DATE, Kind.TIME, Kind.TIMESTAMP]
)
"""What a cursor may be: of these one value is above another, and the greatest is known exactly."""

_FIELDS: Final = {
    "eventKind": "event_kind",
    "eventTime": "event_time",
    "eventId": "event_id",
    "allowedLateness": "allowed_lateness",
    "onError": "on_error",
    "maxDeadLetterRatio": "max_dead_letter_ratio",
    "onUnknownField": "on_unknown_field",
    "load": "load",
    "cursor": "cursor",
    "delimiter": "delimiter",
    "nullText": "null_text",
}
"""Custom properties whose value is a field of `RestContract` as it is; the dataclass holds the defaults."""


def read_rest(root: Node, path: Path, domain: str | None, report: Report) -> RestContract | None:
    """Read the contract of data at rest; None where the report refuses it."""
    head = read_head(root, path, domain, Sort.AT_REST, report)
    server = _server(root, report)
    values: dict[str, Any] = {"source": _path(server, report), "format": _format(server, report)}
    _check_physical(head.table, report)
    _check_kind(head, report)
    check_event_time(head, report)
    check_event_id(head, report)
    check_personal(head, report)
    _check_cursor(head, report)
    _check_text(head, values["format"], report)
    if report.refused:
        return None
    said = {field: head.custom.values[name] for name, field in _FIELDS.items() if name in head.custom.values}
    return RestContract(**head.values, **values, **said)


def _server(root: Node, report: Report) -> Node | None:
    found = root.get("servers")
    servers = found.elements() if found else ()
    for server in servers:
        refuse_all(server, report)
        _check_type(server, report)
    for server in servers[1:]:
        report.error(server, "server", "data at rest has one server; remove the others")
    return servers[0] if servers and servers[0].string("type") == "local" else None


def _check_type(server: Node, report: Report) -> None:
    type_ = server.get("type")
    if type_ is None or not isinstance(type_.value, str) or type_.value == "local":
        return
    if type_.value in _LATER:
        message = f"not supported yet: data at rest in a database (server type {type_.value})"
        report.error(type_, "not-supported-yet", message)
    else:
        message = f"server type {type_.value!r} is not supported: a stream's is kafka, that of files at rest is local"
        report.error(type_, "not-supported", message)


def _path(server: Node | None, report: Report) -> str:
    node = server.get("path") if server else None
    if node is None or not isinstance(node.value, str):
        return ""
    if not node.value.strip() or "\0" in node.value:
        report.error(node, "value", "path must name a file, or files by a pattern, as rest/*.csv")
    elif "://" in node.value:
        message = "a file of this machine is meant: relative to the project's root, or absolute"
        report.error(node, "not-supported", message)
    return node.value


def _format(server: Node | None, report: Report) -> str:
    if server is None:
        return ""
    node = server.get("format")
    if node is not None and isinstance(node.value, str) and node.value not in FORMATS:
        hint = did_you_mean(node.value, FORMATS)
        report.error(node, "not-supported", f"format {node.value!r} is not supported{hint}")
    encoding = server.get("encoding")
    if encoding is not None and encoding.text.casefold() not in ("utf-8", "utf8"):
        report.error(encoding, "not-supported", "this encoding is not supported: files are UTF-8")
    return server.string("format") or ""


def _check_physical(table: Node, report: Report) -> None:
    kind = table.get("physicalType")
    if kind is not None and isinstance(kind.value, str) and kind.value != "file":
        report.error(
            kind, "value", f"physicalType {kind.value!r} is not supported: that of files at rest is file"
        )


def _check_kind(head: Head, report: Report) -> None:
    kind, node = head.custom.get("eventKind"), head.custom.nodes.get("eventKind")
    if node is None:
        return
    if kind is EventKind.NOTIFICATION:
        report.error(node, "event-kind", "a notification is an event: data at rest is none")
    if kind is EventKind.STATE and not any(column.primary_key for column in head.columns):
        report.error(node, "event-kind", "a state needs a key: say `primaryKey: true` for its columns")


def _check_cursor(head: Head, report: Report) -> None:
    node = head.custom.nodes.get("cursor")
    if node is None:
        return
    if head.custom.get("load", LoadMode.SNAPSHOT) is not LoadMode.APPEND:
        message = "cursor is of no use for a snapshot, which is replaced as a whole; say `load: append`"
        report.error(node, "useless-property", message)
    column = check_column(head, "cursor", report)
    if column is None:
        return
    if column.type.kind not in _ORDERED:
        message = f"cursor names {column.name!r}, a {column.type.kind}; of such values none is above another"
        report.error(node, "column", message)
    elif not column.required:
        message = (
            f"cursor names {column.name!r}, which must be `required`: a row without it is above no other"
        )
        report.error(node, "column", message)


def _check_text(head: Head, format_: str, report: Report) -> None:
    nodes = head.custom.nodes
    if "nullText" in nodes and format_ in ("parquet", "json"):
        report.error(
            nodes["nullText"], "useless-property", f"nullText is of no use for {format_}, which has nulls"
        )
    node, delimiter = nodes.get("delimiter"), head.custom.get("delimiter")
    if node is None or delimiter is None or format_ not in FORMATS:
        return
    if format_ == "parquet":
        report.error(node, "useless-property", "delimiter is of no use for parquet; remove it")
    elif (format_ == "json") is not (delimiter in JSON_DELIMITERS):
        wanted = " or ".join(JSON_DELIMITERS) if format_ == "json" else "one character"
        report.error(node, "value", f"delimiter of {format_} must be {wanted}")
