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


class Brokers:
    """Opens each connection of `mesh.toml` once.

    Args:
        config: The mesh's configuration.
        timeout: Seconds after which each question to a cluster fails; None means the broker's default.
    """

    def __init__(self, config: MeshConfig, *, timeout: float | None = None) -> None:
        self._config = config
        self._timeout = DEFAULT_TIMEOUT if timeout is None else timeout
        self._open: dict[tuple[str, str | None], Broker] = {}

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
        key = (contract.server, contract.server_host)
        if key not in self._open:
            connection = connection_for(self._config, contract.server, host=contract.server_host)
            self._open[key] = Broker(connection, timeout=self._timeout)
        return self._open[key]

    def apply_topics(self, contracts: Iterable[StreamContract]) -> tuple[TopicPlan, ...]:
        """Create the topics that are missing, each on its contract's broker, and compare the others.

        Raises:
            BrokerError: A broker does not answer, or refuses.
        """
        groups: dict[tuple[str, str | None], list[StreamContract]] = {}
        for contract in contracts:
            groups.setdefault((contract.server, contract.server_host), []).append(contract)
        return tuple(plan for group in groups.values() for plan in self.of(group[0]).apply_topics(group))
