"""Which cluster a contract's server means."""

from __future__ import annotations

from collections.abc import Mapping

from mesh_defs.broker.local.kafka import LocalKafka
from mesh_defs.broker.properties import RESERVED
from mesh_defs.model.config import BOOTSTRAP_VARIABLE, CONFIG_FILE, MAIN, MeshConfig
from mesh_defs.model.errors import BrokerUnavailableError, ConfigError


def connection_for(config: MeshConfig, server: str, *, host: str | None = None) -> Mapping[str, str]:
    """Return the librdkafka properties of a connection.

    1. ``main`` is what ``MESH_BOOTSTRAP_SERVERS`` or ``[kafka.main]`` says, otherwise the local Kafka that runs
       now; it never uses ``host``.
    2. Any other name is its ``[kafka.NAME]``, otherwise the contract's ``host``.

    Args:
        config: The mesh's configuration.
        server: The connection's name, as the contract's ``servers`` entry gives it.
        host: The contract's ``host``, as ``name:port``.

    Raises:
        BrokerUnavailableError: The local Kafka is meant and does not run.
        ConfigError: The connection is described nowhere, or sets what is the mesh's own.
    """
    table = config.kafka.get(server)
    if table is not None:
        return _checked(server, table)
    if server == MAIN:
        return {"bootstrap.servers": _local_address(config)}
    if host:
        return {"bootstrap.servers": host}
    raise ConfigError(
        cannot=f"connect to the server '{server}'",
        why=f"{CONFIG_FILE} has no [kafka.{server}] and the contract gives no host",
        do=f"describe the connection in {CONFIG_FILE}",
    )


def _local_address(config: MeshConfig) -> str:
    address = LocalKafka.of_mesh(config.data).status().address
    if address is None:
        raise BrokerUnavailableError(
            cannot="connect to the local Kafka",
            why="it is not running",
            do="start it with `mesh broker start` or `mesh up`, "
            f"or point to another broker with {BOOTSTRAP_VARIABLE}",
        )
    return address


def _checked(server: str, table: Mapping[str, str]) -> Mapping[str, str]:
    refused = [key for key in RESERVED if key in table]
    if refused:
        raise ConfigError(
            cannot=f"use the connection [kafka.{server}] of {CONFIG_FILE}",
            why=f"the mesh itself sets {', '.join(refused)}",
            do="remove that from the table",
        )
    return dict(table)
