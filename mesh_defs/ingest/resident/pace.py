"""When a resident ingester commits: at the latency that the contracts promise, or earlier at a size."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from mesh_defs.contract.contract import ContractBase
from mesh_defs.contract.sla import sla_duration
from mesh_defs.ingest.chunk import Limits

LATENCY: Final = dt.timedelta(seconds=0.5)
"""What is kept where no contract promises a latency."""

_SHORTEST_SECONDS: Final = 0.1
_LONGEST_LOOK_SECONDS: Final = 1.0
_SIZE_ROWS: Final = 200_000
_SIZE_BYTES: Final = 64 * 1024 * 1024
_LONGEST_CHUNK_SECONDS: Final = 2.0


class Pace:
    """The rhythm of one domain.

    All streams with news go into one commit, so the shortest promise holds for all.

    Args:
        contracts: The domain's streams.
    """

    def __init__(self, contracts: Iterable[ContractBase]) -> None:
        promised = [sla_duration(contract, "latency") or LATENCY for contract in contracts]
        self.latency = max(min(promised, default=LATENCY).total_seconds(), _SHORTEST_SECONDS)
        self.look = min(self.latency, _LONGEST_LOOK_SECONDS)
        self._since: float | None = None

    @property
    def limits(self) -> Limits:
        """When a chunk is full: no stream keeps the others waiting for long."""
        seconds = min(self.latency, _LONGEST_CHUNK_SECONDS)
        return Limits(rows=_SIZE_ROWS, size_bytes=_SIZE_BYTES, seconds=seconds)

    def is_due(self, lags: Iterable[int], now: float) -> bool:
        """Say whether what a look found is to be committed now: the promise or the size asks for it.

        Args:
            lags: Of the streams with news.
            now: When the look was.
        """
        found = tuple(lags)
        if not found:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        # By the next look it would be too late.
        due = now - self._since + self.look >= self.latency or max(found) >= _SIZE_ROWS
        if due:
            self._since = None
        return due
