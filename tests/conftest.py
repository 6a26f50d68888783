"""A real Apache Kafka for the tests: one for the session, and others for tests that kill them."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from mesh_defs.broker import Broker, LocalKafka, LocalKafkaStatus, free_port

Record = bytes | None | dict[str, Any]
"""A value, or the arguments of `Producer.produce` but the topic: value, key, headers, timestamp, partition."""

BOUND = 60.0
"""Seconds after which a wait in a test fails; generous, never reached on a sound machine."""

_EAGER = {
    "log.cleaner.backoff.ms": "100",
    "log.initial.task.delay.ms": "100",
    "log.retention.check.interval.ms": "500",
}
"""Server properties that let compaction and retention happen while a test looks on."""


_LONGEST_FIRST = {
    f"test_{name}.py": place
    for place, name in enumerate(
        (
            *(
                "pages",
                "run",
                "dagster",
                "kills",
                "replay",
                "local",
                "up",
                "launcher",
                "commands",
            ),
            *(
                "unreachable",
                "prune",
                "payload",
                "load",
                "rest",
                "up_refusals",
                "calls",
                "selftest",
                "store",
                "repair",
            ),
        )
    )
}
"""Files that take longest: each is one piece of one of two processes, and both are to end together."""


def pytest_configure() -> None:
    """Let SIGINT interrupt also where a shell has started the tests in the background and ignores it.

    Dagster makes of SIGTERM what SIGINT is; every Java that is started then would ignore both, and be waited for.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files: where one comes last, the other process has nothing left to do."""
    items.sort(key=lambda item: _LONGEST_FIRST.get(item.path.name, len(_LONGEST_FIRST)))


def wait_for(condition: Callable[[], object], what: str, bound: float = BOUND) -> None:
    """Wait until a condition holds; fail the test where it does not within `bound` seconds."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline, f"waited {bound:.0f} s in vain until {what}"
        threading.Event().wait(0.05)


class KafkaServer:
    """A running Kafka with what tests do to one.

    Attributes:
        local: The product's own handle of it.
    """

    wait_for = staticmethod(wait_for)

    def __init__(
        self, folder: Path, properties: Mapping[str, str] | None = None, *, port: int | None = None
    ) -> None:
        self.local = LocalKafka(folder, port=port or free_port(), properties=_EAGER | dict(properties or {}))
        self._producer: Producer | None = None
        self._transactional: Producer | None = None
        self.start()

    @property
    def bootstrap(self) -> str:
        """Its address, ``host:port``; also while it is down."""
        return f"127.0.0.1:{self.local.status().port}"

    @property
    def connection(self) -> dict[str, str]:
        """What `Broker` takes."""
        return {"bootstrap.servers": self.bootstrap}

    def start(self) -> LocalKafkaStatus:
        """Start it, on the same port as before."""
        self._producer = self._transactional = None
        return self.local.start()

    def stop(self) -> None:
        """Stop it as a person would."""
        self.local.stop()

    def restart(self) -> None:
        """Stop and start it; the data stays."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End it with SIGKILL and wait until it is gone."""
        pid = self.local.status().pid
        assert pid is not None, "the broker is not running"
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.local.status().running, "the killed broker is gone")

    def broker(self, timeout: float = 30.0) -> Broker:
        """Return a `Broker` of it, to be closed by the caller."""
        return Broker(self.connection, timeout=timeout)

    def topic(
        self, partitions: int = 1, config: Mapping[str, str] | None = None, name: str | None = None
    ) -> str:
        """Create a topic, under a name of its own unless given, and wait until it can be used."""
        topic = name or f"t-{uuid.uuid4().hex[:12]}"
        wanted = NewTopic(topic, num_partitions=partitions, config=dict(config or {}))
        with self.admin() as admin:
            _settle(admin.create_topics([wanted]))
            wait_for(lambda: _has_leaders(admin, topic, partitions), f"{topic} is created")
        return topic

    def add_partitions(self, topic: str, total: int) -> None:
        """Let a topic grow to so many partitions."""
        from confluent_kafka.admin import NewPartitions  # noqa: PLC0415 - the only user

        with self.admin() as admin:
            _settle(admin.create_partitions([NewPartitions(topic, total)]))
            wait_for(lambda: _has_leaders(admin, topic, total), f"{topic} has {total} partitions")

    def delete_topic(self, topic: str) -> None:
        """Delete a topic and wait until it is gone."""
        with self.admin() as admin:
            _settle(admin.delete_topics([topic]))
            wait_for(lambda: topic not in admin.list_topics(timeout=BOUND).topics, f"{topic} is gone")

    def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Let the broker forget the offsets below `before`, as retention does."""
        with self.admin() as admin:
            _settle(admin.delete_records([TopicPartition(topic, partition, before)]))

    def set_config(self, topic: str, config: Mapping[str, str]) -> None:
        """Replace a topic's own configuration."""
        from confluent_kafka.admin import ConfigResource  # noqa: PLC0415 - the only user

        with self.admin() as admin:
            resource = ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=dict(config))
            _settle(admin.alter_configs([resource]))

    def high_watermark(self, topic: str, partition: int = 0) -> int:
        """Return the end of a partition's log, uncommitted records included."""
        with self.admin() as admin:
            found = admin.list_offsets({TopicPartition(topic, partition): OffsetSpec.latest()})
            return next(iter(found.values())).result(BOUND).offset

    def produce(
        self, topic: str, records: Iterable[Record], partition: int = 0, **properties: Any
    ) -> list[int]:
        """Produce records in order, wait for their acknowledgement, and return their offsets.

        Args:
            topic: The topic.
            records: Values, or dicts of `Producer.produce` arguments.
            partition: For the records that name none.
            properties: librdkafka's, with underscores for dots: ``message_max_bytes=2_000_000``.
        """
        producer = self.producer(**properties) if properties else self._usual_producer()
        offsets = _send(producer, topic, records, partition)
        _flush(producer)
        return offsets

    def transaction(
        self, topic: str, records: Iterable[Record], partition: int = 0, *, commit: bool = True
    ) -> None:
        """Produce records in one transaction, commit or abort it, and wait for the marker that this leaves.

        The coordinator answers before it has written the markers. All records go to one partition.
        """
        producer = self._transactional_producer()
        producer.begin_transaction()
        _send(producer, topic, records, partition)
        _flush(producer)
        end = self.high_watermark(topic, partition)
        if commit:
            producer.commit_transaction(BOUND)
        else:
            producer.abort_transaction(BOUND)
        wait_for(lambda: self.high_watermark(topic, partition) > end, "the transaction's marker is there")

    @contextmanager
    def open_transaction(
        self, topic: str, records: Iterable[Record], partition: int = 0
    ) -> Iterator[Producer]:
        """Produce records in a transaction and leave it open; it is aborted at the end unless it was ended."""
        producer = self.producer(transactional_id=f"test-{uuid.uuid4().hex}")
        producer.init_transactions(BOUND)
        producer.begin_transaction()
        _send(producer, topic, records, partition)
        _flush(producer)
        try:
            yield producer
        finally:
            with suppress(KafkaException):  # the test ended it
                producer.abort_transaction(BOUND)

    def _usual_producer(self) -> Producer:
        """Return the one for most tests: an idempotent one takes half a second to begin."""
        if self._producer is None:
            settings = {"acks": "all", "max.in.flight.requests.per.connection": 1, "linger.ms": 0}
            self._producer = Producer({**self.connection, "log_level": 0, **settings})
        return self._producer

    def _transactional_producer(self) -> Producer:
        """Return the one for `transaction`: it takes half a second to begin as well."""
        if self._transactional is None:
            self._transactional = self.producer(transactional_id=f"test-{uuid.uuid4().hex}")
            self._transactional.init_transactions(BOUND)
        return self._transactional

    def own_producers(self) -> tuple[Producer, ...]:
        """Return those that `produce` and `transaction` use."""
        return (self._usual_producer(), self._transactional_producer())

    def producer(self, **properties: Any) -> Producer:
        """Return an idempotent producer; properties as in `produce`."""
        dotted = {name.replace("_", "."): value for name, value in properties.items()}
        return Producer({**self.connection, "enable.idempotence": True, "log_level": 0, **dotted})

    @contextmanager
    def admin(self) -> Iterator[AdminClient]:
        """Open a plain AdminClient."""
        client = AdminClient({**self.connection, "log_level": 0})
        with client:
            yield client


def _settle(futures: Mapping[Any, Any]) -> None:
    for future in futures.values():
        future.result(BOUND)


def _has_leaders(admin: AdminClient, topic: str, partitions: int) -> bool:
    found = admin.list_topics(topic, timeout=BOUND).topics[topic]
    return found.error is None and sum(p.leader >= 0 for p in found.partitions.values()) == partitions


def _send(producer: Producer, topic: str, records: Iterable[Record], partition: int) -> list[int]:
    """Hand records to a producer; the returned list fills up with their offsets as they are acknowledged."""
    offsets: list[int] = []

    def acknowledged(error: object, message: Any) -> None:
        assert error is None, f"the broker refused a record: {error}"
        offsets.append(message.offset())

    for record in records:
        arguments = record if isinstance(record, dict) else {"value": record}
        while True:
            try:
                producer.produce(topic, **{"partition": partition, "on_delivery": acknowledged, **arguments})
            except BufferError:
                producer.poll(0.1)
            else:
                break
        if not offsets:
            # Records that wait for a new topic's metadata may be overtaken by later ones.
            _flush(producer)
    return offsets


def _flush(producer: Producer) -> None:
    left = producer.flush(BOUND)
    assert left == 0, f"{left} records were not acknowledged in {BOUND:.0f} s"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """A real Kafka for the whole session. Tests share it: each makes topics of its own."""
    folder = tmp_path_factory.mktemp("kafka")
    server = KafkaServer(folder)
    yield server
    server.stop()
    assert not _left_over(folder), "a test left a Kafka running"


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Callable[..., KafkaServer]]:
    """A factory of Kafkas that a test may kill; each is stopped at the test's end."""
    servers: list[KafkaServer] = []

    def make(properties: Mapping[str, str] | None = None) -> KafkaServer:
        servers.append(KafkaServer(tmp_path / f"own-kafka-{len(servers)}", properties))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
    assert not _left_over(tmp_path), "a test left a Kafka running"


@pytest.fixture
def broker(kafka: KafkaServer) -> Iterator[Broker]:
    """The product's `Broker` on the session's Kafka."""
    with kafka.broker() as opened:
        yield opened


def _left_over(folder: Path) -> list[int]:
    """Return the Java processes that run below a folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if any(word.startswith(str(folder)) for word in process.cmdline()[-1:]):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found
