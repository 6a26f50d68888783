"""What the leaders of one topic's partitions say; a partition that has none just now is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from confluent_kafka import IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, OffsetSpec

from mesh_defs.broker.asking import Admin
from mesh_defs.model.errors import BrokerUnavailableError, TopicMissingError

_RETRY_SECONDS: Final = 0.1
_LEADERLESS: Final = (KafkaError._NOENT,)  # noqa: SLF001 - librdkafka's own codes are spelt so


def ask_leaders(
    admin: Admin,
    topic: str,
    partitions: Sequence[int],
    spec: OffsetSpec,
    *,
    timeout: float,
    known: Callable[[], Iterable[int]],
) -> dict[int, ListOffsetsResultInfo]:
    """Return an offset of each partition, below open transactions.

    Args:
        admin: The cluster's.
        topic: The topic.
        partitions: Those to ask for.
        spec: Which offset.
        timeout: Seconds to wait for leaders.
        known: Returns the partitions that the topic has.

    Raises:
        TopicMissingError: The topic or one of the partitions is not there.
        BrokerAccessError: The topic may not be described.
        BrokerUnavailableError: The cluster does not answer in time, or a partition has no leader.
    """
    wanted = {TopicPartition(topic, p): spec for p in partitions}
    deadline = time.monotonic() + timeout
    while True:
        found = admin.ask(
            f"ask for the offsets of {topic}",
            lambda client, t: list(
                client.list_offsets(
                    wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=t
                ).values()
            ),
            expected=_LEADERLESS,
        )
        if not any(isinstance(answer, KafkaError) for answer in found):
            return dict(zip(partitions, found, strict=True))
        # A topic or a partition that is not there has no leader either.
        unknown = sorted(set(partitions) - set(known()))
        if unknown:
            raise TopicMissingError(
                cannot=f"ask for the offsets of {topic}",
                why=f"the topic has no partition {unknown[0]}",
                do="see whether the topic was created anew with fewer partitions",
            )
        if time.monotonic() >= deadline:
            raise BrokerUnavailableError(
                cannot=f"ask for the offsets of {topic}",
                why="a partition has no leader",
                do="see whether all brokers of the cluster run",
            )
        threading.Event().wait(_RETRY_SECONDS)
