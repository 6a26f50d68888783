"""When a reader of which the broker hands nothing out has waited long enough, and what it says then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from mesh_defs.model.errors import OffsetsLostError, OffsetsRegressedError, PartitionError, ShortReadError
from mesh_defs.model.records import Watermarks

_LOOK_SECONDS: Final = 2.0

_PATIENCE: Final = 6
"""A partition alone may be silent for so many times the timeout, while others are heard of: of many aborted records,
which it may have to pass over, nothing is heard."""


class Silence:
    """For how long a reader has heard nothing, and nothing of each partition.

    Its clock runs only while the reader waits for records: the work that is done in between is nobody's silence.

    Args:
        partitions: Those that are read.
        timeout: Seconds without any progress after which the read fails.
    """

    def __init__(self, partitions: Iterable[int], timeout: float) -> None:
        self._timeout = timeout
        self._pace = min(_LOOK_SECONDS, timeout)
        self._clock = self._heard = 0.0
        self._next_look = self._pace
        self._moved = dict.fromkeys(partitions, 0.0)

    def wait(self, seconds: float) -> None:
        """Let the clock run."""
        self._clock += seconds

    def moved(self, partition: int) -> None:
        """Note that a partition made progress."""
        self._moved[partition] = self._heard = self._clock

    def begin(self, partitions: Iterable[int], *, anew: bool) -> None:
        """Count from now on for these partitions; where nothing else was read, for the reader as well."""
        self._moved |= dict.fromkeys(partitions, self._clock)
        if anew:
            self._heard = self._clock

    def suspects(self, partitions: Collection[int]) -> Iterator[tuple[int, bool]]:
        """Yield, now and then, the partitions to ask the broker about, and whether their time is over."""
        if self._clock < self._next_look:
            return
        self._next_look = self._clock + self._pace
        waited = self._clock - self._heard
        for partition in tuple(partitions):
            is_stuck = self._clock - self._moved[partition] >= _PATIENCE * self._timeout
            if is_stuck or waited >= self._pace:
                yield partition, is_stuck or waited >= self._timeout


def lost_or_regressed(
    topic: str, partition: int, position: int, end: int, mark: Watermarks
) -> PartitionError | None:
    """Return why [position, end) cannot be read, by what the broker holds now; None where it can."""
    if mark.low > position:
        return _refused(
            OffsetsLostError,
            (topic, partition, position),
            why=f"the broker's earliest offset is {mark.low}: {mark.low - position} offsets were removed "
            "before they were read",
            do="run it again: the gap is recorded where the contract says `onLoss: record`, and elsewhere the "
            "message says how to take note of it",
        )
    if mark.end < end:
        return _refused(
            OffsetsRegressedError,
            (topic, partition, position),
            why=f"the broker's last stable offset is {mark.end}, and was {end} when the read began",
            do="find out why the broker lost records (an unclean leader election truncates a partition)",
        )
    return None


def short(topic: str, partition: int, position: int, end: int | None) -> PartitionError:
    """Return that the broker holds what it does not hand out."""
    return _refused(
        ShortReadError,
        (topic, partition, position),
        why=f"the broker holds the offsets up to {end}, but handed out no more",
        do="look at the broker's log, then run the pass again: nothing of the range was skipped",
    )


def _refused(kind: type[PartitionError], at: tuple[str, int, int], *, why: str, do: str) -> PartitionError:
    topic, partition, position = at
    error = kind(cannot=f"read {topic} partition {partition} from offset {position}", why=why, do=do)
    error.partition = partition
    return error
