"""Questions to a real cluster: identity, partitions, watermarks, offsets by time."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from mesh_defs.broker import Broker, free_port
from mesh_defs.model.errors import BrokerUnavailableError, TopicMissingError
from mesh_defs.model.records import Watermarks


def test_identity_survives_everything_but_recreation(kafka: Any, broker: Broker) -> None:
    """A topic that is deleted and created again under its name has another topic id on the same cluster."""
    topic = kafka.topic()
    first = broker.identity(topic)
    kafka.produce(topic, [b"1"])
    assert broker.identity(topic) == first

    kafka.delete_topic(topic)
    kafka.topic(name=topic)

    second = broker.identity(topic)
    assert second.cluster_id == first.cluster_id
    assert second.topic_id != first.topic_id


def test_two_clusters_differ(kafka: Any, broker: Broker, own_kafka: Callable[..., Any]) -> None:
    """The same topic name on another cluster has another cluster id."""
    other = own_kafka()
    topic = kafka.topic()
    other.topic(name=topic)
    with other.broker() as elsewhere:
        assert elsewhere.identity(topic).cluster_id != broker.identity(topic).cluster_id


def test_partitions_ascend_and_grow(kafka: Any, broker: Broker) -> None:
    """Partitions are numbered from 0, and new ones are seen at once."""
    topic = kafka.topic(partitions=12)
    assert broker.partitions(topic) == tuple(range(12))
    kafka.add_partitions(topic, 14)
    assert broker.partitions(topic) == tuple(range(14))


def test_missing_topic_is_named(broker: Broker) -> None:
    """Every question about a topic that is not there says so."""
    ask: list[Callable[[], object]] = [
        lambda: broker.identity("nowhere"),
        lambda: broker.partitions("nowhere"),
        lambda: broker.watermarks("nowhere", [0]),
    ]
    for question in ask:
        with pytest.raises(TopicMissingError, match="nowhere"):
            question()


def test_watermarks_of_a_fresh_topic_are_empty(kafka: Any, broker: Broker) -> None:
    """An empty partition holds [0, 0)."""
    topic = kafka.topic(partitions=2)
    assert broker.watermarks(topic, [0, 1]) == {0: Watermarks(low=0, end=0), 1: Watermarks(low=0, end=0)}


def test_end_is_the_last_stable_offset(kafka: Any, broker: Broker) -> None:
    """An open transaction holds the end back; its end, with the marker, lets it go."""
    topic = kafka.topic()
    kafka.produce(topic, [b"1", b"2"])
    with kafka.open_transaction(topic, [b"3", b"4"]) as producer:
        kafka.produce(topic, [b"5"])
        assert kafka.high_watermark(topic) == 5
        assert broker.watermarks(topic, [0])[0] == Watermarks(low=0, end=2)
        producer.commit_transaction(60)
        kafka.wait_for(lambda: kafka.high_watermark(topic) == 6, "the marker is there")
    assert broker.watermarks(topic, [0])[0] == Watermarks(low=0, end=6)


def test_low_watermark_follows_deletion(kafka: Any, broker: Broker) -> None:
    """What retention removed lies below the low watermark."""
    topic = kafka.topic()
    kafka.produce(topic, [b"x"] * 10)
    kafka.delete_records(topic, 0, 7)
    assert broker.watermarks(topic, [0])[0] == Watermarks(low=7, end=10)


def test_offsets_at_an_instant(kafka: Any, broker: Broker) -> None:
    """The first record at or after the instant counts; beyond the last one it is the end."""
    topic = kafka.topic(partitions=2)
    kafka.produce(topic, [{"value": b"x", "timestamp": 1_000 * second} for second in range(1, 6)])
    epoch = dt.datetime.fromtimestamp(0, dt.UTC)

    def at(seconds: float) -> dict[int, int]:
        return broker.offsets_at(topic, [0, 1], epoch + dt.timedelta(seconds=seconds))

    assert at(0) == {0: 0, 1: 0}
    assert at(3) == {0: 2, 1: 0}
    assert at(3.0001) == {0: 3, 1: 0}
    assert at(60) == {0: 5, 1: 0}


@pytest.mark.fault(41)
def test_a_broker_that_is_down_fails_in_time() -> None:
    """Nobody listens: every question ends with the reason instead of waiting on."""
    with Broker({"bootstrap.servers": f"127.0.0.1:{free_port()}"}, timeout=1) as broker:
        with pytest.raises(BrokerUnavailableError, match="Connection refused"):
            broker.identity("any")
        with pytest.raises(BrokerUnavailableError, match="mirror the offsets of any"):
            broker.mirror("group", "any", {0: 1})


def test_errors_travel_between_processes(broker: Broker) -> None:
    """The orchestrator pickles errors; they come back whole."""
    with pytest.raises(TopicMissingError) as raised:
        broker.identity("nowhere")
    copy = pickle.loads(pickle.dumps(raised.value))  # noqa: S301 - our own bytes
    assert str(copy) == str(raised.value)


def test_mirrored_offsets_are_seen_by_lag_tools(kafka: Any, broker: Broker) -> None:
    """The group's committed offsets are what was mirrored, also when they go back."""
    from confluent_kafka import ConsumerGroupTopicPartitions  # noqa: PLC0415 - the only user

    topic = kafka.topic(partitions=2)
    for offsets in ({0: 5, 1: 7}, {0: 3}):
        assert broker.mirror("mesh-test", topic, offsets) == ()
    with kafka.admin() as admin:
        found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions("mesh-test")])
        committed = next(iter(found.values())).result(60).topic_partitions
    assert {p.partition: p.offset for p in committed if p.topic == topic} == {0: 3, 1: 7}
