"""The topics of contracts on their brokers."""

from __future__ import annotations

from collections.abc import Iterable

from mesh_defs.broker import TopicPlan
from mesh_defs.contract.contract import StreamContract
from mesh_defs.ingest.connections import Brokers
from mesh_defs.model.config import MeshConfig


def apply_all(config: MeshConfig, contracts: Iterable[StreamContract]) -> tuple[TopicPlan, ...]:
    """Create the topics that are missing, each on its contract's broker, and compare the others.

    Raises:
        BrokerError: A broker does not answer, or refuses.
    """
    groups: dict[tuple[str, str | None], list[StreamContract]] = {}
    for contract in contracts:
        groups.setdefault((contract.server, contract.server_host), []).append(contract)
    with Brokers(config) as brokers:
        return tuple(plan for group in groups.values() for plan in brokers.of(group[0]).apply_topics(group))
