"""When a resident ingester makes room for a new one: it has grown, or its contracts have changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.model.config import CONFIG_FILE

Signature = frozenset[tuple[str, int, int]]
"""Each file with its time of change and its size."""


def signature(project: Project, domain: str) -> Signature:
    """Return what changes when the project's configuration or a declaration of the domain does."""
    folder = project.root / "domains" / domain
    return frozenset(
        _stats([project.root / CONFIG_FILE, *folder.glob("*.yaml"), *(folder / "streams").rglob("*")])
    )


def changed(project: Project, domain: str) -> Domain:
    """Load a domain as it stands in the files now.

    Raises:
        ConfigError: The configuration cannot be read, or the domain is gone.
        ContractError: A file of the domain has errors.
    """
    return Project.open(project.root).domain(domain)


def memory_bytes() -> int:
    """Return what this process holds in memory."""
    return int(psutil.Process().memory_info().rss)


def _stats(paths: Iterable[Path]) -> Iterable[tuple[str, int, int]]:
    for path in paths:
        try:
            found = path.stat()
        except FileNotFoundError:  # between the listing and the question
            continue
        yield str(path), found.st_mtime_ns, found.st_size
