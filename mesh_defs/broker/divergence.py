"""Whether a partition's log is still the one that was read: only leader epochs tell, once it has grown again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mesh_defs.broker.failures import Heard, broker_error
from mesh_defs.broker.properties import client_log, consumer_properties
from mesh_defs.model.records import Divergence

_CANNOT: Final = "compare the log of %s with what was read of it"
_POLL_SECONDS: Final = 0.1
_PATIENCE: Final = 20
_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own codes are spelt so


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a partition was read, and who leads it now.

    Attributes:
        next_offset: The first offset that was not read.
        read_epoch: The leader's epoch of the last record before it.
        leader_epoch: The present one.
    """

    next_offset: int
    read_epoch: int
    leader_epoch: int


def find_divergences(
    connection: Mapping[str, str], topic: str, places: Mapping[int, Place], *, timeout: float
) -> dict[int, Divergence]:
    """Return where the logs of partitions differ from what was read of them (KIP-320).

    A consumer is assigned to the next offset with the epoch of the last record that was read. librdkafka asks the
    leader where that epoch ends; where that is before the next offset it goes back there. So what it hands out first
    tells: a record below the next offset is one that nobody has read, or another one than was read. Markers and
    aborted records are not handed out, so that a partition which ends in them is not taken for one that differs.

    Args:
        connection: librdkafka properties.
        topic: The topic.
        places: How far each partition was read.
        timeout: Seconds after which a cluster that does not answer is an error. One that answers is waited for longer:
            it may have to hand out many aborted records, of which nobody hears, before one that was committed.

    Raises:
        BrokerError: The cluster does not answer, or not as it should.
    """
    heard = Heard()
    properties = consumer_properties(connection, heard) | {"auto.offset.reset": "earliest"}
    consumer = Consumer(properties, logger=client_log())
    found: dict[int, Divergence] = {}
    waiting = set(places)
    try:
        consumer.assign(
            [
                TopicPartition(topic, p, place.next_offset, leader_epoch=place.read_epoch)
                for p, place in places.items()
            ]
        )
        last = time.monotonic() + _PATIENCE * timeout
        deadline = time.monotonic() + timeout
        while waiting:
            message = consumer.poll(_POLL_SECONDS)
            if message is None:
                if time.monotonic() >= deadline:
                    if time.monotonic() >= last or not _answers(consumer, topic, min(waiting), timeout):
                        silence = KafkaError(KafkaError._TIMED_OUT)  # noqa: SLF001
                        raise broker_error(silence, cannot=_CANNOT % topic, seen=heard.error)
                    deadline = time.monotonic() + timeout
                continue
            partition, offset, epoch = _told(topic, message)
            if partition in waiting:
                waiting.remove(partition)
                consumer.incremental_unassign([TopicPartition(topic, partition)])
                if offset < places[partition].next_offset:
                    found[partition] = Divergence(offset=offset, leader_epoch=epoch)
    finally:
        consumer.close()
    return found


def _answers(consumer: Consumer, topic: str, partition: int, timeout: float) -> bool:
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=timeout) is not None
    except KafkaException:
        return False


def _told(topic: str, message: Message) -> tuple[int, int, int]:
    """Return partition, offset and leader epoch of a record, or of the end where nothing is left."""
    error, partition, offset = message.error(), message.partition(), message.offset()
    if partition is None or offset is None or (error is not None and error.code() != _EOF):
        raise broker_error(error or KafkaError(KafkaError.UNKNOWN), cannot=_CANNOT % topic)
    epoch = message.leader_epoch() if error is None else None
    return partition, offset, -1 if epoch is None else epoch
