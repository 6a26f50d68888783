"""Names that the shell completes: domains, streams, products, processes, parts.

A shell asks in the middle of a person's line: whatever is wrong with the project, the answer is then no name.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import typer

from mesh_defs.contract.product import CONTRACT_SUFFIX
from mesh_defs.contract.project import Project, find_project
from mesh_defs.model.errors import MeshError
from mesh_defs.supervisor.tail import logs


def domain_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete DOMAIN."""
    return _matching(_domains(_project(context)), incomplete)


def stream_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete DOMAIN or DOMAIN.STREAM."""
    return _members(context, incomplete, "streams")


def product_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete DOMAIN or DOMAIN.PRODUCT."""
    return _members(context, incomplete, "products")


def process_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the NAME of [process.NAME]."""
    project = _project(context)
    return _matching(project.config.processes if project else (), incomplete)


def part_names(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the PART of a log."""
    project = _project(context)
    return _matching(logs(project) if project else (), incomplete)


def _members(context: typer.Context, incomplete: str, kind: str) -> list[str]:
    """Return names from the files' names: reading contracts takes longer than a person waits for a key."""
    project = _project(context)
    if project is None:
        return []
    domains = _domains(project)
    names = list(domains)
    for domain in domains:
        files = sorted((project.root / "domains" / domain / kind).glob(f"*{CONTRACT_SUFFIX}"))
        names += [f"{domain}.{path.name.removesuffix(CONTRACT_SUFFIX)}" for path in files]
    return _matching(names, incomplete)


def _matching(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _domains(project: Project | None) -> tuple[str, ...]:
    try:
        return project.domain_names() if project else ()
    except MeshError:
        return ()


def _project(context: typer.Context) -> Project | None:
    named = context.find_root().params.get("project")
    try:
        return Project.open(Path(named) if named else find_project(Path.cwd()))
    except MeshError:
        return None
