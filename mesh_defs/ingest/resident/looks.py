"""Which streams a tick takes: the cluster is asked once for all, and only what has news is looked at closer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mesh_defs.broker import Brokers, ConnectionKey, connection_key
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.errors import BrokerUnavailableError, MeshError
from mesh_defs.store import StoreOffsets, StreamOffsets


@dataclass(slots=True, kw_only=True)
class Look:
    """What a look at the clusters found.

    Attributes:
        lags: For each stream with news, how many offsets it is behind; 0 where that is not known.
        errors: The streams whose cluster does not answer.
    """

    lags: dict[str, int] = field(default_factory=dict)
    errors: dict[str, MeshError] = field(default_factory=dict)


def look(
    brokers: Brokers,
    contracts: Sequence[StreamContract],
    stored: StoreOffsets,
    held: Mapping[str, frozenset[int]],
) -> Look:
    """Ask each cluster once for the last stable offsets of the streams' known partitions.

    A stream that the store does not know, or of which the cluster says less than was asked, has news: a closer look
    says what is wrong with it.

    Args:
        brokers: The clusters.
        contracts: The streams.
        stored: What the store answers for.
        held: Partitions that are left alone now.
    """
    found = Look()
    groups: dict[ConnectionKey, list[StreamContract]] = {}
    for contract in contracts:
        groups.setdefault(connection_key(contract), []).append(contract)
    for group in groups.values():
        try:
            ends = _ends(brokers, group, stored)
        except MeshError as error:
            found.errors |= {contract.name: error for contract in group}
            if isinstance(error, BrokerUnavailableError):
                brokers.forget(group[0])
            continue
        for contract in group:
            lag = _lag(stored.streams.get(contract.name), ends.get(contract.topic, {}), held[contract.name])
            if lag is not None:
                found.lags[contract.name] = lag
    return found


def _ends(
    brokers: Brokers, group: Sequence[StreamContract], stored: StoreOffsets
) -> Mapping[str, Mapping[int, int]]:
    topics: dict[str, set[int]] = {}
    for contract in group:
        known = stored.streams.get(contract.name)
        topics.setdefault(contract.topic, set()).update(known.partitions if known else ())
    return brokers.of(group[0]).ends({topic: sorted(partitions) for topic, partitions in topics.items()})


def _lag(known: StreamOffsets | None, ends: Mapping[int, int], held: frozenset[int]) -> int | None:
    """Return how far a stream is behind, or None where it has no news."""
    if known is None:
        return 0
    places = {p: state.next_offset for p, state in known.partitions.items() if p not in held}
    if any(ends.get(p) != next_offset for p, next_offset in places.items()):
        return sum(max(0, ends.get(p, 0) - next_offset) for p, next_offset in places.items())
    return None
