"""What lag tools are shown after a commit, and the warning where somebody moved it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mesh_defs.broker import Brokers, ConnectionKey, MovedOffset, connection_key
from mesh_defs.contract.contract import StreamContract
from mesh_defs.ingest.chunk import Chunk
from mesh_defs.model.errors import BrokerError, BrokerUnavailableError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unmirrored:
    """What was committed of a stream and not mirrored yet.

    Attributes:
        before: Where the store was in each partition before.
    """

    contract: StreamContract
    positions: Mapping[int, int]
    before: Mapping[int, int]


class Mirror:
    """Mirrors the offsets of a domain's streams to consumer groups, one a stream.

    Args:
        mesh: Its name; groups are called by it.
        brokers: Of the streams.
    """

    def __init__(self, mesh: str, brokers: Brokers) -> None:
        self._mesh = mesh
        self._brokers = brokers
        self._unmirrored: dict[str, _Unmirrored] = {}

    def note(self, contract: StreamContract, chunk: Chunk, positions: Mapping[int, int]) -> None:
        """Take what a commit stored of a stream, which is at these positions now."""
        known = self._unmirrored.get(contract.name)
        before = dict(positions) | {a.partition: a.from_offset for a in chunk.advances}
        self._unmirrored[contract.name] = _Unmirrored(
            contract=contract,
            positions=dict(positions),
            before=before | dict(known.before if known else {}),
        )

    def flush(self, silent: Collection[str] = ()) -> Mapping[str, tuple[str, ...]]:
        """Mirror what was noted.

        A failure is logged, never raised: the store has committed already, and the next commit shows more. A cluster
        that does not answer is asked once.

        Args:
            silent: Streams that are left out, since their cluster does not answer.

        Returns:
            For each stream whose group somebody had moved, the sentences that say so.
        """
        told: dict[str, tuple[str, ...]] = {}
        dumb: set[ConnectionKey] = {
            connection_key(own.contract) for name, own in self._unmirrored.items() if name in silent
        }
        for name, own in self._unmirrored.items():
            if connection_key(own.contract) in dumb:
                continue
            group = f"{self._mesh}.{own.contract.full_name}"
            try:
                broker = self._brokers.of(own.contract)
                moved = broker.mirror(group, own.contract.topic, own.positions, own.before)
            except BrokerError as error:
                _log.warning("%s", error)
                if isinstance(error, BrokerUnavailableError):
                    dumb.add(connection_key(own.contract))
                continue
            if moved:
                told[name] = tuple(map(_sentence, moved))
        self._unmirrored = {}
        return told


def _sentence(moved: MovedOffset) -> str:
    return (
        f"somebody moved the consumer group {moved.group} to offset {moved.found} in partition {moved.partition}, "
        f"where the mesh had it at {moved.stored}: nothing is read twice or left out, the store says where to go on"
    )
