"""The librdkafka properties of the mesh's clients, and where librdkafka's own words go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError

_log = logging.getLogger(__name__)

Property = str | int | float | bool
"""A value of a librdkafka property."""

RESERVED: Final = (
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "group.id",
    "isolation.level",
)
"""What the mesh's promises hang on: a connection's table may not set it."""

_CLIENT: Final[Mapping[str, Property]] = {
    "client.id": "mesh",
    "reconnect.backoff.ms": 100,
    "reconnect.backoff.max.ms": 1_000,
    "socket.keepalive.enable": True,
}

_CONSUMER: Final[Mapping[str, Property]] = {
    "fetch.wait.max.ms": 10,
    # The default of 1,000 ms stalls a consumer whose queue is bounded; see docs/decisions/0007.
    "fetch.queue.backoff.ms": 5,
    "fetch.error.backoff.ms": 100,
    # Both bound what is fetched ahead: small records cost the client more than their bytes.
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 20_000,
    "fetch.max.bytes": 16_777_216,
    # The broker hands out one record batch whatever its size (KIP-74); this is only the bound of what is
    # accepted, and costs nothing until such a batch comes.
    "receive.message.max.bytes": 1_500_000_000,
    "topic.metadata.propagation.max.ms": 5_000,
    "check.crcs": True,
}

_TAIL: Final[Mapping[str, Property]] = {
    # The broker answers at the first byte; a short wait would only ask an idle topic again and again. Nothing else is
    # asked through such a consumer, so nothing queues behind the long poll.
    "fetch.wait.max.ms": 500,
    # A domain holds one such consumer a stream.
    "queued.max.messages.kbytes": 8_192,
}

_READING: Final[Mapping[str, Property]] = {
    "group.id": "mesh-reader",  # librdkafka wants one; with assign() and no commits nobody joins it
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "enable.partition.eof": True,
}

_PRODUCER: Final[Mapping[str, Property]] = {
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 5,
}


class ClientLog(logging.LoggerAdapter[logging.Logger]):
    """Takes librdkafka's log lines for what they are to a person: details.

    librdkafka calls a refused connection an error, and says so at each of its attempts, twenty a second; what
    matters of it is raised.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log a line of librdkafka, for debugging only."""
        super().log(min(level, logging.DEBUG), msg, *args, **kwargs)


def client_log() -> ClientLog:
    """Return the log for librdkafka's lines."""
    return ClientLog(logging.getLogger("mesh_defs.broker.librdkafka"), {})


def client_properties(
    connection: Mapping[str, str], on_error: Callable[[KafkaError], None]
) -> dict[str, Any]:
    """Return what every client of a connection is told."""
    return {**_CLIENT, **connection, "error_cb": on_error}


def consumer_properties(
    connection: Mapping[str, str], on_error: Callable[[KafkaError], None]
) -> dict[str, Any]:
    """Return the properties of a bounded reader: the connection's tuning over ours, our semantics over all.

    librdkafka creates no consumer unless ``fetch.max.bytes`` is at least ``message.max.bytes``.
    """
    properties = {**_CONSUMER, **client_properties(connection, on_error), **_READING}
    largest = int(properties.get("message.max.bytes", 0))
    properties["fetch.max.bytes"] = max(int(properties["fetch.max.bytes"]), largest)
    return properties


def tail_properties(connection: Mapping[str, str], on_error: Callable[[KafkaError], None]) -> dict[str, Any]:
    """Return the properties of a reader that stays at the end of its partitions, as `consumer_properties` does."""
    return {
        **consumer_properties(connection, on_error),
        **{k: v for k, v in _TAIL.items() if k not in connection},
    }


def producer_properties(
    connection: Mapping[str, str], on_error: Callable[[KafkaError], None], overrides: Mapping[str, Property]
) -> dict[str, Any]:
    """Return the properties of an idempotent producer."""
    return {**_PRODUCER, **client_properties(connection, on_error), **overrides}
