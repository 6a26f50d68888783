"""The brokers of several streams: one a connection, opened when first needed, closed together."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from mesh_defs.broker.client import DEFAULT_TIMEOUT, Broker
from mesh_defs.broker.connection import connection_for
from mesh_defs.broker.topics import TopicPlan
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.config import MeshConfig

ConnectionKey = tuple[str, str | None]


def connection_key(contract: StreamContract) -> ConnectionKey:
    """Return what tells a contract's cluster from others: its server's name, and its own address where it has one."""
    return (contract.server, contract.server_host)


class Brokers:
    """Opens each connection of `mesh.toml` once.

    Args:
        config: The mesh's configuration.
        timeout: Seconds after which each question to a cluster fails; None means the broker's default.
    """

    def __init__(self, config: MeshConfig, *, timeout: float | None = None) -> None:
        self._config = config
        self._timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self._open: dict[ConnectionKey, Broker] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for broker in self._open.values():
            broker.close()

    def of(self, contract: StreamContract) -> Broker:
        """Return the broker that holds the contract's topic.

        Raises:
            BrokerUnavailableError: The local Kafka is asked for, and is not running.
            ConfigError: The connection is not described anywhere.
        """
        key = connection_key(contract)
        if key not in self._open:
            connection = connection_for(self._config, contract.server, host=contract.server_host)
            self._open[key] = Broker(connection, timeout=self._timeout)
        return self._open[key]

    def forget(self, contract: StreamContract) -> None:
        """Close the broker of a contract's topic; the next question finds out anew where it is."""
        broker = self._open.pop(connection_key(contract), None)
        if broker is not None:
            broker.close()

    def apply_topics(self, contracts: Iterable[StreamContract]) -> tuple[TopicPlan, ...]:
        """Create the topics that are missing, each on its contract's broker, and compare the others.

        Raises:
            BrokerError: A broker does not answer, or refuses.
        """
        groups: dict[ConnectionKey, list[StreamContract]] = {}
        for contract in contracts:
            groups.setdefault(connection_key(contract), []).append(contract)
        return tuple(plan for group in groups.values() for plan in self.of(group[0]).apply_topics(group))
