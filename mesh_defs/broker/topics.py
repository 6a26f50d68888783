"""Topics as the contracts declare them: planned, created where missing, never altered."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from confluent_kafka import KafkaError, TopicCollection
from confluent_kafka.admin import ConfigResource, NewTopic, TopicDescription

from mesh_defs.broker.asking import Admin
from mesh_defs.contract.choices import EventKind
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.errors import TopicConflictError

_POLICY: Final = "cleanup.policy"
_BROKERS_CHOICE: Final = -1
_SHOWN_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """What becomes of one declared topic.

    Attributes:
        action: `create` it, it is `ok`, or it `differs` and is left as it is.
        partitions: As declared.
        config: The topic's own configuration, as declared.
        differences: Each with both values: ``"partitions: declared 2, on the cluster 3"``.
    """

    topic: str
    action: Literal["create", "ok", "differs"]
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    differences: tuple[str, ...] = ()


def plan_topics(admin: Admin, contracts: Sequence[StreamContract]) -> tuple[TopicPlan, ...]:
    """Compare the topics of contracts with the cluster's, in the contracts' order.

    Raises:
        TopicConflictError: Contracts of one topic contradict each other.
        BrokerError: The cluster refused, or does not answer.
    """
    declared = _declared(contracts)
    if not declared:
        return ()
    found = _described(admin, tuple(declared))
    policies = _policies(admin, [topic for topic in declared if topic in found])
    return tuple(
        _compared(plan, found[topic], policies[topic]) if topic in found else plan
        for topic, plan in declared.items()
    )


def create_topics(admin: Admin, plans: Sequence[TopicPlan]) -> None:
    """Create the topics that are planned so, and wait until the cluster shows them.

    A topic that appeared meanwhile is left as it is. The number of replicas is the cluster's default.

    Raises:
        BrokerError: The cluster refused, or does not answer.
    """
    missing = [plan for plan in plans if plan.action == "create"]
    if not missing:
        return
    topics = [
        NewTopic(
            plan.topic,
            num_partitions=plan.partitions,
            replication_factor=_BROKERS_CHOICE,
            config=dict(plan.config),
        )
        for plan in missing
    ]
    names = ", ".join(plan.topic for plan in missing)
    admin.ask(
        f"create {names}",
        lambda client, t: list(client.create_topics(topics, request_timeout=t).values()),
        expected=(KafkaError.TOPIC_ALREADY_EXISTS,),
    )
    _await_shown(admin, [plan.topic for plan in missing])


def _await_shown(admin: Admin, topics: Sequence[str]) -> None:
    """Wait until the brokers have learnt of topics that their controller has just created."""
    deadline = time.monotonic() + _SHOWN_SECONDS
    while len(_described(admin, topics)) < len(topics) and time.monotonic() < deadline:
        threading.Event().wait(_RETRY_SECONDS)


def _declared(contracts: Sequence[StreamContract]) -> dict[str, TopicPlan]:
    """Return one plan a topic; several contracts may share one, if they agree on it."""
    plans: dict[str, TopicPlan] = {}
    for contract in contracts:
        plan = TopicPlan(
            topic=contract.topic, action="create", partitions=contract.partitions, config=_config(contract)
        )
        other = plans.setdefault(contract.topic, plan)
        if other != plan:
            raise TopicConflictError(
                cannot=f"plan the topic {contract.topic}",
                why=f"{contract.full_name} declares {_words(plan)}, another contract {_words(other)}",
                do="make the contracts of the topic agree",
            )
    return plans


def _config(contract: StreamContract) -> dict[str, str]:
    """Return what is declared beyond partitions.

    Only a `state` stream is compacted: each of its records replaces the one before of the same key. Any other
    kind would lose events by compaction.
    """
    return {_POLICY: "compact"} if contract.event_kind is EventKind.STATE else {}


def _words(plan: TopicPlan) -> str:
    return f"{plan.partitions} partitions, {_POLICY} {plan.config.get(_POLICY, 'delete')}"


def _described(admin: Admin, topics: Sequence[str]) -> dict[str, TopicDescription]:
    names = TopicCollection(list(topics))
    answers = admin.ask(
        f"describe {', '.join(topics)}",
        lambda client, t: list(client.describe_topics(names, request_timeout=t).values()),
        expected=(KafkaError.UNKNOWN_TOPIC_OR_PART,),
    )
    return {
        topic: answer
        for topic, answer in zip(topics, answers, strict=True)
        if not isinstance(answer, KafkaError)
    }


def _policies(admin: Admin, topics: Sequence[str]) -> dict[str, str]:
    """Return the clean-up policy of existing topics."""
    if not topics:
        return {}
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics]
    answers = admin.ask(
        f"ask for the configuration of {', '.join(topics)}",
        lambda client, t: list(client.describe_configs(resources, request_timeout=t).values()),
    )
    return {topic: str(answer[_POLICY].value) for topic, answer in zip(topics, answers, strict=True)}


def _compared(plan: TopicPlan, found: TopicDescription, policy: str) -> TopicPlan:
    differences = []
    if len(found.partitions) != plan.partitions:
        differences.append(f"partitions: declared {plan.partitions}, on the cluster {len(found.partitions)}")
    wanted = plan.config.get(_POLICY, "delete")
    if (wanted == "compact") != ("compact" in policy.split(",")):
        differences.append(f"{_POLICY}: declared {wanted}, on the cluster {policy}")
    return TopicPlan(
        topic=plan.topic,
        action="differs" if differences else "ok",
        partitions=plan.partitions,
        config=plan.config,
        differences=tuple(differences),
    )
