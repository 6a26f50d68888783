"""Questions about several topics at once; what does not answer is left out, to be asked by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import IsolationLevel, KafkaError, TopicCollection, TopicPartition
from confluent_kafka.admin import OffsetSpec, TopicDescription

from mesh_defs.broker.asking import Admin
from mesh_defs.model.records import TopicIdentity, Watermarks

_LEFT_OUT: Final = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError._NOENT,  # noqa: SLF001 - librdkafka's own codes are spelt so
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
)


def describe_many(admin: Admin, topics: Sequence[str]) -> dict[str, TopicDescription]:
    """Return what each topic is.

    Raises:
        BrokerAccessError: The cluster refuses the credentials.
        BrokerUnavailableError: The cluster does not answer in time.
    """
    wanted = sorted(set(topics))
    if not wanted:
        return {}
    names = TopicCollection(wanted)
    answers = admin.ask(
        f"describe {', '.join(wanted)}",
        lambda client, t: list(client.describe_topics(names, request_timeout=t).values()),
        expected=_LEFT_OUT,
    )
    return {t: d for t, d in zip(wanted, answers, strict=True) if not isinstance(d, KafkaError)}


def many_offsets(
    admin: Admin, topics: Mapping[str, Sequence[int]], spec: OffsetSpec, *, committed: bool = True
) -> dict[str, dict[int, int]]:
    """Return an offset of each partition of each topic. Raises as `describe_many` does.

    Args:
        admin: The cluster's.
        topics: For each topic its partitions.
        spec: Which offset.
        committed: Whether open transactions end a partition.
    """
    asked = [TopicPartition(topic, p) for topic, partitions in topics.items() for p in partitions]
    found: dict[str, dict[int, int]] = {topic: {} for topic in topics}
    if not asked:
        return found
    wanted = dict.fromkeys(asked, spec)
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    answers = admin.ask(
        f"ask for the offsets of {', '.join(topics)}",
        lambda client, t: list(
            client.list_offsets(wanted, isolation_level=level, request_timeout=t).values()
        ),
        expected=_LEFT_OUT,
    )
    for place, answer in zip(asked, answers, strict=True):
        if not isinstance(answer, KafkaError):
            found[place.topic][place.partition] = answer.offset
    return found


def held_back(admin: Admin, topics: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
    """Return the last stable offsets of the partitions of each topic that an open transaction holds back.

    The high watermark is asked for first: what is stable later and still below it is below it because of a transaction.
    Raises as `describe_many` does.
    """
    high = many_offsets(admin, topics, OffsetSpec.latest(), committed=False)
    stable = many_offsets(admin, topics, OffsetSpec.latest())
    return {
        topic: {p: offset for p, offset in own.items() if offset < high[topic].get(p, offset)}
        for topic, own in stable.items()
    }


def identities_of(described: Mapping[str, TopicDescription], cluster: str) -> dict[str, TopicIdentity]:
    """Return which topic of which cluster each one is."""
    return {t: TopicIdentity(cluster_id=cluster, topic_id=str(d.topic_id)) for t, d in described.items()}


def marks_of(
    partitions: Mapping[str, Sequence[int]],
    low: Mapping[str, Mapping[int, int]],
    end: Mapping[str, Mapping[int, int]],
) -> dict[str, dict[int, Watermarks | None]]:
    """Return what each partition of each topic holds; None where it did not answer."""
    return {
        topic: {p: _mark(low[topic].get(p), end[topic].get(p)) for p in own}
        for topic, own in partitions.items()
    }


def _mark(low: int | None, end: int | None) -> Watermarks | None:
    return None if low is None or end is None else Watermarks(low=low, end=max(end, low))
