"""Topics from contracts on a real Kafka: created where missing, compared where not, never altered."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.broker import Broker
from mesh_defs.contract.choices import EventKind
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.errors import BrokerError, TopicConflictError


def contract(
    topic: str | None = None, partitions: int = 1, kind: EventKind = EventKind.DELTA, name: str = "s"
) -> StreamContract:
    """Return a contract of which only what concerns the topic matters."""
    return StreamContract(
        domain="d",
        name=name,
        id=f"d.{name}",
        version="1.0.0",
        status="active",
        title="",
        description="",
        columns=(),
        path=Path("s.odcs.yaml"),
        topic=topic or f"t-{uuid.uuid4().hex[:12]}",
        server="main",
        server_host=None,
        format="json",
        event_kind=kind,
        partitions=partitions,
    )


def test_missing_topics_are_created_as_declared(broker: Broker) -> None:
    """Partitions and clean-up policy come from the contract; the second time there is nothing to do."""
    delta, state = contract(partitions=3), contract(kind=EventKind.STATE, name="t")

    assert [p.action for p in broker.plan_topics([delta, state])] == ["create", "create"]
    assert [p.action for p in broker.apply_topics([delta, state])] == ["create", "create"]

    assert broker.partitions(delta.topic) == (0, 1, 2)
    again = broker.apply_topics([delta, state])
    assert [(p.topic, p.action, p.differences) for p in again] == [
        (delta.topic, "ok", ()),
        (state.topic, "ok", ()),
    ]


def test_differences_are_reported_and_nothing_is_altered(kafka: Any, broker: Broker) -> None:
    """A topic with other partitions or another policy keeps them; both values are told."""
    topic = kafka.topic(partitions=2, config={"cleanup.policy": "compact"})
    (plan,) = broker.apply_topics([contract(topic, partitions=5)])
    assert plan.action == "differs"
    assert plan.differences == (
        "partitions: declared 5, on the cluster 2",
        "cleanup.policy: declared delete, on the cluster compact",
    )
    assert broker.partitions(topic) == (0, 1)


def test_a_state_on_a_topic_that_forgets_differs(kafka: Any, broker: Broker) -> None:
    """A state's topic must be compacted; one that deletes by age would lose keys."""
    topic = kafka.topic()
    (plan,) = broker.plan_topics([contract(topic, kind=EventKind.STATE)])
    assert plan.differences == ("cleanup.policy: declared compact, on the cluster delete",)


def test_compacted_and_deleted_is_compacted(kafka: Any, broker: Broker) -> None:
    """Both policies together count as compaction."""
    topic = kafka.topic(config={"cleanup.policy": "compact,delete"})
    (plan,) = broker.plan_topics([contract(topic, kind=EventKind.STATE)])
    assert plan.action == "ok"


def test_contracts_may_share_a_topic_if_they_agree(broker: Broker) -> None:
    """Several event types of one topic give one plan; a contradiction is an error before anything is made."""
    first = contract(name="a")
    (plan,) = broker.plan_topics([first, contract(first.topic, name="b")])
    assert plan.topic == first.topic
    with pytest.raises(TopicConflictError, match=r"d\.b declares 2 partitions"):
        broker.apply_topics([first, contract(first.topic, partitions=2, name="b")])
    assert broker.plan_topics([first])[0].action == "create"


def test_no_contracts_need_no_cluster() -> None:
    """Nothing declared is nothing asked."""
    assert Broker({"bootstrap.servers": "127.0.0.1:1"}).apply_topics([]) == ()


def test_a_name_that_kafka_refuses_is_an_error(broker: Broker) -> None:
    """What the cluster will not create is told with its own code."""
    with pytest.raises(BrokerError, match=r"no/topic.*TOPIC_EXCEPTION"):
        broker.apply_topics([contract("no/topic")])
