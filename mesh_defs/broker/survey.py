"""Questions about several topics at once; what does not answer is left out, to be asked by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from confluent_kafka import IsolationLevel, KafkaError, TopicCollection, TopicPartition
from confluent_kafka.admin import ListOffsetsResultInfo, OffsetSpec, TopicDescription

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
    found = _many(admin, topics, spec, committed=committed)
    return {topic: {p: answer.offset for p, answer in own.items()} for topic, own in found.items()}


def many_marks(admin: Admin, topics: Mapping[str, Sequence[int]]) -> dict[str, dict[int, Watermarks | None]]:
    """Return what each partition of each topic holds; None where it did not answer. Raises as `describe_many` does."""
    low = many_offsets(admin, topics, OffsetSpec.earliest())
    end = _many(admin, topics, OffsetSpec.latest(), committed=True)
    return {
        topic: {p: _mark(low[topic].get(p), end[topic].get(p)) for p in own} for topic, own in topics.items()
    }


def _many(
    admin: Admin, topics: Mapping[str, Sequence[int]], spec: OffsetSpec, *, committed: bool
) -> dict[str, dict[int, ListOffsetsResultInfo]]:
    asked = [TopicPartition(topic, p) for topic, partitions in topics.items() for p in partitions]
    found: dict[str, dict[int, ListOffsetsResultInfo]] = {topic: {} for topic in topics}
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
            found[place.topic][place.partition] = answer
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


def mark_of(low: int, end: ListOffsetsResultInfo) -> Watermarks:
    """Return what a partition holds, from the answers about its ends; retention may have moved on between the two."""
    epoch = end.leader_epoch
    return Watermarks(low=low, end=max(end.offset, low), leader_epoch=-1 if epoch is None else epoch)


def _mark(low: int | None, end: ListOffsetsResultInfo | None) -> Watermarks | None:
    return None if low is None or end is None else mark_of(low, end)
