"""Producing: at a pace, and noticing when the broker does not take it."""

from __future__ import annotations

import threading
import time

from domains.replay.record import Headers, Record
from mesh_defs.broker import Broker
from mesh_defs.model.errors import BrokerError

GAP = 12 * 3_600 * 1_000_000
"""Microseconds without any record that are not waited for: before the months that are replayed, and between them."""


class Pace:
    """Lets replayed time pass `factor` times as fast as the clock; a factor of None does not wait.

    Args:
        factor: Seconds of replayed time a second.
        stop: Set when the person wants to end.
    """

    def __init__(self, factor: float | None, stop: threading.Event) -> None:
        self._factor = factor
        self._stop = stop
        self._began = (0, 0.0)
        self._last = -GAP

    def wait(self, at: int) -> None:
        """Wait until the instant `at`, in microseconds since the epoch."""
        if self._factor is None:
            return
        if at - self._last >= GAP:
            self._began = (at, time.monotonic())
        self._last = at
        due = self._began[1] + (at - self._began[0]) / 1e6 / self._factor
        ahead = due - time.monotonic()
        if ahead > 0.02:  # noqa: PLR2004 - shorter waits cost more than they spread
            self._stop.wait(ahead)


class Delivery:
    """Produces records, and notices when the broker does not take them.

    Args:
        broker: The cluster.
    """

    def __init__(self, broker: Broker) -> None:
        self._producer = broker.producer()
        self._failure: object = None

    def send(self, topic: str, partition: int, record: Record, marks: Headers) -> None:
        """Hand over one record with its own headers and these; waits while the client's queue is full.

        Raises:
            BrokerError: An earlier record was not taken.
        """
        headers = [*record.headers, *marks]
        while True:
            try:
                self._producer.produce(
                    topic,
                    record.value,
                    record.key,
                    partition=partition,
                    headers=headers,
                    on_delivery=self._note,
                )
                break
            except BufferError:
                self._producer.poll(1)
        self._producer.poll(0)
        self._raise()

    def finish(self) -> None:
        """Wait until the broker has everything.

        Raises:
            BrokerError: A record was not taken.
        """
        left = self._producer.flush(60)
        if left:
            self._failure = self._failure or f"{left} records were not acknowledged in 60 s"
        self._raise()

    def _note(self, error: object, _message: object) -> None:
        self._failure = self._failure or error

    def _raise(self) -> None:
        if self._failure is not None:
            raise BrokerError(
                cannot="replay the year",
                why=str(self._failure),
                do="start it again: it goes on where it was",
            )
