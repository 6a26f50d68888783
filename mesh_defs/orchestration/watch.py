"""The mesh as its files declare it now, for the sensors that look after all domains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg
from dagster_shared.check import CheckError

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import DOMAINS, Project
from mesh_defs.model.config import CONFIG_FILE
from mesh_defs.model.errors import MeshError
from mesh_defs.orchestration.domain import domain_definitions

_CODE_FOLDERS = frozenset({"__pycache__"})

Fingerprint = frozenset[tuple[str, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the files declare.

    Attributes:
        names: All domains that have a folder.
        domains: Those that load.
        checks: Every check of theirs.
        assets: Every table and topic of theirs.
        sensors: For each domain that loads, the names of its sensors.
        broken: For each domain that does not, why.
    """

    names: frozenset[str] = frozenset()
    domains: Mapping[str, Domain] = field(default_factory=dict)
    checks: frozenset[dg.AssetCheckKey] = frozenset()
    assets: frozenset[dg.AssetKey] = frozenset()
    sensors: Mapping[str, frozenset[str]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


class Watcher:
    """Reads the project anew whenever one of its files changed.

    Args:
        project: As it was when the code location was loaded; its data folder and its alerts stay.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._seen: Fingerprint | None = None
        self._view = View()

    def view(self) -> View:
        """Return the mesh as its files declare it; a domain that cannot be loaded is told, not raised."""
        found = fingerprint(self.project.root)
        if found != self._seen:
            self._view = _read(self.project)
            self._seen = found
        return self._view


def fingerprint(root: Path) -> Fingerprint:
    """Return what tells whether a file of the project changed: path, size and time of change of each."""
    return frozenset(_files(root))


def _files(root: Path) -> Iterator[tuple[str, int, int]]:
    for path in (root / CONFIG_FILE, *(root / DOMAINS).rglob("*")):
        if _CODE_FOLDERS.isdisjoint(path.parts) and path.is_file():
            state = path.stat()
            yield str(path), state.st_size, state.st_mtime_ns


def _read(project: Project) -> View:
    names = project.domain_names()
    domains: dict[str, Domain] = {}
    checks: set[dg.AssetCheckKey] = set()
    assets: set[dg.AssetKey] = set()
    sensors: dict[str, frozenset[str]] = {}
    broken: dict[str, str] = {}
    for name in names:
        try:
            domain = project.domain(name)
            defs = domain_definitions(project, domain)
            graph = defs.resolve_asset_graph()
        except MeshError as error:
            broken[name] = str(error)
            continue
        except (dg.DagsterError, CheckError) as error:
            broken[name] = f"Dagster refuses its definitions ({type(error).__name__})"
            continue
        domains[name] = domain
        checks |= graph.asset_check_keys
        assets |= {key for key in graph.get_all_asset_keys() if key.path[0] == name}
        sensors[name] = frozenset(s.name for s in defs.sensors or ())
    return View(
        names=frozenset(names),
        domains=domains,
        checks=frozenset(checks),
        assets=frozenset(assets),
        sensors=sensors,
        broken=broken,
    )
