"""Kafka's error codes as errors that a person can act upon."""

from __future__ import annotations

from typing import Final

from confluent_kafka import KafkaError, KafkaException

from mesh_defs.model.errors import (
    BrokerAccessError,
    BrokerError,
    BrokerUnavailableError,
    ConfigError,
    TopicMissingError,
)

_MISSING: Final = frozenset(
    [
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's own codes are spelt so
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    ]
)
_DENIED: Final = frozenset(
    [
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
    ]
)
_UNAVAILABLE: Final = frozenset(
    [
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError._WAIT_CACHE,  # noqa: SLF001
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.REQUEST_TIMED_OUT,
    ]
)


def configuration_error(failure: KafkaException) -> ConfigError:
    """Return the mesh's error for a client that cannot even be created from its properties."""
    error: KafkaError = failure.args[0]
    return ConfigError(
        cannot="create a client of the cluster",
        why=error.str(),
        do="mend the connection's table in mesh.toml; its keys are librdkafka's",
    )


class Heard:
    """What a client said about its connections, for the message of a question that they did not answer.

    A denial is kept over later news, and a reason over librdkafka's summary that all brokers are down, which comes
    now and then between the reasons of single attempts.
    """

    def __init__(self) -> None:
        self.error: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        """Take the next; this is the client's ``error_cb``."""
        if self.error is None or _weight(error) >= _weight(self.error):
            self.error = error

    @property
    def denial(self) -> KafkaError | None:
        """The cluster's refusal of who we are or what we may do, where it said one."""
        return self.error if self.error is not None and self.error.code() in _DENIED else None

    def forget(self) -> None:
        """Begin anew, with another question."""
        self.error = None


def _weight(error: KafkaError) -> int:
    if error.code() in _DENIED:
        return 2
    return int(error.code() != KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001


def is_transient(error: KafkaError) -> bool:
    """Return whether the same request may succeed a moment later."""
    return error.code() in _UNAVAILABLE or bool(error.retriable())


def broker_error(error: KafkaError, *, cannot: str, seen: KafkaError | None = None) -> BrokerError:
    """Return the mesh's error for Kafka's.

    Args:
        error: What ended the request.
        cannot: What could not be done.
        seen: What the client said meanwhile about its connections; it tells more than a time-out does.
    """
    code = error.code()
    if code in _MISSING:
        return TopicMissingError(
            cannot=cannot,
            why=f"the topic is not on the cluster ({error.name()})",
            do="create the topics of the contracts with `mesh topics apply`",
        )
    if code in _DENIED:
        return BrokerAccessError(
            cannot=cannot,
            why=f"the cluster refuses the connection's identity or its rights ({error.name()}: {error.str()})",
            do="mend the credentials in mesh.toml, or have the rights granted on the cluster",
        )
    if code in _UNAVAILABLE:
        told = error if seen is None else seen
        return BrokerUnavailableError(
            cannot=cannot,
            why=f"the cluster does not answer ({told.name()}: {told.str()})",
            do="see whether the broker runs (`mesh broker status`) and whether its address is right",
        )
    return BrokerError(
        cannot=cannot,
        why=f"the broker answered {error.name()}: {error.str()}",
        do="look this code up in Kafka's list of protocol errors",
    )
