"""What the tests of Dagster share."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from tests.conftest import KafkaServer


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster that forgets everything."""
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


@pytest.fixture
def orders(kafka: KafkaServer) -> str:
    """The topic of the orders."""
    return kafka.topic()
