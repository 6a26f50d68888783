"""What is left alone for a while: a stream or a partition that could not go on is tried again, ever later."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mesh_defs.ingest.report import StreamReport
from mesh_defs.model.errors import BrokerUnavailableError, MeshError

WAITS: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds before the second, third, ... attempt; the last one is kept."""

Place = tuple[str, int | None]
"""A stream and a partition of it; None where the whole stream is concerned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why a place is left alone, and how long.

    Attributes:
        attempts: How often it was tried in vain, one after the other.
        until: When it is tried again, on the clock that the caller uses.
    """

    error: MeshError
    attempts: int
    until: float


class Holds:
    """The places of a domain that could not go on.

    Args:
        waits: Seconds before each next attempt.
    """

    def __init__(self, waits: Sequence[float] = WAITS) -> None:
        self._waits = waits
        self._holds: dict[Place, Hold] = {}

    @property
    def places(self) -> Mapping[Place, Hold]:
        """Everything that is stopped, also what is due to be tried."""
        return dict(self._holds)

    def silent(self) -> frozenset[str]:
        """Return the streams whose cluster did not answer at the last attempt."""
        return frozenset(
            s
            for (s, p), hold in self._holds.items()
            if p is None and isinstance(hold.error, BrokerUnavailableError)
        )

    def is_held(self, stream: str, now: float) -> bool:
        """Say whether a whole stream is left alone."""
        hold = self._holds.get((stream, None))
        return hold is not None and now < hold.until

    def partitions(self, stream: str, now: float) -> frozenset[int]:
        """Return the partitions of a stream that are left alone."""
        return frozenset(
            p for (s, p), hold in self._holds.items() if s == stream and p is not None and now < hold.until
        )

    def is_due(self, stream: str, now: float) -> bool:
        """Say whether a place of a stream is to be tried again, whatever news it has."""
        return any(s == stream and now >= hold.until for (s, _), hold in self._holds.items())

    def note(self, report: StreamReport, held: Collection[int], now: float) -> None:
        """Take what became of a stream that was tried.

        Args:
            report: Of the attempt.
            held: The partitions that were left alone in it.
            now: Now.
        """
        found = {trouble.partition: trouble.error for trouble in reversed(report.troubles)}
        if None in found:
            found = {None: found[None]}
        tried = [
            (s, p)
            for s, p in self._holds
            if s == report.stream and p not in held and (p is None or None not in found)
        ]
        before = {place: self._holds.pop(place) for place in tried}
        for partition, error in found.items():
            place = (report.stream, partition)
            last = before.get(place)
            attempts = last.attempts + 1 if last else 1
            wait = self._waits[min(attempts, len(self._waits)) - 1]
            self._holds[place] = Hold(error=error, attempts=attempts, until=now + wait)

    def release(self, now: float) -> None:
        """Let everything be tried again at once."""
        for place, hold in self._holds.items():
            self._holds[place] = Hold(error=hold.error, attempts=hold.attempts, until=now)
