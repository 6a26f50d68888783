"""Asks a starting broker, as a real client, whether it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from mesh_defs.broker.properties import client_log

_ATTEMPT_SECONDS: Final = 1.0


def wait_until_healthy(
    address: str, cluster_id: str, *, timeout: float, is_alive: Callable[[], bool]
) -> bool:
    """Wait until the cluster of that id answers at an address.

    Args:
        address: ``host:port``.
        cluster_id: What it must call itself, so that a stranger on the port is not mistaken for it.
        timeout: Seconds.
        is_alive: Whether waiting still makes sense.

    Returns:
        Whether it answered in time.
    """
    admin = AdminClient(
        {"bootstrap.servers": address, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100},
        logger=client_log(),
    )
    deadline = time.monotonic() + timeout
    while is_alive() and time.monotonic() < deadline:
        try:
            # Not `describe_cluster`: librdkafka 2.16 aborts the process (`rd_kafka_admin_response_parse`) where a
            # broker answers before it has registered itself, and so names no broker at all.
            found = admin.list_topics(timeout=_ATTEMPT_SECONDS)
        except KafkaException:  # refused or timed out: it is not there yet
            continue
        finally:
            admin.poll(0)
        if str(found.cluster_id) == cluster_id and found.brokers:
            return True
    return False
