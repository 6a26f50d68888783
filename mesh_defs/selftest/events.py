"""The known events: what each record says, and what must be stored of it, follows from its number alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mesh_defs.broker import Broker
from mesh_defs.model.errors import BrokerError

PARTITIONS: Final = 2
KEYS: Final = 97
DOMAIN: Final = "selftest"
STREAM: Final = "events"
TOPIC: Final = "selftest.events.v1"

CONTRACT: Final = f"""\
apiVersion: v3.1.0
kind: DataContract
id: {DOMAIN}.{STREAM}
name: Known events
version: 1.0.0
status: active
domain: {DOMAIN}
servers:
  - {{server: main, type: kafka, host: "localhost:9092", format: json}}
schema:
  - name: {STREAM}
    physicalName: {TOPIC}
    physicalType: topic
    properties:
      - {{name: number, logicalType: integer, required: true}}
      - {{name: customer, logicalType: string, required: true, primaryKey: true}}
      - {{name: amount, logicalType: number, physicalType: "decimal(12,2)", required: true}}
      - {{name: at, logicalType: timestamp, required: true}}
customProperties:
  - {{property: eventKind, value: hybrid}}
  - {{property: eventTime, value: at}}
  - {{property: partitions, value: {PARTITIONS}}}
  - {{property: maxDeadLetterRatio, value: 1}}
"""

_BAD: Final = (b"{", b'{"number": "%d"}', b'{"customer": "c"}', b"\xff\xfe %d")
_FLUSH_SECONDS: Final = 60.0

Coordinates = tuple[int, int]
"""Partition and offset."""


def is_bad(number: int) -> bool:
    """Say whether a record breaks the contract."""
    return number % 10 == 9  # noqa: PLR2004 - one in ten


def is_tombstone(number: int) -> bool:
    """Say whether a record has no value."""
    return number % 25 == 8  # noqa: PLR2004 - one in 25, never a bad one


def key_of(number: int) -> bytes:
    """Return a record's key: a few that come again and again."""
    return f"customer-{number % KEYS}".encode()


def value_of(number: int) -> bytes | None:
    """Return a record's value: good, bad in one of four ways, or none."""
    if is_tombstone(number):
        return None
    if is_bad(number):
        template = _BAD[number // 10 % len(_BAD)]
        return template % number if b"%d" in template else template
    document: dict[str, Any] = {
        "number": number,
        "customer": key_of(number).decode(),
        "amount": f"{number}.{number % 100:02}",
        "at": f"2026-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
    }
    if _has_unknown(number):
        document["colour"] = "green"
    return json.dumps(document, separators=(",", ":")).encode()


def row_of(number: int) -> tuple[Any, ...]:
    """Return what a good record or a tombstone must be in the table: number, amount, tombstone, key, unknown."""
    if is_tombstone(number):
        return (None, None, True, key_of(number), None)
    unknown = '{"colour":"green"}' if _has_unknown(number) else None
    return (number, f"{number}.{number % 100:02}", False, key_of(number), unknown)


def _has_unknown(number: int) -> bool:
    return number % 50 == 1


@dataclass(slots=True)
class Produced:
    """What the broker acknowledged.

    Attributes:
        numbers: Each record's number, by its coordinates; of aborted transactions there are none.
        aborted: How many records were produced in transactions that were aborted.
    """

    numbers: dict[Coordinates, int] = field(default_factory=dict)
    aborted: int = 0

    @property
    def bad(self) -> int:
        """How many records break the contract."""
        return sum(is_bad(n) for n in self.numbers.values())

    @property
    def tombstones(self) -> int:
        """How many records have no value."""
        return sum(is_tombstone(n) for n in self.numbers.values())

    @property
    def good(self) -> int:
        """How many records keep the contract and have a value."""
        return len(self.numbers) - self.bad - self.tombstones


class Source:
    """Produces the known events in order, and remembers where each went.

    Args:
        broker: The cluster.
    """

    def __init__(self, broker: Broker) -> None:
        self.produced = Produced()
        self._producer = broker.producer()
        self._transactional = broker.producer(**{"transactional.id": "mesh-selftest"})
        self._transactional.init_transactions(_FLUSH_SECONDS)
        self._next = 0
        self._failure: object = None

    def produce(self, count: int) -> None:
        """Produce the next records and wait until the broker has them.

        Raises:
            BrokerError: A record was not taken.
        """
        for number in self._numbers(count):

            def acknowledged(error: object, message: Any, number: int = number) -> None:
                if error is None:
                    self.produced.numbers[message.partition(), message.offset()] = number
                else:
                    self._failure = error

            self._send(self._producer, number, acknowledged)
        self._finish(self._producer)

    def abort(self, count: int) -> None:
        """Produce records in a transaction and abort it: they must never be seen.

        Raises:
            BrokerError: A record was not taken.
        """
        self._transactional.begin_transaction()
        for number in self._numbers(count):
            self._send(self._transactional, number, self._note)
        self._finish(self._transactional)
        self._transactional.abort_transaction(_FLUSH_SECONDS)
        self.produced.aborted += count

    def _numbers(self, count: int) -> Iterator[int]:
        first, self._next = self._next, self._next + count
        return iter(range(first, self._next))

    def _send(self, producer: Any, number: int, on_delivery: Any) -> None:
        producer.produce(
            TOPIC,
            key=key_of(number),
            value=value_of(number),
            partition=number // 5 % PARTITIONS,
            on_delivery=on_delivery,
        )
        producer.poll(0)

    def _note(self, error: object, _message: object) -> None:
        self._failure = self._failure or error

    def _finish(self, producer: Any) -> None:
        left = producer.flush(_FLUSH_SECONDS)
        if left or self._failure is not None:
            raise BrokerError(
                cannot="produce the events of the self-test",
                why=str(self._failure or f"{left} were not acknowledged in {_FLUSH_SECONDS:.0f} s"),
                do="run it again with --keep and read data/logs/kafka.log in its folder",
            )
