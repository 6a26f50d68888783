"""Findings of contract files, of folders of them, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mesh_defs.contract.contract import StreamContract, TableContract, tables_of
from mesh_defs.contract.domain import DOMAIN_FILE, is_domain, read_domain, unresolved_references
from mesh_defs.contract.load import read_contract
from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.project import DOMAINS
from mesh_defs.model.config import CONFIG_FILE
from mesh_defs.model.findings import Finding, Severity

__all__ = ["Finding", "Severity", "format_findings", "lint_file", "lint_paths", "read_paths"]


@dataclass(slots=True)
class Read:
    """What was found in some paths.

    Attributes:
        findings: Each once.
        domains: The tables of each whole domain that loads.
        streams: The streams of these domains.
        tables: Of all contracts that load, those outside of domains too.
    """

    findings: dict[Finding, None] = field(default_factory=dict)
    domains: dict[str, tuple[TableContract, ...]] = field(default_factory=dict)
    streams: list[StreamContract] = field(default_factory=list)
    tables: list[TableContract] = field(default_factory=list)

    def sorted_findings(self, *more: Finding) -> tuple[Finding, ...]:
        """Return all findings in the order of files and lines."""
        found = self.findings | dict.fromkeys(more)
        return tuple(sorted(found, key=lambda f: (str(f.path), f.line, f.column)))


def lint_file(path: Path) -> tuple[Finding, ...]:
    """Return everything that is wrong, or doubtful, in a contract file or a `domain.yaml`.

    A `domain.yaml` is looked at with all the contracts of its domain.
    """
    if path.name == DOMAIN_FILE:
        return read_domain(path.parent).findings
    return read_contract(path).findings


def lint_paths(paths: Iterable[Path]) -> tuple[Finding, ...]:
    """Return the findings of files and of folders, each place once, in the order of files and lines.

    Args:
        paths: As of `read_paths`.
    """
    return read_paths(paths).sorted_findings()


def read_paths(paths: Iterable[Path]) -> Read:
    """Read the contracts of files and of folders.

    Args:
        paths: Contract files; domains' folders; or folders of which every domain and contract below is taken; of
            a mesh project, its domains.
            References between the domains among them are resolved.
    """
    read = Read()
    for path in paths:
        _read(path.absolute(), read)
    read.findings.update(dict.fromkeys(unresolved_references(read.streams, read.domains)))
    return read


def format_findings(findings: Iterable[Finding]) -> str:
    """Draw findings one a line: `path:line:column: error: where: message`."""
    return "\n".join(str(finding) for finding in findings)


def _read(path: Path, read: Read) -> None:
    if path.is_dir():
        _read_folder(path, read)
    elif path.name == DOMAIN_FILE:
        read.findings.update(dict.fromkeys(lint_file(path)))
    else:
        loaded = read_contract(path)
        read.findings.update(dict.fromkeys(loaded.findings))
        if loaded.contract is not None:
            read.tables.extend(tables_of(loaded.contract))


def _read_folder(folder: Path, read: Read) -> None:
    if is_domain(folder):
        loaded = read_domain(folder)
        read.findings.update(dict.fromkeys(loaded.findings))
        if loaded.domain is not None:
            read.domains[folder.name] = loaded.domain.tables
            read.streams.extend(loaded.domain.streams)
            read.tables.extend(loaded.domain.tables)
        return
    if (folder / CONFIG_FILE).is_file():
        folder = folder / DOMAINS
    for path in sorted(path for path in folder.glob("*") if not path.name.startswith(".")):
        if (path.is_dir() and not path.is_symlink()) or path.name.endswith(CONTRACT_SUFFIX):
            _read(path, read)
