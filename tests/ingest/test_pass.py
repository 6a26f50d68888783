"""One pass from a real Kafka to committed tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import Limits, status
from mesh_defs.model.errors import (
    IdentityChangedError,
    OffsetsLostError,
    RecordRefusedError,
    TooManyDeadLettersError,
)
from mesh_defs.model.records import Gap
from tests.conftest import KafkaServer, wait_for
from tests.meshes import MeshFolder


def order(number: int) -> bytes:
    """Return one good record."""
    return json.dumps({"order_id": number, "customer": f"c{number}"}).encode()


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> Iterator[MeshFolder]:
    """A project on the session's Kafka; at the end its ledger must hold."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    yield folder
    project = folder.open()
    for name in project.domain_names():
        for result in verify_domain(project, project.domain(name), ask_broker=False):
            assert result.violations == ()


def holds(mesh: MeshFolder, domain: str = "shop") -> None:
    """Assert that the ledger holds, compared with the broker."""
    project = mesh.open()
    for result in verify_domain(project, project.domain(domain)):
        assert result.violations == ()


def test_every_record_of_the_topic_becomes_a_row(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Rows carry their coordinates, and a second pass finds nothing."""
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2)
    kafka.produce(topic, [order(n) for n in range(5)], partition=0)
    kafka.produce(topic, [order(n) for n in range(5, 8)], partition=1)
    report = mesh.ingest("shop")
    assert [(p.partition, p.from_offset, p.to_offset, p.row_count) for p in report.streams[0].partitions] == [
        (0, 0, 5, 5),
        (1, 0, 3, 3),
    ]
    rows = mesh.rows("SELECT order_id, customer, _partition, _offset FROM shop.orders ORDER BY order_id")
    assert rows == [(n, f"c{n}", 0, n) if n < 5 else (n, f"c{n}", 1, n - 5) for n in range(8)]
    again = mesh.ingest("shop")
    assert (again.row_count, again.failed) == (0, ())
    holds(mesh)


def test_a_declared_stream_has_a_table_after_its_first_pass(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Even where the topic is empty."""
    mesh.stream("shop.orders", kafka.topic())
    mesh.ingest("shop")
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(0,)]


def test_chunks_of_any_size_give_the_same_table(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Many small commits or one: the rows are the same, and the ledger follows."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(n) for n in range(100)])
    mesh.ingest("shop", limits=Limits(rows=7, batch=5))
    assert mesh.rows("SELECT count(*), count(DISTINCT _offset), sum(order_id) FROM shop.orders") == [
        (100, 100, 4950)
    ]
    assert mesh.rows("SELECT count(*) > 5 FROM shop.ledger") == [(True,)]
    holds(mesh)


@pytest.mark.fault(20, 28)
def test_a_bad_record_is_a_dead_letter_and_the_rest_goes_on(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Stage, rule, path, coordinates and the raw bytes are kept."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    bad = b'{"order_id": "seven"}'
    kafka.produce(topic, [order(1), {"value": bad, "key": b"k", "headers": [("h", b"\xff")]}, b"{", order(2)])
    report = mesh.ingest("shop")
    assert (report.row_count, report.streams[0].dead_letter_count, report.failed) == (2, 2, ())
    letters = mesh.rows(
        "SELECT stream, _partition, _offset, stage, path, _key, _value, _headers FROM shop.dead_letters "
        "ORDER BY _offset"
    )
    assert letters[0] == (
        "orders", 0, 1, "validate", "$.order_id", b"k", bad, [{"name": "h", "value": b"\xff"}],
    )  # fmt: skip
    assert letters[1][1:3] == (0, 2)
    holds(mesh)


@pytest.mark.fault(24, 25, 26)
def test_keys_headers_and_tombstones_are_kept_as_they_are(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Null and empty keys are distinct; header names may repeat, values may be binary or null."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    headers = [("a", b"1"), ("a", b"\x00\xff"), ("b", None)]
    kafka.produce(
        topic,
        [
            {"value": order(1), "key": None, "headers": headers},
            {"value": order(2), "key": b""},
            {"value": None, "key": b"\xfe\x00"},
        ],
    )
    mesh.ingest("shop")
    rows = mesh.rows("SELECT order_id, _key, _headers, _tombstone FROM shop.orders ORDER BY _offset")
    kept = [{"name": n, "value": v} for n, v in headers]
    assert rows[0] == (1, None, kept, False)
    assert rows[1][:2] == (2, b"")
    assert (rows[2][0], rows[2][1], rows[2][3]) == (None, b"\xfe\x00", True)
    holds(mesh)


@pytest.mark.fault(16, 17)
def test_transaction_markers_and_aborted_records_are_recorded_gaps(
    mesh: MeshFolder, kafka: KafkaServer
) -> None:
    """The pass ends behind the markers, stores no aborted record, and lag is 0."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.transaction(topic, [order(1), order(2)])
    kafka.transaction(topic, [order(3)], commit=False)
    report = mesh.ingest("shop")
    (partition,) = report.streams[0].partitions
    assert (partition.row_count, partition.to_offset, partition.lag) == (2, 5, 0)
    assert [g.kind for g in partition.gaps] == ["skipped"] * len(partition.gaps)
    assert mesh.rows("SELECT array_agg(order_id ORDER BY order_id) FROM shop.orders") == [([1, 2],)]
    holds(mesh)


@pytest.mark.fault(18)
def test_an_open_transaction_ends_the_pass_at_the_last_stable_offset(
    mesh: MeshFolder, kafka: KafkaServer
) -> None:
    """What stands behind it waits; nothing hangs."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(1)])
    with kafka.open_transaction(topic, [order(2)]) as producer:
        kafka.produce(topic, [order(3)])
        assert mesh.ingest("shop").row_count == 1
        producer.commit_transaction(60)

    def is_stable() -> bool:
        # A commit returns before its marker is in the log.
        with kafka.broker() as broker:
            return broker.watermarks(topic, [0])[0].end == kafka.high_watermark(topic)

    wait_for(is_stable, "the transaction's marker is in the log")
    assert mesh.ingest("shop").row_count == 2
    holds(mesh)


def test_one_streams_failure_does_not_stop_the_others(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """A missing topic is that stream's own error, kept for `mesh status`."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    mesh.stream("shop.gone", "no-such-topic")
    kafka.produce(topic, [order(1)])
    report = mesh.ingest("shop")
    assert [s.stream for s in report.failed] == ["gone"]
    assert report.row_count == 1
    project = mesh.open()
    states = {s.stream: s.state for s in status.status(project, project.domain("shop"))}
    assert states == {"gone": "stopped", "orders": "current"}


@pytest.mark.fault(10)
def test_a_recreated_topic_stops_its_stream(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Also where it has grown beyond the stored offset: the topic id differs."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(1)])
    mesh.ingest("shop")
    kafka.delete_topic(topic)
    kafka.topic(name=topic)
    kafka.produce(topic, [order(n) for n in range(10, 20)])
    report = mesh.ingest("shop")
    assert isinstance(report.streams[0].error, IdentityChangedError)
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(1,)]


@pytest.mark.fault(12)
def test_a_lost_range_stops_the_partition_and_no_other(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """`onLoss: fail`, the default; the other partition goes on."""
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2)
    kafka.produce(topic, [order(1)], partition=0)
    mesh.ingest("shop")
    kafka.produce(topic, [order(n) for n in range(5)], partition=0)
    kafka.produce(topic, [order(9)], partition=1)
    kafka.delete_records(topic, 0, 4)
    report = mesh.ingest("shop")
    assert [type(t.error) for t in report.streams[0].troubles] == [OffsetsLostError]
    assert report.streams[0].troubles[0].partition == 0
    assert report.row_count == 1


@pytest.mark.fault(12)
def test_a_lost_range_is_recorded_where_the_contract_says_so(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """`onLoss: record` writes the exact gap and goes on."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, onLoss="record")
    kafka.produce(topic, [order(1)])
    mesh.ingest("shop")
    kafka.produce(topic, [order(n) for n in range(5)])
    kafka.delete_records(topic, 0, 4)
    report = mesh.ingest("shop")
    (partition,) = report.streams[0].partitions
    assert partition.gaps == (Gap(kind="lost", from_offset=1, to_offset=4),)
    assert (partition.from_offset, partition.to_offset, partition.row_count) == (1, 6, 2)
    holds(mesh)


@pytest.mark.fault(22)
def test_too_many_dead_letters_stop_before_their_batch(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Nothing of the batch is committed, and it is read again later."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(n) for n in range(100)])
    mesh.ingest("shop")
    kafka.produce(topic, [b"{"] * 150)
    report = mesh.ingest("shop")
    assert isinstance(report.streams[0].error, TooManyDeadLettersError)
    assert mesh.rows("SELECT count(*) FROM shop.dead_letters") == [(0,)]
    mesh.stream("shop.orders", topic, maxDeadLetterRatio=1)
    report = mesh.ingest("shop")
    assert (report.failed, report.streams[0].dead_letter_count) == ((), 150)
    holds(mesh)


def test_on_error_fail_stops_at_the_record(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """What stands before it is stored; the next offset is the bad record's own."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, onError="fail")
    kafka.produce(topic, [order(1), order(2), b"{", order(3)])
    report = mesh.ingest("shop")
    (partition,) = report.streams[0].partitions
    assert isinstance(report.streams[0].error, RecordRefusedError)
    assert (partition.to_offset, partition.row_count, partition.dead_letter_count) == (2, 2, 0)
    holds(mesh)


@pytest.mark.parametrize(("policy", "rows", "letters"), [("keep", 1, 0), ("dead_letter", 0, 1)])
def test_unknown_fields_follow_the_contract(
    mesh: MeshFolder, kafka: KafkaServer, policy: str, rows: int, letters: int
) -> None:
    """Kept in `_unknown`, or a dead letter."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, onUnknownField=policy)
    kafka.produce(topic, [b'{"order_id": 1, "colour": {"name": "red"}}'])
    report = mesh.ingest("shop")
    assert (report.row_count, report.streams[0].dead_letter_count) == (rows, letters)
    if rows:
        assert mesh.rows("SELECT _unknown FROM shop.orders") == [('{"colour":{"name":"red"}}',)]
        assert dict(report.streams[0].unknown_fields) == {"$.colour": 1}


@pytest.mark.parametrize(("start", "expected"), [("earliest", 2), ("latest", 0)])
def test_a_new_stream_begins_where_its_contract_says(
    mesh: MeshFolder, kafka: KafkaServer, start: str, expected: int
) -> None:
    """`latest` answers for what comes after its first pass."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, startFrom=start)
    kafka.produce(topic, [order(1), order(2)])
    assert mesh.ingest("shop").row_count == expected
    kafka.produce(topic, [order(3)])
    assert mesh.ingest("shop").row_count == 1
    holds(mesh)


def test_a_new_stream_begins_at_an_instant(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """The first record at or after it, by the record's timestamp."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, startFrom="2026-01-01T00:00:02Z")
    kafka.produce(topic, [{"value": order(n), "timestamp": 1_767_225_600_000 + n * 1_000} for n in range(4)])
    assert mesh.ingest("shop").row_count == 2
    holds(mesh)


@pytest.mark.fault(31)
def test_partitions_that_join_are_read_from_their_earliest(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Whatever `startFrom` says: the stream is known already."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, startFrom="latest")
    mesh.ingest("shop")
    kafka.add_partitions(topic, 2)
    kafka.produce(topic, [order(1)], partition=1)
    assert mesh.ingest("shop").row_count == 1
    holds(mesh)


@pytest.mark.fault(14)
def test_compacted_topics_have_holes_and_no_alarm(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Holes are recorded as skipped, and the end is reached."""
    topic = kafka.topic(
        config={
            "cleanup.policy": "compact",
            "segment.ms": "100",
            "min.cleanable.dirty.ratio": "0.01",
            "max.compaction.lag.ms": "100",
        }
    )
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [{"key": b"k%d" % (n % 3), "value": order(n)} for n in range(100)])

    def has_holes() -> bool:
        # A record more lets the active segment roll; only closed segments are compacted.
        (end,) = kafka.produce(topic, [{"key": b"roll", "value": order(0)}])
        with kafka.broker() as broker, broker.reader(topic, {0: (0, end)}) as reader:
            seen = 0
            while not reader.done:
                seen += sum(len(batch) for batch in reader.read())
        return seen < end

    wait_for(has_holes, "compaction removed records")
    report = mesh.ingest("shop")
    (partition,) = report.streams[0].partitions
    assert report.failed == ()
    assert partition.gaps
    assert partition.lag == 0
    holds(mesh)
