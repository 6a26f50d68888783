"""From configuration to a registry."""

from __future__ import annotations

from mesh_defs.broker.registry.directory import DirectoryRegistry
from mesh_defs.broker.registry.registry import Registry
from mesh_defs.broker.registry.remembered import FOLDER, Remembered
from mesh_defs.broker.registry.service import ServiceRegistry
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.config import MAIN, MeshConfig
from mesh_defs.model.errors import ConfigError


def registry_for(config: MeshConfig, name: str = MAIN, *, patient: bool = True) -> Registry:
    """Return a registry of ``mesh.toml``; nothing is asked yet.

    Args:
        config: Of the mesh.
        name: In ``[registry.NAME]``.
        patient: Whether a service that does not answer is tried again, as its options say.

    Raises:
        ConfigError: There is none of that name, or its options cannot be used.
    """
    entry = config.registries.get(name)
    if entry is None:
        raise ConfigError(
            cannot=f"ask the schema registry {name}",
            why=f"mesh.toml has no table [registry.{name}]",
            do='add it with `url = "..."`, or with `directory = "schemas"` for a folder of schemas',
        )
    inner: Registry
    again: Registry
    if entry.directory is not None:
        inner = again = DirectoryRegistry(name, entry.directory, entry.compatibility)
    else:
        inner = ServiceRegistry(name, entry, patient=patient)
        again = ServiceRegistry(name, entry, patient=False)
    return Remembered(inner, config.data / FOLDER / name, again)


class Registries:
    """The registries of several streams: one a connection, made when first needed, closed together.

    Args:
        config: Of the mesh.
    """

    def __init__(self, config: MeshConfig) -> None:
        self._config = config
        self._open: dict[str, Registry] = {}

    def of(self, contract: StreamContract) -> Registry | None:
        """Return the registry of a stream's writers: that with the name of its connection, else `main`.

        None where mesh.toml has neither.

        Raises:
            ConfigError: Its options cannot be used.
        """
        names = (contract.server, MAIN)
        name = next((name for name in names if name in self._config.registries), None)
        if name is None:
            return None
        if name not in self._open:
            self._open[name] = registry_for(self._config, name)
        return self._open[name]

    def close(self) -> None:
        """Close all of them."""
        for registry in self._open.values():
            registry.close()
        self._open = {}
