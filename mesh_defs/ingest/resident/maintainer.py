"""The resident maintainer: one process that keeps the stores small and fast while they are written to without end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.contract.sla import retentions
from mesh_defs.ingest.resident.stop import Stop
from mesh_defs.model.errors import MeshError
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain

MAINTAIN_SECONDS: Final = 300.0
"""Every commit reads over what those before left since the last round: after an hour it would take twice as long."""


class Maintainer:
    """Maintains the stores of domains once, after a while. Its process then ends: it grows with every merge.

    Args:
        project: The mesh.
        names: Its domains; none means all.
        stop: The wish to stop.
        say: Takes the name of a domain and one line for people.
        wait: Seconds until the round.
    """

    def __init__(
        self,
        project: Project,
        names: Sequence[str],
        *,
        stop: Stop,
        say: Callable[[str, str], None],
        wait: float = MAINTAIN_SECONDS,
    ) -> None:
        self._project = project
        self._names = names
        self._stop = stop
        self._say = say
        self._wait = wait

    def run(self) -> bool:
        """Wait, and maintain what is there; True where it is time for a new process, False when told to stop."""
        if self._stop.wait(self._wait):
            return False
        try:
            names = self._names or self._project.domain_names()
        except MeshError as error:
            self._say("", str(error))
            return True
        for name in names:
            if self._stop.asked():
                return False
            try:
                self._maintain(self._project.domain(name))
            except _Told:
                return False
            except MeshError as error:
                self._say(name, str(error))
        return True

    def _maintain(self, domain: Domain) -> None:
        folder = self._project.data_folder(domain.name)
        if DomainStore.exists(folder):
            with DomainStore.open(folder, domain.name) as store:
                maintain(store, MaintenancePolicy(retention=retentions(domain)), on_step=self._between)

    def _between(self, _step: str) -> None:
        if self._stop.asked():
            raise _Told


class _Told(Exception):  # noqa: N818 - no error
    """Told to stop, between two transactions."""
