"""The configuration of a mesh: ``mesh.toml`` with the environment's overrides applied."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_defs.model.config_reader import ConfigReader
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.registry_config import RegistryConfig, read_registry
from mesh_defs.model.secrets import HIDDEN, shown_command, shown_table, shown_text

CONFIG_FILE: Final = "mesh.toml"
BOOTSTRAP_VARIABLE: Final = "MESH_BOOTSTRAP_SERVERS"
REGISTRY_VARIABLE: Final = "MESH_SCHEMA_REGISTRY_URL"
DATA_VARIABLE: Final = "MESH_DATA"
MAIN: Final = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessConfig:
    """A process that `mesh up` starts and watches.

    Attributes:
        name: Its name in ``[process.NAME]``.
        command: Program and arguments; it is never handed to a shell.
        written: The command as the file has it, its ``${NAME}`` not filled in: they may hold secrets.
    """

    name: str
    command: tuple[str, ...] = field(repr=False)
    written: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshConfig:
    """What ``mesh.toml`` and the environment say, with every ``${NAME}`` filled in.

    Attributes:
        name: The mesh's name.
        data: The folder of stores, logs and the local Kafka, absolute.
        kafka: librdkafka properties by connection name. Without ``main`` the local Kafka serves it.
        registries: Schema registries by name.
        processes: The processes of `mesh up` by name, in the file's order.
        webhooks: The addresses that alerts are posted to.
        secrets: What files say that ``NAME_FILE`` names.
        bootstrap_overridden: Whether ``MESH_BOOTSTRAP_SERVERS`` replaced ``main``.
    """

    name: str
    data: Path
    kafka: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    registries: Mapping[str, RegistryConfig] = field(default_factory=dict)
    processes: Mapping[str, ProcessConfig] = field(default_factory=dict)
    webhooks: tuple[str, ...] = field(default=(), repr=False)
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    bootstrap_overridden: bool = False

    @property
    def has_local_kafka(self) -> bool:
        """Whether the connection ``main`` is the local Kafka."""
        return MAIN not in self.kafka

    def shown(self) -> dict[str, object]:
        """Return the effective configuration as plain values, secrets hidden."""
        return {
            "mesh": {"name": shown_text(self.name, self.secrets), "data": str(self.data)},
            "kafka": {name: shown_table(table, self.secrets) for name, table in self.kafka.items()},
            "registry": {name: self._shown_registry(entry) for name, entry in self.registries.items()},
            "process": {
                name: {"command": shown_command(entry.written)} for name, entry in self.processes.items()
            },
            "alerts": {"webhooks": [HIDDEN for _ in self.webhooks]},
        }

    def _shown_registry(self, entry: RegistryConfig) -> dict[str, str]:
        if entry.directory is not None:
            return {"directory": str(entry.directory), "compatibility": entry.compatibility}
        options = {name: str(value) for name, value in entry.options.items()}
        return shown_table({"url": entry.url or "", **options}, self.secrets)


def load_config(root: Path, environ: Mapping[str, str] | None = None) -> MeshConfig:
    """Read ``mesh.toml`` of the project at ``root``.

    Args:
        root: The project's folder. Relative paths in the file and in ``MESH_DATA`` begin here.
        environ: The environment for ``${NAME}`` and the overrides; the process's own by default.

    Returns:
        The effective configuration.

    Raises:
        ConfigError: The file is missing, is not TOML, or has problems; all of them are named at once.
    """
    root = root.resolve()
    environment = os.environ if environ is None else environ
    reader = ConfigReader(root=root, environ=environment)
    document = reader.top(_parse(root / CONFIG_FILE))
    mesh = reader.table(document, "mesh", ("name", "data"))
    overridden = bool(environment.get(BOOTSTRAP_VARIABLE))
    config = MeshConfig(
        name=reader.text(mesh, "mesh", "name", default=root.name or "mesh"),
        data=reader.folder(
            environment.get(DATA_VARIABLE) or reader.text(mesh, "mesh", "data", default="data")
        ),
        kafka=_kafka(reader, document, environment.get(BOOTSTRAP_VARIABLE)),
        registries=_registries(reader, document, environment.get(REGISTRY_VARIABLE)),
        processes={
            name: ProcessConfig(name=name, command=command, written=written)
            for name, command, written in reader.processes(document)
        },
        webhooks=reader.addresses(reader.table(document, "alerts", ("webhooks",)), "alerts", "webhooks"),
        secrets=frozenset(reader.secrets),
        bootstrap_overridden=overridden,
    )
    if reader.problems:
        raise _config_error(root / CONFIG_FILE, tuple(reader.problems))
    return config


def _parse(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            cannot=f"open the mesh at {path.parent}",
            why=f"it has no {CONFIG_FILE}",
            do="name the project's folder with --project, or make a project with `mesh init DIR`",
        ) from None
    except OSError as error:
        raise ConfigError(
            cannot=f"read {path}", why=error.strerror or "the system refused", do="make the file readable"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            cannot=f"read {path}", why=f"it is not TOML: {error}", do="mend the file at that place"
        ) from None


def _config_error(path: Path, problems: tuple[str, ...]) -> ConfigError:
    if len(problems) == 1:
        return ConfigError(cannot=f"read {path}", why=problems[0], do="mend that key")
    listed = "; ".join(f"({number}) {problem}" for number, problem in enumerate(problems, start=1))
    why = f"it has {len(problems)} problems: {listed}"
    return ConfigError(cannot=f"read {path}", why=why, do="mend each of them")


def _kafka(
    reader: ConfigReader, document: Mapping[str, object], override: str | None
) -> dict[str, Mapping[str, str]]:
    """Return the connections; an override replaces ``main`` whole, so its variables are not asked for."""
    connections: dict[str, Mapping[str, str]] = {}
    for name in reader.names(document, "kafka"):
        if not (override and name == MAIN):
            connections[name] = reader.connection(document, name)
    if override:
        connections[MAIN] = {"bootstrap.servers": override}
    return connections


def _registries(
    reader: ConfigReader, document: Mapping[str, object], override: str | None
) -> dict[str, RegistryConfig]:
    names = [name for name in reader.names(document, "registry") if not (override and name == MAIN)]
    registries = {name: read_registry(reader, document, name) for name in names}
    if override:
        registries[MAIN] = RegistryConfig(url=override)
    return registries
