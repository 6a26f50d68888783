"""Findings of contract files, of folders of them, and how they are drawn."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mesh_defs.contract.contract import StreamContract, TableContract
from mesh_defs.contract.domain import DOMAIN_FILE, is_domain, read_domain, unresolved_references
from mesh_defs.contract.load import read_contract
from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.project import DOMAINS
from mesh_defs.model.config import CONFIG_FILE
from mesh_defs.model.findings import Finding, Severity

__all__ = ["Finding", "Severity", "format_findings", "lint_file", "lint_paths"]

_Contracts = tuple[TableContract, ...]


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
        paths: Contract files; domains' folders; or folders of which every domain and contract below is taken; of
            a mesh project, its domains.
            References between the domains among them are resolved.
    """
    findings: dict[Finding, None] = {}
    known: dict[str, _Contracts] = {}
    streams: list[StreamContract] = []
    for path in paths:
        found = _lint_folder(path.absolute(), known, streams) if path.is_dir() else lint_file(path.absolute())
        findings.update(dict.fromkeys(found))
    findings.update(dict.fromkeys(unresolved_references(streams, known)))
    return tuple(sorted(findings, key=lambda f: (str(f.path), f.line, f.column)))


def format_findings(findings: Iterable[Finding]) -> str:
    """Draw findings one a line: `path:line:column: error: where: message`."""
    return "\n".join(str(finding) for finding in findings)


def _lint_folder(folder: Path, known: dict[str, _Contracts], streams: list[StreamContract]) -> list[Finding]:
    if is_domain(folder):
        loaded = read_domain(folder)
        if loaded.domain is not None:
            known[folder.name] = loaded.domain.tables
            streams.extend(loaded.domain.streams)
        return list(loaded.findings)
    findings: list[Finding] = []
    if (folder / CONFIG_FILE).is_file():
        folder = folder / DOMAINS
    below = sorted(path for path in folder.glob("*") if not path.name.startswith("."))
    for path in below:
        if path.is_dir() and not path.is_symlink():
            findings.extend(_lint_folder(path, known, streams))
        elif path.name.endswith(CONTRACT_SUFFIX):
            findings.extend(lint_file(path))
    return findings
