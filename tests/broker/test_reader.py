"""Bounded reads of a real Kafka: every committed record once, and the end found whatever lies there."""

from __future__ import annotations

import time
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.broker import BoundedReader, Broker
from mesh_defs.model.errors import (
    BrokerError,
    OffsetsLostError,
    OffsetsRegressedError,
    ShortReadError,
    TopicMissingError,
)
from mesh_defs.model.records import RawBatch
from tests.conftest import BOUND


def drain_reader(reader: BoundedReader, into: list[RawBatch] | None = None) -> None:
    """Read until the reader is done; what is read until an error is kept in `into`, too."""
    while not reader.done:
        batches = reader.read()
        if into is not None:
            into += batches


def values_of(batches: list[RawBatch], partition: int = 0) -> list[bytes | None]:
    """Return a partition's values in reading order."""
    return [value for b in batches if b.partition == partition for value in b.values]


def offsets_of(batches: list[RawBatch], partition: int = 0) -> list[int]:
    """Return a partition's offsets in reading order."""
    return [offset for b in batches if b.partition == partition for offset in b.offsets]


@pytest.mark.fault(25, 26)
def test_records_come_byte_for_byte(kafka: Any, broker: Broker, drain: Any) -> None:
    """Null and empty stay distinct, keys may be any bytes, headers keep order, duplicates and nulls."""
    topic = kafka.topic()
    headers = [("a", b"\xff\x00"), ("a", None), ("b", b""), ("a", b"again"), ("ü", b"1")]
    kafka.produce(
        topic,
        [
            {"value": b"v", "key": b"\x80\xfe", "headers": headers, "timestamp": 1_357_000_000_123},
            {"value": None, "key": b""},
            {"value": b"", "key": None},
            {"value": b"many", "headers": [(f"h{i}", b"x") for i in range(1_000)]},
        ],
    )
    (batch,) = drain(broker, topic)
    assert batch.topic == topic
    assert batch.partition == 0
    assert list(batch.offsets) == [0, 1, 2, 3]
    assert batch.keys == [b"\x80\xfe", b"", None, None]
    assert batch.values == [b"v", None, b"", b"many"]
    assert batch.timestamps[0] == 1_357_000_000_123
    assert batch.headers[0] == headers
    assert batch.headers[1:3] == [None, None]
    assert len(batch.headers[3] or []) == 1_000
    assert batch.leader_epoch >= 0


def test_a_range_is_read_and_nothing_else(kafka: Any, broker: Broker, drain: Any) -> None:
    """Records below `from` and at or above `to` are not handed out, however the batches fall."""
    topic = kafka.topic()
    kafka.produce(topic, [b"%d" % i for i in range(100)])
    for max_records in (1, 7, 10_000):
        batches = drain(broker, topic, {0: (20, 61)}, max_records=max_records)
        assert offsets_of(batches) == list(range(20, 61))
        assert all(len(batch) <= max_records for batch in batches)


def test_empty_ranges_are_done_at_once(kafka: Any, broker: Broker) -> None:
    """Nothing to read is no reason to wait, nor to connect."""
    topic = kafka.topic(partitions=2)
    with broker.reader(topic, {0: (0, 0), 1: (5, 5)}) as reader:
        assert reader.done
        assert reader.read() == []
        assert reader.positions == {0: 0, 1: 5}


def test_the_end_is_fixed_before_reading(kafka: Any, broker: Broker) -> None:
    """A topic that grows while it is read does not keep the reader busy."""
    topic = kafka.topic()
    kafka.produce(topic, [b"before"] * 10)
    with broker.reader(topic, {0: (0, 10)}) as reader:
        batches = reader.read(3)
        kafka.produce(topic, [b"after"] * 50)
        while not reader.done:
            batches += reader.read(3)
        assert offsets_of(batches) == list(range(10))
        assert reader.positions == {0: 10}


def test_positions_follow_what_was_handed_out(kafka: Any, broker: Broker) -> None:
    """A pass that stops half-way resumes from the positions without loss or repetition."""
    topic = kafka.topic()
    kafka.produce(topic, [b"%d" % i for i in range(100)])
    with broker.reader(topic, {0: (0, 100)}) as reader:
        first = reader.read(30)
        middle = reader.positions[0]
    assert middle == offsets_of(first)[-1] + 1
    with broker.reader(topic, {0: (middle, 100)}) as reader:
        rest = reader.read(1_000)
    assert offsets_of(first) + offsets_of(rest) == list(range(100))


@pytest.mark.fault(16)
def test_a_commit_marker_at_the_end_is_passed(kafka: Any, broker: Broker, drain: Any) -> None:
    """A partition that ends in a control record is read to its end, which no record has."""
    topic = kafka.topic()
    kafka.transaction(topic, [b"1", b"2"])
    assert broker.watermarks(topic, [0])[0].end == 3
    assert values_of(drain(broker, topic)) == [b"1", b"2"]


@pytest.mark.fault(16, 17)
def test_aborted_records_at_the_end_are_passed(kafka: Any, broker: Broker, drain: Any) -> None:
    """What was aborted is never handed out, and does not keep the reader waiting."""
    topic = kafka.topic()
    kafka.produce(topic, [b"kept"])
    kafka.transaction(topic, [b"gone"] * 5, commit=False)
    assert broker.watermarks(topic, [0])[0].end == 7
    assert values_of(drain(broker, topic)) == [b"kept"]


@pytest.mark.fault(17)
def test_nothing_but_aborted_records(kafka: Any, broker: Broker, drain: Any) -> None:
    """A range without one committed record ends, empty."""
    topic = kafka.topic()
    kafka.transaction(topic, [b"gone"] * 5, commit=False)
    kafka.transaction(topic, [b"gone too"], commit=False)
    assert drain(broker, topic) == []


@pytest.mark.fault(18)
def test_an_open_transaction_holds_only_its_own_partition(kafka: Any, broker: Broker, drain: Any) -> None:
    """The partition is read up to its last stable offset, the others to their ends."""
    topic = kafka.topic(partitions=2)
    kafka.produce(topic, [b"stable"], partition=0)
    kafka.produce(topic, [b"other"] * 3, partition=1)
    with kafka.open_transaction(topic, [b"open"], partition=0):
        kafka.produce(topic, [b"behind it"], partition=0)
        batches = drain(broker, topic)
    assert values_of(batches, 0) == [b"stable"]
    assert values_of(batches, 1) == [b"other"] * 3


@pytest.mark.fault(14)
def test_compaction_holes_are_passed(kafka: Any, broker: Broker, drain: Any) -> None:
    """A compacted log has holes everywhere; what is left is read, and its end is found."""
    topic = kafka.topic(
        config={
            "cleanup.policy": "compact",
            "segment.ms": "50",
            "min.cleanable.dirty.ratio": "0.001",
            "min.compaction.lag.ms": "0",
            "max.compaction.lag.ms": "100",
        }
    )
    kafka.produce(topic, [{"key": b"%d" % (i % 3), "value": b"%d" % i} for i in range(60)])
    batches: list[RawBatch] = []

    def compacted() -> bool:
        kafka.produce(topic, [{"key": b"last", "value": b"v"}])
        batches[:] = drain(broker, topic)
        return len(offsets_of(batches)) < 20

    kafka.wait_for(compacted, "the log is compacted")
    kept = dict(zip(offsets_of(batches), values_of(batches), strict=True))
    assert [kept[offset] for offset in (57, 58, 59)] == [b"57", b"58", b"59"]
    assert drain(broker, topic, {0: (0, 57)}) == []


@pytest.mark.fault(13)
def test_retention_that_passed_the_position_is_a_loss(kafka: Any, broker: Broker) -> None:
    """Records that went before they were read are an error with both numbers, never a silent jump."""
    topic = kafka.topic()
    kafka.produce(topic, [b"x"] * 10)
    kafka.delete_records(topic, 0, 7)
    with (
        broker.reader(topic, {0: (2, 10)}) as reader,
        pytest.raises(OffsetsLostError, match=r"offset 2: .* 7: 5 "),
    ):
        reader.read()


def test_an_end_that_moved_back_is_a_regression(kafka: Any, broker: Broker) -> None:
    """A position beyond what the broker holds is an error with both numbers, never a wait."""
    topic = kafka.topic()
    kafka.produce(topic, [b"x"] * 10)
    with (
        broker.reader(topic, {0: (50, 60)}) as reader,
        pytest.raises(OffsetsRegressedError, match=r"offset 50: .* 10, and was 60"),
    ):
        reader.read()


@pytest.mark.fault(41)
def test_a_range_beyond_the_end_fails_in_time(kafka: Any) -> None:
    """An end that the broker does not reach is an error after the bound, not an empty success."""
    topic = kafka.topic()
    kafka.produce(topic, [b"x"] * 10)
    with kafka.broker(timeout=5) as broker, broker.reader(topic, {0: (0, 20)}) as reader:
        assert offsets_of(reader.read()) == list(range(10))
        with pytest.raises(OffsetsRegressedError, match="offset 10"):
            drain_reader(reader)


@pytest.mark.parametrize("tail", [False, True], ids=["pass", "resident"])
def test_a_partition_that_hands_nothing_out_stops_alone(kafka: Any, *, tail: bool) -> None:
    """The error names it; whoever stops it reads all of the others."""
    topic = kafka.topic(partitions=2)
    for partition in (0, 1):
        kafka.produce(topic, [b"x"] * 10, partition=partition)
    with (
        kafka.broker(timeout=3) as broker,
        broker.reader(topic, {0: (0, 10), 1: (0, 10)}, tail=tail) as reader,
    ):
        silence(reader, topic, 0)
        batches: list[RawBatch] = []
        with pytest.raises(ShortReadError, match=f"{topic} partition 0 from offset 0: .* up to 10") as stuck:
            drain_reader(reader, batches)
        assert stuck.value.partition == 0
        reader.stop(0)
        assert reader.done
        assert offsets_of(batches, 1) == list(range(10))


def test_a_partition_is_found_silent_while_others_are_heard(
    kafka: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much the others hand out."""
    monkeypatch.setattr("mesh_defs.broker.silence._PATIENCE", 1)
    topic = kafka.topic(partitions=2)
    kafka.produce(topic, [b"x"], partition=0)
    kafka.produce(topic, [b"x"], partition=1)
    heard = [0]

    def read_on_and_on(reader: BoundedReader) -> None:
        deadline = time.monotonic() + BOUND
        while time.monotonic() < deadline:
            heard[0] += sum(map(len, reader.read()))
            kafka.produce(topic, [b"x"], partition=1)
            assert reader.extend({0: (0, 1), 1: (reader.positions[1], heard[0] + 1)})

    with (
        kafka.broker(timeout=3) as broker,
        broker.reader(topic, {0: (0, 1), 1: (0, 1)}, tail=True) as reader,
    ):
        silence(reader, topic, 0)
        with pytest.raises(ShortReadError) as stuck:
            read_on_and_on(reader)
        assert stuck.value.partition == 0
        assert heard[0] > 1


def silence(reader: BoundedReader, topic: str, partition: int) -> None:
    """Let the client hand out no records of a partition, as where its broker holds them back."""
    reader._consumer = reader._open()
    reader._consumer.pause([TopicPartition(topic, partition)])


@pytest.mark.fault(13)
def test_a_lost_position_does_not_take_others_along(kafka: Any, broker: Broker) -> None:
    """What was read of another partition meanwhile is handed out before the error is told."""
    topic = kafka.topic(partitions=2)
    for partition in (0, 1):
        kafka.produce(topic, [b"x"] * 10, partition=partition)
    kafka.delete_records(topic, 0, 7)
    with broker.reader(topic, {0: (2, 10), 1: (0, 10)}) as reader:
        batches: list[RawBatch] = []
        with pytest.raises(OffsetsLostError) as lost:
            drain_reader(reader, batches)
        assert lost.value.partition == 0
        reader.stop(0)
        drain_reader(reader, batches)
        assert offsets_of(batches, 1) == list(range(10))


def test_many_uneven_partitions(kafka: Any, broker: Broker, drain: Any) -> None:
    """Each partition is read to its own end; the long ones do not starve the short ones."""
    topic = kafka.topic(partitions=40)
    for partition in range(40):
        kafka.produce(topic, [b"%d" % i for i in range(partition * 5)], partition=partition)
    for max_records in (50, 10_000):
        batches = drain(broker, topic, max_records=max_records)
        for partition in range(40):
            assert offsets_of(batches, partition) == list(range(partition * 5))


def test_a_stopped_partition_is_left_alone(kafka: Any, broker: Broker) -> None:
    """A partition that is stopped is read no further, the others are."""
    topic = kafka.topic(partitions=2)
    for partition in (0, 1):
        kafka.produce(topic, [b"x"] * 10, partition=partition)
    with broker.reader(topic, {0: (0, 10), 1: (0, 10)}) as reader:
        reader.stop(0)
        batches: list[RawBatch] = []
        while not reader.done:
            batches += reader.read(4)
        assert reader.positions == {0: 0, 1: 10}
    assert offsets_of(batches, 0) == []
    assert offsets_of(batches, 1) == list(range(10))


@pytest.mark.fault(32)
def test_records_larger_than_every_fetch_setting(kafka: Any, broker: Broker, drain: Any) -> None:
    """A record above the fetch limits comes whole, and those around it too."""
    large = 24 * 1024 * 1024
    topic = kafka.topic(config={"max.message.bytes": str(large + 1_000_000)})
    kafka.produce(topic, [b"before"])
    kafka.produce(topic, [b"x" * large], message_max_bytes=large + 1_000_000)
    kafka.produce(topic, [b"after"])
    sizes = [len(value or b"") for value in values_of(drain(broker, topic))]
    assert sizes == [6, large, 5]


def test_a_partition_that_is_not_there_is_an_error(kafka: Any, broker: Broker) -> None:
    """A range of an unknown partition fails instead of waiting for it."""
    topic = kafka.topic()
    with pytest.raises(TopicMissingError), broker.reader(topic, {3: (0, 5)}) as reader:
        drain_reader(reader)


def test_a_topic_deleted_while_it_is_read_is_an_error(kafka: Any, broker: Broker) -> None:
    """A read that cannot be completed fails; it is no short success."""
    topic = kafka.topic(partitions=2)
    kafka.produce(topic, [b"x"] * 10)
    with broker.reader(topic, {0: (0, 10), 1: (0, 10)}) as reader:
        reader.read()
        kafka.delete_topic(topic)
        with pytest.raises(BrokerError):
            drain_reader(reader)


steps = st.lists(
    st.tuples(st.sampled_from(["plain", "commit", "abort"]), st.integers(min_value=1, max_value=4)),
    min_size=1,
    max_size=5,
)


@pytest.mark.fault(16, 17)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, max_records=st.integers(min_value=1, max_value=6))
def test_whatever_was_produced_is_read_once(
    kafka: Any, broker: Broker, drain: Any, steps: list[tuple[str, int]], max_records: int
) -> None:
    """For any mix of plain, committed and aborted records and any batch size, the committed ones come once."""
    topic = kafka.topic()
    expected: list[bytes] = []
    for number, (kind, count) in enumerate(steps):
        values = [b"%d-%d" % (number, i) for i in range(count)]
        if kind == "plain":
            kafka.produce(topic, values)
        else:
            kafka.transaction(topic, values, commit=kind == "commit")
        expected += [] if kind == "abort" else values
    batches = drain(broker, topic, max_records=max_records)
    assert values_of(batches) == expected
    offsets = offsets_of(batches)
    assert offsets == sorted(set(offsets))


def read_on(reader: BoundedReader, begin: int, end: int) -> list[RawBatch]:
    """Let a reader that stays go on over [begin, end) of partition 0, and return what it took."""
    assert reader.extend({0: (begin, end)})
    batches: list[RawBatch] = []
    while not reader.done:
        batches.extend(reader.read())
    return batches


def test_a_reader_that_stays_goes_on_where_it_stopped(kafka: Any, broker: Broker) -> None:
    """Range after range, without a gap or a repetition, over transactions whose markers nobody hands out."""
    topic = kafka.topic()
    kafka.produce(topic, [b"0", b"1"])
    with broker.reader(topic, {0: (0, 2)}, tail=True) as reader:
        drain_reader(reader)
        kafka.produce(topic, [b"2"])
        assert values_of(read_on(reader, 2, 3)) == [b"2"]
        kafka.transaction(topic, [b"gone"], commit=False)
        end = broker.watermarks(topic, [0])[0].end
        assert read_on(reader, 3, end) == []
        kafka.transaction(topic, [b"kept"])
        later = broker.watermarks(topic, [0])[0].end
        assert values_of(read_on(reader, end, later)) == [b"kept"]
        assert reader.positions == {0: later}
        assert not reader.extend({0: (0, later)})


def test_a_reader_that_stays_takes_what_comes_beyond_its_end(kafka: Any, broker: Broker) -> None:
    """Nothing that was handed out is dropped: the position passes the end, and the next range begins there."""
    topic = kafka.topic()
    kafka.produce(topic, [b"0", b"1", b"2", b"3"])
    with broker.reader(topic, {0: (0, 2)}, tail=True) as reader:
        taken: list[RawBatch] = []
        while not reader.done:
            taken += reader.read()
        position = reader.positions[0]
        assert offsets_of(taken) == list(range(position))
        assert offsets_of(taken + read_on(reader, position, 4)) == [0, 1, 2, 3]


def test_a_reader_that_stays_takes_up_and_lets_go_of_partitions(kafka: Any, broker: Broker) -> None:
    """As a stuck partition is left out, and comes back; a new one begins where it is told."""
    topic = kafka.topic(partitions=2)
    for partition in (0, 1):
        kafka.produce(topic, [b"0", b"1"], partition=partition)
    with broker.reader(topic, {0: (0, 2)}, tail=True) as reader:
        drain_reader(reader)
        assert reader.extend({1: (1, 2)})
        batches = []
        while not reader.done:
            batches += reader.read()
        assert (offsets_of(batches, 0), offsets_of(batches, 1)) == ([], [1])
        assert reader.extend({0: (0, 2), 1: (2, 2)})
        while not reader.done:
            batches += reader.read()
        assert (offsets_of(batches, 0), reader.positions) == ([0, 1], {0: 2, 1: 2})
