"""Producers of numbered records: what the broker acknowledged, and what it may or may not hold."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Producer

from soaking.streams import Stream, key_of
from soaking.waiting import pause

SLICE = 0.25
"""Seconds between two slices of records."""

FLUSH_SECONDS = 300.0
SETTINGS = {
    "enable.idempotence": True,
    "linger.ms": 5,
    "message.timeout.ms": 0,
    "socket.timeout.ms": 10_000,
    "reconnect.backoff.max.ms": 500,
}


@dataclass(slots=True)
class Facts:
    """What is known of a stream's records.

    Attributes:
        numbers: The acknowledged number at each partition and offset.
        aborted: Likewise, of transactions that were aborted: nobody may see them.
        unknown: Numbers whose fate the broker never told; they may be stored, once.
        markers: How many transactions touched each partition: each left one marker at most.
    """

    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    aborted: dict[tuple[int, int], int] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)
    markers: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


class Source(threading.Thread):
    """Produces one stream until it is told to stop.

    Args:
        stream: Which one.
        address: Of the broker.
        seed: Decides the transactions.
    """

    def __init__(self, stream: Stream, address: str, seed: int) -> None:
        super().__init__(name=f"source of {stream.full_name}", daemon=True)
        self.stream = stream
        self.facts = Facts()
        self._settings = SETTINGS | {"bootstrap.servers": address, "logger": _quiet()}
        self._chance = random.Random(seed)
        self._next = 0
        self._ending = threading.Event()

    def stop(self) -> None:
        """End what is open, and the thread."""
        self._ending.set()

    def run(self) -> None:
        """Produce slice after slice."""
        if self.stream.transactional:
            self._transactions()
            return
        producer = Producer(self._settings)
        while not self._ending.is_set():
            self._send(producer, self.facts.numbers, self._slice())
            producer.poll(0)
            pause(SLICE)
        while producer.flush(FLUSH_SECONDS):
            continue

    def _slice(self) -> int:
        return max(1, round(self.stream.rate * SLICE))

    def _send(self, producer: Any, acknowledged: dict[tuple[int, int], int], count: int) -> list[int]:
        numbers = list(range(self._next, self._next + count))
        self._next += count
        for number in numbers:

            def told(error: Any, message: Any, number: int = number) -> None:
                if error is None:
                    acknowledged[message.partition(), message.offset()] = number
                else:
                    self.facts.unknown.add(number)

            producer.produce(
                self.stream.topic,
                key=key_of(number),
                value=self.stream.value_of(number),
                partition=self.stream.partition_of(number),
                on_delivery=told,
            )
        return numbers

    def _transactions(self) -> None:
        producer = self._transactional()
        while not self._ending.is_set():
            found: dict[tuple[int, int], int] = {}
            numbers: list[int] = []
            try:
                producer.begin_transaction()
                for _ in range(self._chance.choice((1, 1, 2, 2, 16))):  # some stay open for seconds
                    numbers += self._send(producer, found, self._slice())
                    producer.poll(0)
                    pause(SLICE)
                while producer.flush(FLUSH_SECONDS):
                    continue
                if self._chance.random() < 0.25:  # noqa: PLR2004 - a quarter is aborted
                    _persist(producer.abort_transaction)
                    self.facts.aborted |= found
                else:
                    _persist(producer.commit_transaction)
                    self.facts.numbers |= found
                self._count_markers(found)
            except KafkaException as error:
                self._note(error, numbers, found)
                producer = self._recovered(producer, error)

    def _transactional(self) -> Any:
        settings = self._settings | {
            "transactional.id": f"soak-{self.stream.full_name}",
            "transaction.timeout.ms": 900_000,
            "message.timeout.ms": 900_000,
        }
        producer = Producer(settings)
        _persist(producer.init_transactions)
        return producer

    def _recovered(self, producer: Any, error: KafkaException) -> Any:
        """Return a producer that can begin a transaction after an error."""
        if error.args[0].txn_requires_abort():
            try:
                _persist(producer.abort_transaction)
            except KafkaException as worse:
                self.facts.failures.append(str(worse))
            else:
                return producer
        return self._transactional()

    def _note(self, error: KafkaException, numbers: list[int], found: dict[tuple[int, int], int]) -> None:
        self.facts.failures.append(str(error))
        self.facts.unknown |= set(numbers)
        self._count_markers(found)

    def _count_markers(self, found: dict[tuple[int, int], int]) -> None:
        for partition in {partition for partition, _ in found}:
            self.facts.markers[partition] = self.facts.markers.get(partition, 0) + 1


def _persist(call: Any) -> None:
    """Call until it succeeds, or fails in a way that another attempt does not mend."""
    while True:
        try:
            call(FLUSH_SECONDS)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            time.sleep(SLICE)
        else:
            return


def _quiet() -> Any:
    import logging  # noqa: PLC0415 - for this alone

    logger = logging.getLogger("soak.producers")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
