"""One cluster as the mesh sees it: identity, offsets, bounded reads, topics."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, ListOffsetsResultInfo, OffsetSpec, TopicDescription

from mesh_defs.broker.asking import Admin, Knock
from mesh_defs.broker.divergence import Place, find_divergences
from mesh_defs.broker.failures import configuration_error
from mesh_defs.broker.glance import Glance
from mesh_defs.broker.leaders import ask_leaders
from mesh_defs.broker.mirroring import MovedOffset, mirror_offsets
from mesh_defs.broker.properties import Property, client_log, producer_properties
from mesh_defs.broker.reader import BoundedReader
from mesh_defs.broker.survey import (
    describe_many,
    held_back,
    identities_of,
    many_marks,
    many_offsets,
    mark_of,
)
from mesh_defs.broker.tail import TailReader
from mesh_defs.broker.topics import TopicPlan, create_topics, plan_topics
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.records import Divergence, TopicIdentity, Watermarks

# So long one request for metadata takes at most: librdkafka's callbacks are served between two of them.
_METADATA_SECONDS: Final = 2.0
DEFAULT_TIMEOUT: Final = 30.0
"""Seconds after which a cluster that does not answer is an error."""


class Broker:
    """A cluster, asked through one AdminClient of its own.

    Queries never go through a consumer: an assigned one answers them only after its long poll. The client is
    created at the first question, so a `Broker` may be made before a fork, and used after it.

    Args:
        connection: librdkafka properties, as `connection_for` returns them.
        timeout: Seconds after which each question fails.
    """

    def __init__(self, connection: Mapping[str, str], *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._connection = dict(connection)
        self._admin = Admin(self._connection, timeout=timeout)
        self._timeout = timeout
        self._sound: set[tuple[str, int, Place]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the client. A later question opens a new one."""
        self._admin.close()

    def identity(self, topic: str) -> TopicIdentity:
        """Return which topic of which cluster this really is (KIP-516).

        Raises:
            TopicMissingError: The topic is not there.
            BrokerAccessError: It may not be described.
            BrokerUnavailableError: The cluster does not answer in time.
        """
        described = self._describe(topic)
        return TopicIdentity(cluster_id=self._cluster_id(topic), topic_id=str(described.topic_id))

    def cluster_id(self) -> str:
        """Return the id of the cluster, which shows that it answers and takes the credentials.

        Raises:
            BrokerAccessError: It refuses them.
            BrokerUnavailableError: It does not answer in time.
        """
        return self._cluster_id(None)

    def knock(self, topic: str) -> Knock:
        """Ask the cluster for a topic, only to see whether it answers, and wait for nothing.

        Raises:
            ConfigError: librdkafka refuses the connection's properties.
        """
        return self._admin.knock(topic)

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the topic's partitions, ascending. Raises as `identity` does."""
        return tuple(sorted(p.id for p in self._describe(topic).partitions))

    def watermarks(self, topic: str, partitions: Sequence[int]) -> dict[int, Watermarks]:
        """Return what each partition holds; the end is the last stable offset, not the high watermark.

        Raises as `identity` does.
        """
        low = self._offsets(topic, partitions, OffsetSpec.earliest())
        end = self._answers(topic, partitions, OffsetSpec.latest())
        return {p: mark_of(low[p], end[p]) for p in partitions}

    def ends(self, topics: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
        """Return the last stable offsets of several topics' partitions, in one question.

        A partition of which the cluster says no offset (the topic is gone, it has no leader) is left out.

        Raises:
            BrokerAccessError: The cluster refuses the credentials.
            BrokerUnavailableError: The cluster does not answer in time.
        """
        return many_offsets(self._admin, topics, OffsetSpec.latest())

    def held_back(self, topics: Mapping[str, Sequence[int]]) -> dict[str, dict[int, int]]:
        """Return the last stable offsets of the partitions that an open transaction holds back (KIP-98).

        Raises as `ends` does.
        """
        return held_back(self._admin, topics)

    def identities(self, topics: Sequence[str]) -> dict[str, TopicIdentity]:
        """Return the identities of several topics, in two questions; one that does not answer is left out.

        Raises as `ends` does.
        """
        described = describe_many(self._admin, topics)
        return identities_of(described, self._cluster_id(next(iter(described)))) if described else {}

    def glance(self, topics: Sequence[str], *, patient: bool = True) -> Glance:
        """Ask at once what several topics are and what they hold, in four questions.

        Raises as `ends` does.

        Args:
            topics: Their names.
            patient: Whether partitions without a leader are waited for; else they are left out at once.
        """
        described = describe_many(self._admin, topics)
        if not described:
            return Glance(self, {}, {}, patient=patient)
        partitions = {topic: [p.id for p in d.partitions] for topic, d in described.items()}
        marks = many_marks(self._admin, partitions)
        cluster = self._cluster_id(next(iter(described)))
        return Glance(self, identities_of(described, cluster), marks, patient=patient)

    def offsets_at(self, topic: str, partitions: Sequence[int], instant: dt.datetime) -> dict[int, int]:
        """Return the first offset of each partition whose timestamp is at or after an instant.

        Where there is none, it is the last stable offset. Raises as `identity` does.

        Args:
            topic: The topic.
            partitions: Its partitions to ask for.
            instant: With a time zone. Kafka counts milliseconds, so a fraction is rounded up.
        """
        milliseconds = math.ceil(instant.timestamp() * 1_000)
        found = self._offsets(topic, partitions, OffsetSpec.for_timestamp(milliseconds))
        beyond = [p for p in partitions if found[p] < 0]
        return found | (self._offsets(topic, beyond, OffsetSpec.latest()) if beyond else {})

    def divergences(self, topic: str, places: Mapping[int, Place]) -> dict[int, Divergence]:
        """Return where the logs of partitions are not those that were read before; see `find_divergences`.

        What is found sound is not asked about again while the leader stays.
        """
        fresh = {p: place for p, place in places.items() if (topic, p, place) not in self._sound}
        if not fresh:
            return {}
        found = find_divergences(self._connection, topic, fresh, timeout=self._timeout)
        self._sound.update((topic, p, place) for p, place in fresh.items() if p not in found)
        return found

    def reader(
        self, topic: str, ranges: Mapping[int, tuple[int, int]], *, tail: bool = False
    ) -> BoundedReader:
        """Return a reader of the offsets [from, to) of each partition; see `BoundedReader`.

        Args:
            topic: The topic.
            ranges: For each partition [from, to).
            tail: Whether it is to go on at later ranges; see `TailReader`.
        """
        kind = TailReader if tail else BoundedReader
        return kind(self._connection, topic, ranges, watermarks=self.watermarks, stall_timeout=self._timeout)

    def mirror(
        self, group: str, topic: str, offsets: Mapping[int, int], before: Mapping[int, int] | None = None
    ) -> tuple[MovedOffset, ...]:
        """Commit offsets for a group, for lag tools only: nothing in the mesh goes by them.

        Args:
            group: The group.
            topic: The topic.
            offsets: For each partition, what the group is to show.
            before: For each partition to be looked at, where the store was before.

        Returns:
            What the group held of those partitions that somebody else had committed.

        Raises:
            BrokerError: The group's offsets could not be asked for or committed.
        """
        return mirror_offsets(self._admin, group, topic, offsets, before or {}) if offsets else ()

    def plan_topics(self, contracts: Sequence[StreamContract]) -> tuple[TopicPlan, ...]:
        """Compare the contracts' topics with the cluster's, changing nothing. Raises as `identity` does."""
        return plan_topics(self._admin, contracts)

    def apply_topics(self, contracts: Sequence[StreamContract]) -> tuple[TopicPlan, ...]:
        """Create the topics that are missing; an existing topic is compared, never altered.

        Raises:
            TopicConflictError: Contracts of one topic contradict each other; nothing was created.
            BrokerAccessError: A topic may not be described or created.
            BrokerUnavailableError: The cluster does not answer in time.
        """
        plans = self.plan_topics(contracts)
        create_topics(self._admin, plans)
        return plans

    def producer(self, **overrides: Property) -> Producer:
        """Return an idempotent producer; the caller produces, polls and flushes.

        Args:
            overrides: librdkafka properties, as in ``producer(**{"linger.ms": 50})``.
        """
        properties = producer_properties(self._connection, self._admin.heard, overrides)
        try:
            return Producer(properties, logger=client_log())
        except KafkaException as failure:
            raise configuration_error(failure) from None

    def _cluster_id(self, topic: str | None) -> str:
        """Ask by way of a topic that is there, or of all.

        Not by `describe_cluster`: librdkafka 2.16 aborts the process (`rd_kafka_admin_response_parse`) where a broker
        answers before it has registered itself, and so names no broker at all.
        """

        def request(admin: AdminClient, seconds: float) -> list[Future[str]]:
            admin.poll(0)  # a denial is told to a callback, and ends the question in `ask`
            answer: Future[str] = Future()
            found = admin.list_topics(topic, timeout=min(seconds, _METADATA_SECONDS))
            answer.set_result(str(found.cluster_id))
            return [answer]

        return str(self._admin.ask("ask for the cluster's id", request)[0])

    def _describe(self, topic: str) -> TopicDescription:
        names = TopicCollection([topic])
        found: list[TopicDescription] = self._admin.ask(
            f"describe the topic {topic}",
            lambda admin, t: list(admin.describe_topics(names, request_timeout=t).values()),
        )
        return found[0]

    def _offsets(self, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
        return {p: info.offset for p, info in self._answers(topic, partitions, spec).items()}

    def _answers(
        self, topic: str, partitions: Sequence[int], spec: OffsetSpec
    ) -> dict[int, ListOffsetsResultInfo]:
        known = partial(self.partitions, topic)
        return ask_leaders(self._admin, topic, partitions, spec, timeout=self._timeout, known=known)
