"""A stream's contract: its server and topic, and what its kind of event demands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mesh_defs.contract.choices import EventKind
from mesh_defs.contract.contract import COORDINATES, StreamContract
from mesh_defs.contract.custom import Custom, Framing, Sort, refuse_all
from mesh_defs.contract.document import Node
from mesh_defs.contract.event_types import check_event_types, stream_name
from mesh_defs.contract.head import Head, read_heads
from mesh_defs.contract.lints import check_event_id, check_event_time, check_personal
from mesh_defs.contract.names import TOPIC
from mesh_defs.contract.report import Report, did_you_mean

FORMATS: Final = ("json", "avro", "protobuf")
_SCHEMA_SUFFIX: Final = {"avro": ".avsc", "protobuf": ".proto"}

_FIELDS: Final = {
    "envelope": "envelope",
    "eventTime": "event_time",
    "eventId": "event_id",
    "allowedLateness": "allowed_lateness",
    "partitions": "partitions",
    "startFrom": "start_from",
    "onError": "on_error",
    "maxDeadLetterRatio": "max_dead_letter_ratio",
    "onLoss": "on_loss",
    "onUnknownField": "on_unknown_field",
    "retainRaw": "retain_raw",
    "reference": "reference",
}
"""Custom properties whose value is a field of `StreamContract` as it is; the dataclass holds the defaults."""


def stream_sort(root: Node) -> Sort:
    """Return whether a stream's contract reads a topic, or data at rest."""
    types = [server.string("type") for server in _servers(root)]
    return Sort.AT_REST if types and "kafka" not in types else Sort.STREAM


def read_stream(root: Node, path: Path, domain: str | None, report: Report) -> StreamContract | None:
    """Read a stream's contract; None where the report refuses it."""
    heads = read_heads(root, path, domain, Sort.STREAM, report)
    server = _server(root, report)
    topics = [_topic(head.table, report) for head in heads]
    values: dict[str, Any] = {
        "topic": topics[0],
        "server": (server.string("server") if server else None) or "",
        "server_host": server.string("host") if server else None,
        "format": _format(server, report),
        "event_kind": heads[0].custom.get("eventKind"),
    }
    values |= _encoding(values["format"], heads[0], path, report)
    for head in heads:
        _check_kind(root, head, report)
        check_event_time(head, report)
        check_event_id(head, report)
        check_personal(head, report)
    values["event_type_from"] = check_event_types(root, heads, path, values["format"], report)
    _check_later(heads[0], report)
    return None if report.refused else _contract(root, path, heads, values)


def _contract(root: Node, path: Path, heads: tuple[Head, ...], values: Mapping[str, Any]) -> StreamContract:
    """Return the contract of one table, or of a stream of several: their settings are one."""
    if not heads[0].several:
        return StreamContract(**heads[0].values, **values, **_said(heads[0].custom))
    name = stream_name(path)
    types = tuple(
        StreamContract(
            **head.values, **values, **_said(head.custom), event_type=head.event_type, part_of=name
        )
        for head in heads
    )
    description = root.get("description")
    return replace(
        types[0],
        name=name,
        title=root.string("name") or name,
        description=((description.string("purpose") if description else None) or "").strip(),
        columns=(),
        quality=(),
        subject_key=None,
        event_time=None,
        event_id=COORDINATES,
        event_type=None,
        part_of=None,
        types=types,
    )


def _said(custom: Custom) -> dict[str, Any]:
    return {field: custom.values[name] for name, field in _FIELDS.items() if name in custom.values}


def _servers(root: Node) -> tuple[Node, ...]:
    servers = root.get("servers")
    return servers.elements() if servers else ()


def _server(root: Node, report: Report) -> Node | None:
    servers = _servers(root)
    for server in servers:
        refuse_all(server, report)
    if not servers:
        message = "a stream needs a server of type kafka; say `servers`"
        report.error(root.get("servers") or root, "server", message)
        return None
    for server in servers[1:]:
        report.error(server, "server", "a stream has one server; remove the others")
    return next(server for server in servers if server.string("type") == "kafka")


def _topic(table: Node, report: Report) -> str:
    name = table.get("physicalName")
    if not table.entries():
        return ""
    kind = table.get("physicalType")
    if kind is not None and isinstance(kind.value, str) and kind.value != "topic":
        report.error(kind, "value", f"physicalType {kind.value!r} is not supported: a stream's is topic")
    if name is None:
        report.error(table, "topic", "`physicalName` must be said: the topic")
    elif isinstance(name.value, str) and not TOPIC.fullmatch(name.value):
        message = f"{name.value!r} is no topic name: letters, digits, `.`, `_` and `-`, at most 249"
        report.error(name, "name", message)
    return table.string("physicalName") or ""


def _format(server: Node | None, report: Report) -> str:
    if server is None:
        return ""
    node = server.get("format")
    if node is None:
        report.error(server, "format", f"`format` must be said: {', '.join(FORMATS)}")
    elif isinstance(node.value, str) and node.value not in FORMATS:
        hint = did_you_mean(node.value, FORMATS)
        report.error(node, "not-supported", f"format {node.value!r} is not supported{hint}")
    encoding = server.get("encoding")
    if encoding is not None and encoding.text.casefold() not in ("utf-8", "utf8"):
        report.error(encoding, "not-supported", "this encoding is not supported: records are UTF-8")
    return server.string("format") or ""


def _encoding(format_: str, head: Head, path: Path, report: Report) -> dict[str, Any]:
    default = Framing.NONE if format_ == "json" else Framing.CONFLUENT
    framing = head.custom.get("framing", default)
    nodes = head.custom.nodes
    if format_ in ("json", "protobuf") and framing is Framing.SINGLE_OBJECT:
        report.error(nodes["framing"], "value", "framing single_object is Avro's own; say confluent or none")
    file = head.custom.get("schema")
    if file is not None and format_ in FORMATS:
        _check_schema_file(format_, file, nodes["schema"], path, report)
    return {"framing": str(framing), "schema_file": path.parent / file if file else None}


def _check_schema_file(format_: str, file: str, node: Node, path: Path, report: Report) -> None:
    suffix = _SCHEMA_SUFFIX.get(format_)
    if suffix is None:
        report.error(node, "useless-property", f"schema is of no use for format {format_}; remove it")
    elif "/" in file or "\\" in file or not file.endswith(suffix):
        report.error(node, "value", f"schema must be the name of a {suffix} file beside the contract")
    elif not (path.parent / file).is_file():
        report.error(node, "value", f"the file {file} does not stand beside the contract")


def _check_kind(root: Node, head: Head, report: Report) -> None:
    custom = head.custom
    place = root.get("customProperties") or root
    if "eventKind" not in custom.nodes:
        kinds = ", ".join(kind.value for kind in EventKind)
        report.error(place, "event-kind", f"the custom property eventKind must be said: {kinds}")
        return
    kind, node = custom.get("eventKind"), custom.nodes["eventKind"]
    keyed = any(column.primary_key for column in head.columns)
    of = f" of {head.values['name']}" if head.several else ""
    if kind is EventKind.STATE and not keyed:
        report.error(node, "event-kind", f"a state needs a key: say `primaryKey: true` for its columns{of}")
    if kind is EventKind.HYBRID and not keyed:
        message = f"a hybrid without `primaryKey`{of} gives events, but no state"
        report.warning(node, "event-kind", message)
    reference = custom.nodes.get("reference")
    if kind is EventKind.NOTIFICATION and reference is None:
        message = "a notification needs `reference`: the domain.table.column that it points to"
        report.error(node, "event-kind", message)
    if kind not in (None, EventKind.NOTIFICATION) and reference is not None:
        message = f"reference is of no use for a {kind}, only for a notification; remove it"
        report.error(reference, "useless-property", message)


def _check_later(head: Head, report: Report) -> None:
    nodes = head.custom.nodes
    if "history" in nodes:
        report.error(nodes["history"], "not-supported-yet", "not supported yet: history from data at rest")
