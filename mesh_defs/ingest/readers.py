"""The open readers of a domain's streams."""

from __future__ import annotations

from mesh_defs.broker import BoundedReader, Broker
from mesh_defs.contract.contract import StreamContract
from mesh_defs.ingest.plan import StreamPlan


class Readers:
    """The readers of a domain's streams.

    Args:
        tail: Whether they stay open from pass to pass and go on where they stopped.
    """

    def __init__(self, *, tail: bool) -> None:
        self._tail = tail
        self._open: dict[str, BoundedReader] = {}

    def take(self, contract: StreamContract, broker: Broker, plan: StreamPlan) -> BoundedReader:
        """Return a reader of the plan's ranges."""
        kept = self._open.get(contract.name)
        if kept is not None and kept.extend(plan.ranges):
            return kept
        self.drop(contract.name)
        reader = broker.reader(contract.topic, plan.ranges, tail=self._tail)
        self._open[contract.name] = reader
        return reader

    def drop(self, stream: str) -> None:
        """Close a stream's reader: what it has read beyond the store is read again."""
        reader = self._open.pop(stream, None)
        if reader is not None:
            reader.close()

    def close(self) -> None:
        """Close all of them."""
        for stream in tuple(self._open):
            self.drop(stream)
