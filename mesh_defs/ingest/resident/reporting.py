"""What the resident ingester tells whoever shows the mesh: at once when a status flips, else now and then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

from mesh_defs.ingest.report import StreamReport, reason_of

REPEAT_SECONDS: Final = 60.0
"""A table is reported once in so long at most: each report stays in the storage of whoever shows it."""


class Reporter(Protocol):
    """Takes reports of what was committed without a run."""

    def report(self, report: StreamReport) -> None:
        """Take what happened to one stream since its last report.

        `troubles` says what is stopped now; without any, all of it moves.
        """


class Reporting:
    """Gathers what happens and passes it on at the right rate.

    Args:
        reporter: Who is told.
        repeat: Seconds between two reports of a stream whose status stays.
    """

    def __init__(self, reporter: Reporter, repeat: float = REPEAT_SECONDS) -> None:
        self._reporter = reporter
        self._repeat = repeat
        self._pending: dict[str, StreamReport] = {}
        self._told: dict[str, float] = {}
        self._status: dict[str, frozenset[tuple[int | None, str]]] = {}

    def note(self, report: StreamReport, now: float) -> None:
        """Take what one tick did to a stream; its `troubles` are all that is stopped now.

        A status that flips is told at once, and so are another reason for a stop and a loss. What only moved waits its
        turn.
        """
        status = frozenset((trouble.partition, reason_of(trouble.error)) for trouble in report.troubles)
        lost = any(gap.kind == "lost" for part in report.partitions for gap in part.gaps)
        flipped = lost or self._status.get(report.stream) != status
        self._status[report.stream] = status
        if flipped or report.snapshot is not None:
            known = self._pending.get(report.stream)
            self._pending[report.stream] = report if known is None else known.plus(report)
        if flipped:
            self._tell(report.stream, now)

    def forget(self) -> None:
        """Tell every status anew when it is next noted: a person has decided something."""
        self._status.clear()

    def flush(self, now: float, *, everything: bool = False) -> None:
        """Tell what has waited long enough, or everything."""
        for stream in tuple(self._pending):
            if everything or now >= self._told.get(stream, -self._repeat) + self._repeat:
                self._tell(stream, now)

    @property
    def pending(self) -> Mapping[str, StreamReport]:
        """What was not told yet."""
        return dict(self._pending)

    def _tell(self, stream: str, now: float) -> None:
        self._told[stream] = now
        self._reporter.report(self._pending.pop(stream))
