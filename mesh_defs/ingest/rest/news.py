"""What a load would find: the question that sensors and `mesh status` ask about data at rest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from mesh_defs.contract.contract import Domain, RestContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.rest.files import Hashes
from mesh_defs.ingest.rest.plan import LoadPlan, plan_load
from mesh_defs.model.errors import MeshError
from mesh_defs.store import DomainStore, LoadedFile, read_loads

_TOLD: Final = 16
"""Files that are told one by one; more are told as one, since a run's tags are short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNews:
    """How one input stands against its source.

    Attributes:
        plan: What a load would take in; None where that cannot be told.
        error: Why not.
    """

    name: str
    plan: LoadPlan | None = None
    error: MeshError | None = None

    @property
    def has_news(self) -> bool:
        """Whether a pass has anything to do. An error is news too: only a failed run makes it loud."""
        return self.error is not None or (self.plan is not None and bool(self.plan.files))

    @property
    def pieces(self) -> frozenset[str]:
        """The news in pieces that can be recognised later: a file's name, size and time of change."""
        if self.error is not None:
            return frozenset({f"!{type(self.error).__name__}"})
        files = self.plan.files if self.plan else ()
        found = frozenset(f"{quote(f.name)}@{f.size_bytes}.{f.modified_ns}" for f in files)
        if len(found) <= _TOLD:
            return found
        return frozenset({hashlib.sha256(" ".join(sorted(found)).encode()).hexdigest()})


def input_news(project: Project, domain: Domain, hashes: Hashes | None = None) -> dict[str, InputNews]:
    """Compare each input of a domain with its source. A file is only read where its size or time has changed.

    Args:
        project: The mesh.
        domain: The domain.
        hashes: What is known of files from before.

    Raises:
        StoreError: The domain's store cannot be read.
    """
    if not domain.inputs:
        return {}
    known = hashes or Hashes()
    loads = dict(_loads(project, domain))
    return {c.name: _news(project, c, loads.get(c.name, ()), known) for c in domain.inputs}


def _loads(project: Project, domain: Domain) -> Iterator[tuple[str, tuple[LoadedFile, ...]]]:
    folder = project.data_folder(domain.name)
    if not DomainStore.exists(folder):
        return
    with DomainStore.open(folder, domain.name, read_only=True) as store:
        for contract in domain.inputs:
            yield contract.name, read_loads(store, contract.name)


def _news(
    project: Project, contract: RestContract, loads: tuple[LoadedFile, ...], hashes: Hashes
) -> InputNews:
    try:
        return InputNews(name=contract.name, plan=plan_load(project.root, contract, loads, hashes))
    except MeshError as error:
        return InputNews(name=contract.name, error=error)
