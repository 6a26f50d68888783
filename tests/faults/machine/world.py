"""One mesh with one stream on a real Kafka, and all that the machine knows about it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException, Producer

from mesh_defs.broker import Broker
from mesh_defs.store import DomainStore
from tests.conftest import BOUND, KafkaServer, wait_for
from tests.faults.machine.judge import Judge, check_by_the_mesh
from tests.faults.machine.model import PartitionLog, TopicLog
from tests.faults.machine.nursery import Nursery
from tests.faults.machine.records import Draft, Sent, Terms
from tests.faults.machine.view import View, read_view
from tests.faults.machine.visits import Visits
from tests.faults.machine.work import DOMAIN, STREAM
from tests.meshes import MeshFolder

FULL_NAME = f"{DOMAIN}.{STREAM}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all examples of a run share: a broker, processes, and the counts.

    Attributes:
        folder: Where each example's mesh gets a folder.
        asking: The product's client.
        producer: For the transactions that stay open; one at a time.
    """

    kafka: KafkaServer
    folder: Path
    nursery: Nursery
    asking: Broker
    producer: Producer
    visits: Visits = field(default_factory=Visits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A process that stands still in the middle of a commit.

    Attributes:
        nexts: What the store said when it stopped.
        topic_id: Of the topic that it may have read.
        lows: The low watermarks of that.
        step: Before which it stopped.
    """

    pid: int
    work: str
    terms: Terms
    nexts: dict[int, int]
    topic_id: str
    lows: dict[int, int]
    step: int


class World:
    """One example's mesh.

    Args:
        bench: The run's.
        partitions: How many the topic begins with.
        terms: The contract's first.
    """

    def __init__(self, bench: Bench, partitions: int, terms: Terms) -> None:
        self.bench = bench
        self.visits = bench.visits
        self.terms = terms
        self.mesh = MeshFolder(bench.folder / f"mesh-{uuid.uuid4().hex[:8]}", bench.kafka.bootstrap)
        self.name = bench.kafka.topic(partitions=partitions)
        self.topic = self._log(partitions)
        self.topics = {self.topic.topic_id: self.topic}
        self.sign(terms)
        self.judge = Judge(self.project)
        self.stopped: Stopped | None = None
        self.reader: Reader | None = None
        self.open_partition: int | None = None
        self._open_offsets: list[int] = []
        self._number = 0
        self.touched = False
        self.retried: list[Terms] = []
        self.retention = False

    @property
    def view(self) -> View | None:
        """What the store said after the last step."""
        return self.judge.view

    @property
    def nexts(self) -> dict[int, int]:
        """The next offsets of the store, where it has read the topic that is there."""
        return self.view.nexts if self.view is not None and self.is_known_topic else {}

    @property
    def is_known_topic(self) -> bool:
        """Whether the store has read the topic that is there, or none at all."""
        stream = self.view.stream if self.view else None
        return stream is None or stream.identity.topic_id == self.topic.topic_id

    @property
    def lost(self) -> dict[int, tuple[int, int]]:
        """The ranges that are lost and in no ledger entry yet."""
        return {
            p: (self.nexts[p], log.low)
            for p, log in enumerate(self.topic.partitions)
            if p in self.nexts and log.low > self.nexts[p]
        }

    def log(self, number: int) -> tuple[int, PartitionLog]:
        """Return a partition, whatever number was drawn."""
        partition = number % len(self.topic.partitions)
        return partition, self.topic.partitions[partition]

    def sign(self, terms: Terms) -> None:
        """Write the contract."""
        self.terms = terms
        self.mesh.stream(
            FULL_NAME, self.name, terms.properties, partitions=1, maxDeadLetterRatio=1, onLoss=terms.on_loss
        )
        self.project = self.mesh.open()

    def number(self, drafts: Sequence[Draft]) -> list[Sent]:
        """Number the records that are sent next."""
        self._number += len(drafts)
        for kind in {draft.kind for draft in drafts}:
            self.visits.saw(f"produced: {kind.value}")
        return [draft.sent(self._number - len(drafts) + i) for i, draft in enumerate(drafts)]

    def produce(self, partition: int, drafts: Sequence[Draft]) -> None:
        """Produce records; each is acknowledged at the offset that the model has for it."""
        sent = self.number(drafts)
        told = self.bench.kafka.produce(self.name, [s.arguments for s in sent], partition)
        assert told == self.topic.partitions[partition].append(sent)

    def open_transaction(self, partition: int, drafts: Sequence[Draft]) -> None:
        """Produce records in a transaction that stays open."""
        sent, log = self.number(drafts), self.topic.partitions[partition]
        self.bench.producer.begin_transaction()
        for record in sent:
            self.bench.producer.produce(self.name, partition=partition, **record.arguments)
        assert self.bench.producer.flush(BOUND) == 0
        log.open_from = len(log.entries)
        self._open_offsets = log.append(sent)
        self.open_partition = partition

    def end_transaction(self, *, commit: bool) -> None:
        """End the open transaction, and wait for its marker."""
        assert self.open_partition is not None
        partition, kafka = self.open_partition, self.bench.kafka
        log = self.topic.partitions[partition]
        if commit:
            self.bench.producer.commit_transaction(BOUND)
        else:
            self.bench.producer.abort_transaction(BOUND)
        end = len(log.entries)
        wait_for(lambda: kafka.high_watermark(self.name, partition) > end, "the marker is there")
        log.mark([] if commit else self._open_offsets)
        log.open_from = self.open_partition = None

    def add_partition(self) -> None:
        """Let the topic grow."""
        self.topic.partitions.append(PartitionLog())
        self.bench.kafka.add_partitions(self.name, len(self.topic.partitions))
        self._let_producers_know()

    def recreate(self, partitions: int) -> None:
        """Delete the topic, and create another one of its name."""
        self.bench.kafka.delete_topic(self.name)
        self.bench.kafka.topic(partitions=partitions, name=self.name)
        self.topic = self._log(partitions)
        self.topics[self.topic.topic_id] = self.topic
        self._let_producers_know()

    def _let_producers_know(self) -> None:
        """Let them ask for the topic's partitions: of themselves they do so every few minutes."""
        total = len(self.topic.partitions)

        def knows(producer: Producer) -> bool:
            return len(producer.list_topics(self.name, BOUND).topics[self.name].partitions) == total

        for producer in (self.bench.producer, *self.bench.kafka.own_producers()):
            wait_for(lambda heard=producer: knows(heard), f"producers know of {total} partitions")

    def check(self) -> None:
        """Assert every invariant after a step that may have touched the store."""
        if not self.touched:
            return
        terms, starts = {self.terms}, {p: {low} for p, low in self.topic.lows().items()}
        if self.stopped is not None:
            terms.add(self.stopped.terms)
            for partition, low in self.stopped.lows.items():
                starts.setdefault(partition, set()).add(low)
        self.judge.check(
            self.topics,
            terms | set(self.retried),
            retried=self.retried,
            retention=self.retention,
            starts=starts,
        )
        check_by_the_mesh(self.project, ask_broker=self.is_known_topic)
        if self.reader is not None:
            self.reader.check()
        self.touched = self.retention = False
        self.retried = []

    def close(self) -> None:
        """Leave nothing open."""
        self.judge.close()
        if self.reader is not None:
            self.reader.close()
        if self.open_partition is not None:
            with suppress(KafkaException):  # its topic may be gone
                self.bench.producer.abort_transaction(BOUND)

    def _log(self, partitions: int) -> TopicLog:
        identity = self.bench.asking.identity(self.name)
        return TopicLog(topic_id=identity.topic_id, partitions=[PartitionLog() for _ in range(partitions)])


class Reader:
    """Somebody who reads in one transaction, while others write.

    Args:
        world: Whose store is read.
    """

    def __init__(self, world: World) -> None:
        self._store = DomainStore.open(world.project.data_folder(DOMAIN), DOMAIN, read_only=True)
        self._store.connection.execute("BEGIN")
        self.view = read_view(self._store.connection)

    def check(self) -> None:
        """Assert that it sees what it saw, and that this is one whole state."""
        self.view.whole()
        assert read_view(self._store.connection) == self.view, "an open transaction saw something else"

    def close(self) -> None:
        """End the transaction."""
        self._store.connection.execute("COMMIT")
        self._store.close()
