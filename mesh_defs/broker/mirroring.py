"""The offsets that a consumer group shows to lag tools: what the store holds, and whether somebody moved them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from confluent_kafka import OFFSET_INVALID, ConsumerGroupTopicPartitions, KafkaError, TopicPartition

from mesh_defs.broker.asking import Admin

_OURS: Final = "mesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedOffset:
    """An offset of a group that somebody else committed.

    Attributes:
        found: What the group had.
        stored: Where the store was when the mesh committed for the group last; where it is not known, before the
            commit that is being mirrored.
    """

    group: str
    partition: int
    found: int
    stored: int


def mirror_offsets(
    admin: Admin, group: str, topic: str, offsets: Mapping[int, int], before: Mapping[int, int]
) -> tuple[MovedOffset, ...]:
    """Commit offsets for a group; see `Broker.mirror`.

    Each offset is committed with a word of ours beside it, which any other program's commit replaces. So a group that
    is behind because the mesh was killed before it mirrored a commit is told from one that somebody moved.

    Raises:
        BrokerError: The group's offsets could not be asked for or committed.
    """
    moved = tuple(_moved(admin, group, topic, before)) if before else ()
    wanted = [TopicPartition(topic, p, offset, f"{_OURS} {offset}") for p, offset in offsets.items()]
    request = [ConsumerGroupTopicPartitions(group, wanted)]
    admin.ask(
        f"mirror the offsets of {topic} to the group {group}",
        lambda client, t: list(client.alter_consumer_group_offsets(request, request_timeout=t).values()),
        refusal=_refusal,
    )
    return moved


def _moved(admin: Admin, group: str, topic: str, before: Mapping[int, int]) -> Iterator[MovedOffset]:
    """Yield the partitions for which the group holds what the mesh did not commit."""
    request = [ConsumerGroupTopicPartitions(group, [TopicPartition(topic, p) for p in before])]
    (answer,) = admin.ask(
        f"ask for the offsets of the group {group}",
        lambda client, t: list(client.list_consumer_group_offsets(request, request_timeout=t).values()),
        refusal=_refusal,
    )
    for place in answer.topic_partitions or ():
        word, _, said = (place.metadata or "").partition(" ")
        stored = int(said) if word == _OURS and said.isdigit() else before[place.partition]
        if place.offset not in {stored, OFFSET_INVALID}:
            yield MovedOffset(group=group, partition=place.partition, found=place.offset, stored=stored)


def _refusal(answer: ConsumerGroupTopicPartitions) -> KafkaError | None:
    return next((p.error for p in answer.topic_partitions or () if p.error), None)
