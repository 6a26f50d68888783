"""A contract file becomes a frozen contract, or is refused with everything that is wrong in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mesh_defs.contract.contract import TableContract, tables_of
from mesh_defs.contract.custom import Sort
from mesh_defs.contract.document import Node, read_document
from mesh_defs.contract.product import read_product, source_candidates
from mesh_defs.contract.quality import check_quality
from mesh_defs.contract.report import Report, refusal
from mesh_defs.contract.rest import read_rest
from mesh_defs.contract.standard import check_standard
from mesh_defs.contract.stream import read_stream, stream_sort
from mesh_defs.model.findings import Finding

STREAMS = "streams"
PRODUCTS = "products"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What became of a file: a contract, or None with errors among the findings."""

    contract: TableContract | None
    findings: tuple[Finding, ...]


def load_contract(path: Path, *, domain: str | None = None) -> TableContract:
    """Load a contract.

    Args:
        path: An ODCS file (`*.odcs.yaml`). In a folder `products` it declares a product, in `streams` a stream or
            data at rest; elsewhere what it says decides.
        domain: The domain that must own it; None takes the folder above `streams` or `products`, else the
            file's own word.

    Raises:
        ContractError: The file has errors; all of them are in `findings`, with the warnings.
    """
    loaded = read_contract(path, domain=domain)
    if loaded.contract is None:
        raise refusal(path, loaded.findings)
    return loaded.contract


def read_contract(path: Path, *, domain: str | None = None) -> Loaded:
    """Load a contract as `load_contract` does, but return its findings, warnings included."""
    path = path.absolute()
    report = Report(path)
    contract: TableContract | None = None
    root = read_document(path, report)
    if root is not None and not isinstance(root.value, dict):
        report.error(root, "standard", "a contract is a mapping: `apiVersion: v3.1.0` and so on")
    elif root is not None:
        check_standard(root, report)
        owner = domain or _folder_domain(path)
        contract = _read(root, path, owner, report)
        for table in tables_of(contract) if contract is not None else ():
            check_quality(table, report)
    return Loaded(contract=None if report.refused else contract, findings=report.findings)


def _read(root: Node, path: Path, owner: str | None, report: Report) -> TableContract | None:
    if _is_product(path, root):
        return read_product(root, path, owner, report)
    if stream_sort(root) is Sort.AT_REST:
        return read_rest(root, path, owner, report)
    return read_stream(root, path, owner, report)


def _folder_domain(path: Path) -> str | None:
    return path.parent.parent.name if path.parent.name in (STREAMS, PRODUCTS) else None


def _is_product(path: Path, root: Node) -> bool:
    """Return whether a contract declares a product: by its folder, else by the query beside it."""
    if path.parent.name in (STREAMS, PRODUCTS):
        return path.parent.name == PRODUCTS
    if root.get("servers") is not None:
        return False
    return any(file.is_file() for file in source_candidates(path, ""))
