"""What streams and products say alike: names, version, status, owner, service levels, columns."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mesh_defs.contract.arrow import RESERVED_TABLES
from mesh_defs.contract.columns import quality_entries, read_columns
from mesh_defs.contract.contract import SlaProperty
from mesh_defs.contract.custom import Custom, Sort, read_custom, read_table_custom
from mesh_defs.contract.document import Node
from mesh_defs.contract.names import NAME, NAME_RULE, is_owner
from mesh_defs.contract.report import Report, did_you_mean
from mesh_defs.contract.sla import check_sla
from mesh_defs.contract.types import Column

STATUSES: Final = frozenset(["proposed", "draft", "active", "deprecated", "retired"])
_API_VERSION: Final = re.compile(r"v3\.[0-9]+\.[0-9]+")
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?")
_EMPTY: Final = Node(value={}, line=1, column=1, where="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The common part of a contract's table, read.

    Attributes:
        values: The keyword arguments of `ContractBase`.
        table: The node of the schema object.
        custom: The custom properties at the top, and before them those of the schema object.
        event_type: The schema object's `eventType`; None where it says none.
        several: Whether it is one of several event types.
    """

    values: dict[str, Any]
    table: Node
    columns: tuple[Column, ...]
    custom: Custom
    event_type: str | None = None
    several: bool = False


def read_head(root: Node, path: Path, domain: str | None, sort: Sort, report: Report) -> Head:
    """Read what streams and products say alike, of a contract of one table.

    Args:
        root: The document.
        path: The contract file, absolute.
        domain: The domain whose folder the file is in; None where it is in none.
        sort: What the contract is for.
        report: Takes the findings.
    """
    return read_heads(root, path, domain, sort, report)[0]


def read_heads(root: Node, path: Path, domain: str | None, sort: Sort, report: Report) -> tuple[Head, ...]:
    """Read as `read_head` does, but each schema object of a stream: several are several event types."""
    custom = read_custom(root, sort, report)
    tables = _tables(root, sort, report)
    _check_versions(root, report)
    common = {
        "domain": _domain(root, domain, report),
        "id": root.string("id") or "",
        "version": root.string("version") or "",
        "status": _status(root, report),
        "path": path,
        "owner": _owner(root, report),
        "tags": _tags(root),
        "sla": _sla(root, sort, report),
    }
    several = len(tables) > 1
    heads = []
    for table in tables:
        own = read_table_custom(table, sort, report, several=several)
        head = _head(root, table, own.over(custom), report, several=several or "eventType" in own.nodes)
        heads.append(replace(head, values=common | head.values, event_type=own.get("eventType")))
    return tuple(heads)


def _head(root: Node, table: Node, custom: Custom, report: Report, *, several: bool) -> Head:
    """Return what a schema object says, without what it shares with the others of the file."""
    columns = read_columns(table, report) if table is not _EMPTY else ()
    name = table.string("name") or ""
    _check_table_name(name, table, report)
    values = {
        "name": name,
        "title": (table.string("businessName") if several else root.string("name")) or name,
        "description": _description(root, table, several=several),
        "columns": columns,
        "quality": quality_entries(table),
        "subject_key": custom.get("subjectKey"),
    }
    return Head(values=values, table=table, columns=columns, custom=custom, several=several)


def _tables(root: Node, sort: Sort, report: Report) -> tuple[Node, ...]:
    """Return the schema objects that are tables: all of a stream, one of any other contract."""
    schema = root.get("schema")
    tables = schema.elements() if schema else ()
    if not tables or not tables[0].entries():
        report.error(schema or root, "schema", "`schema` must hold one object: the table with its columns")
        return (_EMPTY,)
    if sort is Sort.STREAM:
        return tuple(table for table in tables if table.entries())
    for table in tables[1:]:
        message = "not supported: several objects under `schema`; one contract declares one table"
        report.error(table, "not-supported", message)
    return tables[:1]


def _check_table_name(name: str, table: Node, report: Report) -> None:
    place = table.get("name")
    if place is None or not isinstance(place.value, str):
        return
    if not NAME.fullmatch(name):
        report.error(place, "name", f"{name!r} is no table name: {NAME_RULE}")
    elif name in RESERVED_TABLES:
        report.error(place, "name", f"{name!r} is a table of the platform's own; rename it")


def _check_versions(root: Node, report: Report) -> None:
    api = root.get("apiVersion")
    if api is not None and isinstance(api.value, str) and not _API_VERSION.fullmatch(api.value):
        message = f"apiVersion {api.value!r} is not supported: write the contract in v3.1.0 or newer"
        report.error(api, "not-supported", message)
    version = root.get("version")
    if version is not None and isinstance(version.value, str) and not _VERSION.fullmatch(version.value):
        report.error(version, "value", f"version {version.value!r} must be MAJOR.MINOR.PATCH, as 1.0.0")


def _domain(root: Node, domain: str | None, report: Report) -> str:
    said = root.get("domain")
    if said is None or not isinstance(said.value, str):
        if domain is None and said is None:
            report.error(root, "domain", "`domain` must be said in a contract outside of a domain's folder")
        return domain or ""
    if domain is not None and said.value != domain:
        message = (
            f"domain {said.value!r} is not that of the folder, {domain!r}; move the file or mend the key"
        )
        report.error(said, "domain", message)
    elif not NAME.fullmatch(said.value):
        report.error(said, "name", f"{said.value!r} is no domain name: {NAME_RULE}")
    return said.value


def _status(root: Node, report: Report) -> str:
    node = root.get("status")
    if node is None:
        report.error(root, "standard", f"'status' must be said here; known: {', '.join(sorted(STATUSES))}")
    elif isinstance(node.value, str) and node.value not in STATUSES:
        hint = did_you_mean(node.value, STATUSES)
        report.error(node, "value", f"status {node.value!r} is not supported{hint}")
    return root.string("status") or ""


def _description(root: Node, table: Node, *, several: bool) -> str:
    description = root.get("description")
    purpose = description.string("purpose") if description else None
    own = table.string("description")
    return ((own or purpose if several else purpose or own) or "").strip()


def _owner(root: Node, report: Report) -> str | None:
    team = root.get("team")
    members = team.get("members") if team and team.entries() else team
    for member in members.elements() if members else ():
        username = member.string("username")
        if username is None or (member.string("role") or "").casefold() != "owner":
            continue
        if is_owner(username):
            return username
        message = f"{username!r} is no e-mail address and no `team:name`: the domain's owner is shown instead"
        report.warning(member.get("username") or member, "owner", message)
    return None


def _tags(root: Node) -> tuple[str, ...]:
    tags = root.get("tags")
    return tuple(t.value for t in tags.elements() if isinstance(t.value, str)) if tags else ()


def _sla(root: Node, sort: Sort, report: Report) -> tuple[SlaProperty, ...]:
    properties = root.get("slaProperties")
    found = []
    for node in properties.elements() if properties else ():
        name, value = node.string("property"), node.get("value")
        if name is None or value is None:
            continue
        promise = SlaProperty(
            property=name,
            value=value.plain(),
            unit=node.string("unit"),
            schedule=node.string("schedule"),
            scheduler=node.string("scheduler"),
        )
        check_sla(promise, node, sort, report)
        found.append(promise)
    return tuple(found)
