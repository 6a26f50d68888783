"""What the broker, its operators and its producers do to a stream: the store decides where to go on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from mesh_defs.broker import Broker
from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import status
from mesh_defs.ingest.status import PartitionStatus
from mesh_defs.model.errors import IdentityChangedError
from tests.conftest import BOUND, KafkaServer, wait_for
from tests.meshes import MeshFolder
from tests.store import kit

DAY = 86_400_000
YEAR_2262 = 9_223_372_036_854
GROUP = "test.shop.orders"


def order(number: int) -> bytes:
    """Return one good record."""
    return json.dumps({"order_id": number}).encode()


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> MeshFolder:
    """An empty project on the session's Kafka."""
    return MeshFolder(tmp_path / "mesh", kafka.bootstrap)


def holds(mesh: MeshFolder) -> None:
    """Assert that the ledger holds, compared with the broker."""
    project = mesh.open()
    for result in verify_domain(project, project.domain("shop"), full=True):
        assert result.violations == ()


def refused(mesh: MeshFolder) -> str:
    """Make a pass that must stop because of an identity; return what it said."""
    (stream,) = mesh.ingest("shop").streams
    assert isinstance(stream.error, IdentityChangedError)
    return str(stream.error)


def committed(kafka: KafkaServer, topic: str) -> int:
    """Return the offset that the group has for the topic's partition."""
    with kafka.admin() as admin:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)])
        found = next(iter(asked.values())).result(BOUND).topic_partitions
    (offset,) = [p.offset for p in found if p.topic == topic]
    return int(offset)


def move(kafka: KafkaServer, topic: str, offset: int) -> None:
    """Let somebody commit another offset for the group, as Kafka's own tool does."""
    wanted = [ConsumerGroupTopicPartitions(GROUP, [TopicPartition(topic, 0, offset)])]
    with kafka.admin() as admin:
        for answer in admin.alter_consumer_group_offsets(wanted).values():
            answer.result(BOUND)


@pytest.mark.fault(8)
@pytest.mark.parametrize("moved_to", [0, 7], ids=["back", "ahead"])
def test_a_moved_consumer_group_moves_nothing(mesh: MeshFolder, kafka: KafkaServer, moved_to: int) -> None:
    """Neither read twice nor left out; it is said once, and lag tools see the truth again after the next commit."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(n) for n in range(5)])
    (stream,) = mesh.ingest("shop").streams
    assert stream.warnings == ()
    kafka.produce(topic, [order(n) for n in range(5, 8)])
    move(kafka, topic, moved_to)
    done = mesh.cli("ingest", "shop")
    said = f"the consumer group {GROUP} to offset {moved_to} in partition 0, where the mesh had it at 5"
    assert said in done.stderr
    assert mesh.rows("SELECT order_id FROM shop.orders ORDER BY _offset") == [(n,) for n in range(8)]
    assert committed(kafka, topic) == 8
    kafka.produce(topic, [order(8)])
    (stream,) = mesh.ingest("shop").streams
    assert (stream.row_count, stream.warnings) == (1, ())
    holds(mesh)


@pytest.mark.fault(8)
def test_a_group_that_is_only_behind_was_moved_by_nobody(
    mesh: MeshFolder, kafka: KafkaServer, broker: Broker
) -> None:
    """A kill between commit and mirror leaves the group behind: no alarm."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(n) for n in range(5)])
    mesh.ingest("shop")
    broker.mirror(GROUP, topic, {0: 2})
    kafka.produce(topic, [order(5)])
    (stream,) = mesh.ingest("shop").streams
    assert (stream.row_count, stream.warnings) == (1, ())


@pytest.mark.fault(9)
def test_a_recreated_topic_with_fewer_records_stops_its_stream(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """The pass does not wait until the new topic has grown to the old offset; it says what to do."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(n) for n in range(5)])
    mesh.ingest("shop")
    kafka.delete_topic(topic)
    kafka.topic(name=topic)
    kafka.produce(topic, [order(9)])
    said = refused(mesh)
    assert f"the topic of {topic} was recreated" in said
    assert "mesh stream accept-epoch shop.orders" in said
    assert mesh.rows("SELECT count(*) FROM shop.orders WHERE order_id < 5") == [(5,)]


@pytest.mark.fault(11)
def test_a_recreated_cluster_stops_its_stream(
    mesh: MeshFolder, kafka: KafkaServer, own_kafka: Callable[..., KafkaServer]
) -> None:
    """Both cluster ids are named; nothing is read, though topic and offsets look alike."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(1)])
    mesh.ingest("shop")
    other = own_kafka()
    other.topic(name=topic)
    other.produce(topic, [order(1), order(2)])
    moved = MeshFolder(mesh.root, other.bootstrap)
    said = refused(moved)
    with kafka.broker() as before, other.broker() as after:
        assert before.identity(topic).cluster_id in said
        assert after.identity(topic).cluster_id in said
    assert moved.rows("SELECT count(*) FROM shop.orders") == [(1,)]


def statuses(mesh: MeshFolder) -> dict[int | None, PartitionStatus]:
    """Return how each partition stands."""
    project = mesh.open()
    return {line.partition: line for line in status.status(project, project.domain("shop"))}


def is_stable(kafka: KafkaServer, topic: str) -> bool:
    """Say whether no transaction is open: a commit returns before its marker is in the log."""
    with kafka.broker() as broker:
        return broker.watermarks(topic, [0])[0].end == kafka.high_watermark(topic)


@pytest.mark.fault(18)
def test_the_status_says_since_when_a_transaction_holds_a_partition_back(
    mesh: MeshFolder, kafka: KafkaServer
) -> None:
    """Where it began and since when that is known, over later passes; after long the state says so; then it is gone."""
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2)
    kafka.produce(topic, [order(0)])
    with kafka.open_transaction(topic, [order(1)]) as producer:
        for partition in (0, 1):
            kafka.produce(topic, [order(2)], partition=partition)
        assert mesh.ingest("shop").row_count == 2
        first = statuses(mesh)
        assert (first[0].state, first[0].lag, first[0].held_back_at) == ("current", 0, 1)
        assert (first[1].state, first[1].held_back_at, first[1].held_back_since) == ("current", None, None)
        kafka.produce(topic, [order(3)], partition=1)
        assert mesh.ingest("shop").row_count == 1
        assert statuses(mesh)[0].held_back_since == first[0].held_back_since
        assert f"is held back at offset 1 since {first[0].held_back_since}" in mesh.cli("status").stderr
        known = mesh.root / "data" / "shop" / "held_back.json"
        (entry,) = json.loads(known.read_text())
        known.write_text(json.dumps([entry | {"since": "2026-01-01T00:00:00+00:00"}]))
        assert [line.state for line in statuses(mesh).values()] == ["held back", "current"]
        producer.commit_transaction(BOUND)
    wait_for(lambda: is_stable(kafka, topic), "the transaction's marker is in the log")
    assert mesh.ingest("shop").row_count == 2
    assert {(s.state, s.held_back_since) for s in statuses(mesh).values()} == {("current", None)}
    assert json.loads(known.read_text()) == []
    holds(mesh)


@pytest.mark.fault(19)
def test_an_event_sent_twice_is_two_records(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Each has an offset of its own, and the table of events leaves out neither."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [{"key": b"k", "value": order(1)}] * 2)
    mesh.ingest("shop")
    assert mesh.rows("SELECT order_id, _offset FROM shop.orders ORDER BY _offset") == [(1, 0), (1, 1)]
    holds(mesh)


@pytest.mark.fault(34)
def test_times_of_producers_whose_clocks_are_wrong(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """1970, 2262 and a day off: rows keep their order and their times; of what is far ahead a person is told."""
    topic = kafka.topic(config={"message.timestamp.after.max.ms": str((1 << 63) - 1), "retention.ms": "-1"})
    mesh.stream("shop.orders", topic)
    now = int(time.time() * 1_000)
    times = [now, YEAR_2262, 1, now - DAY, now + DAY]
    kafka.produce(topic, [{"value": order(n), "timestamp": at} for n, at in enumerate(times)])
    report = mesh.ingest("shop")
    assert report.row_count == len(times)
    (warning,) = report.streams[0].warnings
    found = mesh.rows(f"SELECT _offset FROM shop.orders WHERE {warning.split('`')[1]}")  # noqa: S608
    assert found == [(times.index(YEAR_2262),)]
    stored = mesh.rows("SELECT epoch_ms(_timestamp) FROM shop.orders ORDER BY _offset")
    assert stored == [(at,) for at in times]
    again = mesh.ingest("shop")
    assert (again.row_count, again.streams[0].warnings) == (0, ())
    holds(mesh)


@pytest.mark.fault(39)
def test_an_old_catalog_reads_again_what_it_lacks(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """It is noticed by whoever opens it; the next pass fills it up, and newer files double nothing."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(n) for n in range(5)])
    mesh.ingest("shop")
    catalog = mesh.root / "data" / "shop" / "catalog.sqlite"
    backup = catalog.read_bytes()
    kafka.produce(topic, [order(n) for n in range(5, 8)])
    mesh.ingest("shop")
    for leftover in catalog.parent.glob("catalog.sqlite-*"):
        leftover.unlink()
    catalog.write_bytes(backup)
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(5,)]
    project = mesh.open()
    (verified,) = verify_domain(project, project.domain("shop"))
    assert [v.invariant for v in verified.violations] == ["newest"]
    report = mesh.ingest("shop")
    assert report.row_count == 3
    assert [v.message for v in verified.violations] == [
        f"shop.orders: {w}" for w in report.streams[0].warnings
    ]
    assert mesh.rows("SELECT order_id FROM shop.orders ORDER BY _offset") == [(n,) for n in range(8)]
    holds(mesh)


def ingest_elsewhere(root: Path, bootstrap: str) -> None:
    """Make a pass in a process of its own."""
    assert MeshFolder(root, bootstrap).ingest("shop").row_count == 1


@pytest.mark.fault(44)
def test_a_process_makes_clients_of_its_own(mesh: MeshFolder, kafka: KafkaServer, broker: Broker) -> None:
    """A pass in a child ends well while its parent's client is in use, and the parent's goes on after it."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(1)])
    before = broker.identity(topic)
    child = kit.spawn(ingest_elsewhere, mesh.root, kafka.bootstrap)
    assert kit.finished(child) == 0
    assert broker.identity(topic) == before
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(1,)]
    holds(mesh)
