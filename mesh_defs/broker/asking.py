"""Questions to a cluster: one AdminClient, every wait bounded, every failure translated."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from mesh_defs.broker.failures import Heard, broker_error, configuration_error, is_transient
from mesh_defs.broker.properties import client_log, client_properties

_log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 0.1
_LEAST_SECONDS: Final = 0.001

Request = Callable[[AdminClient, float], Sequence["Future[Any]"]]
"""Sends a request that may take so many seconds, and returns its answers to come."""


def _no_refusal(_answer: object) -> None:
    """Find no error inside an answer."""


class Knock:
    """A question whether a cluster answers, under way.

    Args:
        client: Through which it was asked.
        future: Its answer to come.
        heard: What the client says meanwhile.
        cannot: What fails when it fails.
    """

    def __init__(self, client: AdminClient, future: Future[Any], heard: Heard, cannot: str) -> None:
        self._client = client
        self._future = future
        self._heard = heard
        self._cannot = cannot

    def answered(self) -> bool:
        """Return whether the cluster has answered, whatever it said; False while that is awaited. It returns at once.

        Raises:
            BrokerUnavailableError: There was no answer in time.
            BrokerAccessError: The cluster refuses the credentials.
        """
        self._client.poll(0)
        if self._heard.denial is not None:
            raise broker_error(self._heard.denial, cannot=self._cannot)
        if not self._future.done():
            return False
        try:
            self._future.result()
        except KafkaException as failure:
            error: KafkaError = failure.args[0]
            if is_transient(error):
                raise broker_error(error, cannot=self._cannot, seen=self._heard.error) from None
        return True


class Admin:
    """One AdminClient, created when first needed.

    Args:
        connection: librdkafka properties.
        timeout: Seconds for one question, with all its retries.
    """

    def __init__(self, connection: Mapping[str, str], *, timeout: float) -> None:
        self._connection = connection
        self._timeout = timeout
        self._client: AdminClient | None = None
        self.heard = Heard()
        """What the clients of this connection say about it."""

    def ask(
        self,
        cannot: str,
        request: Request,
        *,
        expected: Sequence[int] = (),
        refusal: Callable[[Any], KafkaError | None] = _no_refusal,
    ) -> list[Any]:
        """Send a request and return its answers.

        Args:
            cannot: What fails when it fails, for the message.
            request: Sends it.
            expected: Error codes that are an answer: they are returned as the `KafkaError`.
            refusal: Finds the error inside an answer that says success as a whole.

        Raises:
            BrokerError: Or its child that the cluster's answer means.
            ConfigError: librdkafka refuses the connection's properties.
        """
        deadline = time.monotonic() + self._timeout
        self.heard.forget()
        while True:
            left = max(deadline - time.monotonic(), _LEAST_SECONDS)
            try:
                futures = request(self._open(), left)
                answers = [self._answer(future, deadline, expected) for future in futures]
                refused = next(filter(None, map(refusal, answers)), None)
                if refused is None:
                    return answers
                raise KafkaException(refused)  # noqa: TRY301 - handled as the same error of the whole
            except KafkaException as failure:
                error: KafkaError = failure.args[0]
                if not is_transient(error) or time.monotonic() + _RETRY_SECONDS >= deadline:
                    raise broker_error(error, cannot=cannot, seen=self.heard.error) from None
                _log.debug("asking again, since the broker answered %s", error.name())
                threading.Event().wait(_RETRY_SECONDS)

    def knock(self, topic: str) -> Knock:
        """Ask the cluster for a topic, only to see whether it answers, and wait for nothing.

        Raises:
            ConfigError: librdkafka refuses the connection's properties.
        """
        self.heard.forget()
        client = self._open()
        (future,) = client.describe_topics(TopicCollection([topic]), request_timeout=self._timeout).values()
        return Knock(client, future, self.heard, f"describe the topic {topic}")

    def close(self) -> None:
        """Close the client; the next question opens a new one."""
        client, self._client = self._client, None
        if client is not None:
            client.__exit__(None, None, None)

    def _open(self) -> AdminClient:
        if self._client is None:
            properties = client_properties(self._connection, self.heard)
            try:
                self._client = AdminClient(properties, logger=client_log())
            except KafkaException as failure:
                raise configuration_error(failure) from None
        return self._client

    def _answer(self, future: Future[Any], deadline: float, expected: Sequence[int]) -> Any:
        """Wait for one answer, serving the client's callbacks meanwhile; a denial ends the wait at once."""
        while not wait([future], timeout=_POLL_SECONDS).done:
            self._open().poll(0)
            if self.heard.denial is not None:
                raise KafkaException(self.heard.denial)
            if time.monotonic() >= deadline + _POLL_SECONDS:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        self._open().poll(0)
        try:
            return future.result()
        except KafkaException as failure:
            if failure.args[0].code() in expected:
                return failure.args[0]
            raise
