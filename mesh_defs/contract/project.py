"""A mesh project: its root, its configuration, its domains."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from mesh_defs.contract.contract import Domain
from mesh_defs.contract.domain import is_domain, load_domain
from mesh_defs.model.config import CONFIG_FILE, MeshConfig, load_config
from mesh_defs.model.errors import ConfigError, ContractError

DOMAINS = "domains"


def find_project(start: Path) -> Path:
    """Return the nearest folder, from `start` upwards, that holds a `mesh.toml`.

    Raises:
        ConfigError: There is none up to the root of the file system.
    """
    start = start.absolute()
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    raise ConfigError(
        cannot="find the mesh project",
        why=f"neither {start} nor a folder above it holds a {CONFIG_FILE}",
        do="change into a project, name one with --project, or make one with `mesh init DIR`",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A mesh project.

    Attributes:
        root: The folder that holds `mesh.toml`, absolute.
        config: What `mesh.toml` and the environment say.
    """

    root: Path
    config: MeshConfig

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open the project at a folder.

        Raises:
            ConfigError: There is no `mesh.toml`, or it cannot be read.
        """
        root = root.absolute()
        return cls(root=root, config=load_config(root))

    def domain_names(self) -> tuple[str, ...]:
        """Return the names of all domains that have a folder, broken ones included, in order.

        Raises:
            ConfigError: The folder of the domains cannot be read.
        """
        try:
            return tuple(
                sorted(folder.name for folder in (self.root / DOMAINS).iterdir() if is_domain(folder))
            )
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise ConfigError(
                cannot=f"read {self.root / DOMAINS}",
                why=error.strerror or "the system refused",
                do="give this user the right to read it",
            ) from None

    def domain(self, name: str) -> Domain:
        """Load a domain.

        Raises:
            ConfigError: No domain of that name has a folder.
            ContractError: A file of the domain has errors.
        """
        names = self.domain_names()
        if name not in names:
            raise ConfigError(
                cannot=f"load the domain {name}",
                why=f"{self.root / DOMAINS} holds no such folder",
                do=f"name one of: {', '.join(names) or 'there is none; make one with `mesh domain new NAME`'}",
            )
        return load_domain(self.root / DOMAINS / name)

    def load_domains(self) -> tuple[dict[str, Domain], dict[str, ContractError]]:
        """Load all domains; a broken one breaks no other.

        Returns:
            The domains that can be loaded, and the errors of those that cannot, by name.
        """
        domains: dict[str, Domain] = {}
        broken: dict[str, ContractError] = {}
        for name in self.domain_names():
            try:
                domains[name] = self.domain(name)
            except ContractError as error:
                broken[name] = error
        return domains, broken

    def data_folder(self, domain: str) -> Path:
        """Return the folder of a domain's store, absolute; it need not exist."""
        return self.config.data / domain
