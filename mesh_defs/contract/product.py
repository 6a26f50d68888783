"""A product's contract, and the SQL or Python file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mesh_defs.contract.choices import Incremental
from mesh_defs.contract.contract import ProductContract
from mesh_defs.contract.custom import Sort
from mesh_defs.contract.document import Node
from mesh_defs.contract.head import Head, read_head
from mesh_defs.contract.lints import check_event_time, check_personal
from mesh_defs.contract.report import Report

CONTRACT_SUFFIX: Final = ".odcs.yaml"
_SOURCES: Final = (".sql", ".py")


def read_product(root: Node, path: Path, domain: str | None, report: Report) -> ProductContract | None:
    """Read a product's contract; None where the report refuses it."""
    head = read_head(root, path, domain, Sort.PRODUCT, report)
    _check_servers(root, report)
    _check_physical(head.table, report)
    source = _source(path, head.values["name"], report)
    check_event_time(head, report)
    check_personal(head, report)
    _check_incremental(head, report)
    if report.refused or source is None:
        return None
    return ProductContract(
        **head.values,
        source_file=source,
        incremental=head.custom.get("incremental", Incremental.FULL),
        event_time=head.custom.get("eventTime"),
        window=head.custom.get("window"),
    )


def source_candidates(path: Path, name: str) -> tuple[Path, ...]:
    """Return the files that may hold the code of a product: called as its contract file, or as its table."""
    stems = dict.fromkeys([path.name.removesuffix(CONTRACT_SUFFIX), *([name] if name else [])])
    return tuple(path.parent / f"{stem}{suffix}" for stem in stems for suffix in _SOURCES)


def _source(path: Path, name: str, report: Report) -> Path | None:
    candidates = source_candidates(path, name)
    found = [file for file in candidates if file.is_file()]
    if not found:
        report.about_file(
            "source", f"a product needs its query beside the contract: write {candidates[0].name}"
        )
        return None
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        report.about_file("source", f"a product has one source, but {names} stand beside the contract")
    return found[0]


def _check_servers(root: Node, report: Report) -> None:
    servers = root.get("servers")
    for server in servers.elements() if servers else ():
        if server.string("type") == "kafka":
            report.error(server, "not-supported-yet", "not supported yet: an output port (server type kafka)")
        else:
            message = "not supported: a product is stored in its domain's store; remove the server"
            report.error(server, "not-supported", message)


def _check_physical(table: Node, report: Report) -> None:
    for key, wanted in (("physicalType", "table"), ("physicalName", table.string("name"))):
        node = table.get(key)
        if node is not None and isinstance(node.value, str) and node.value != wanted:
            message = f"{key} {node.value!r} is not supported: a product's is {wanted}"
            report.error(node, "not-supported", message)


def _check_incremental(head: Head, report: Report) -> None:
    custom = head.custom
    mode = custom.get("incremental", Incremental.FULL)
    place = custom.nodes.get("incremental")
    window = custom.nodes.get("window")
    if mode is Incremental.WINDOW and place is not None:
        for name, why in (
            ("window", "its width, as PT1H"),
            ("eventTime", "the column that tells the window"),
        ):
            if name not in custom.nodes:
                report.error(place, "incremental", f"incremental by window needs {name}: {why}")
    elif window is not None:
        message = f"window is of no use where incremental is {mode}; remove it, or say `incremental: window`"
        report.error(window, "useless-property", message)
    if (
        mode is Incremental.KEY
        and not any(column.primary_key for column in head.columns)
        and place is not None
    ):
        report.error(place, "incremental", "incremental by key needs a key: say `primaryKey: true`")
