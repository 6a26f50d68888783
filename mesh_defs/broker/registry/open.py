"""From configuration to a registry."""

from __future__ import annotations

from mesh_defs.broker.registry.directory import DirectoryRegistry
from mesh_defs.broker.registry.registry import Registry
from mesh_defs.broker.registry.remembered import FOLDER, Remembered
from mesh_defs.broker.registry.service import ServiceRegistry
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
    if entry.directory is not None:
        inner = DirectoryRegistry(name, entry.directory, entry.compatibility)
    else:
        inner = ServiceRegistry(name, entry, patient=patient)
    return Remembered(inner, config.data / FOLDER / name)


def registry_of(config: MeshConfig, server: str) -> Registry | None:
    """Return the registry of a Kafka connection: that of its name, else `main`; None where there is neither.

    Raises:
        ConfigError: Its options cannot be used.
    """
    name = next((name for name in (server, MAIN) if name in config.registries), None)
    return None if name is None else registry_for(config, name)
