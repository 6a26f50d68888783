"""Whatever is done to a stream, in any order: the invariants hold after every step, and in the end all is there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conftest import BOUND, KafkaServer
from tests.faults.machine.machine import MeshMachine
from tests.faults.machine.nursery import Nursery
from tests.faults.machine.work import REPORTED
from tests.faults.machine.world import Bench

USUAL: Final = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)

SHORT: Final = settings(
    USUAL,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    max_examples=12,
    stateful_step_count=16,
)
"""About a minute, the same steps each time."""

LONG: Final = settings(USUAL, max_examples=40, stateful_step_count=30)
"""Some minutes, other steps each time."""


ALWAYS: Final = (
    "passed beside an open transaction",
    "open transaction committed",
    "offsets lost",
    "dead letters taken back",
    "brought to its end",
)
"""What each example comes by on its way to the end."""

MOSTLY: Final = (
    "one chunk committed",
    "passed over a stopped process",
    "committed beside an open reader",
    "retry killed",
    "maintenance killed",
    "stale pass fenced",
    "transaction committed",
    "transaction aborted",
    "loss recorded by a pass",
    "recorded loss acknowledged",
    "loss acknowledged before a pass could go on",
    "topic recreated",
    "epoch accepted",
    "partition added",
    "column adopted",
    "maintenance: retention",
    "maintenance: merge",
    "maintenance: expire",
    "maintenance: sweep",
    *(f"pass killed before step {step}" for step in range(1, REPORTED + 1)),
)
"""Where the rules lead to by chance: a run that has not been at three quarters of these shows little."""


def must_have_been_everywhere(bench: Bench, examples: int) -> None:
    """Fail where a run shows nothing, because the machine did nothing."""
    bench.visits.must_have_seen(dict.fromkeys(ALWAYS, examples) | {"pass": examples})
    bench.visits.must_have_seen_of(MOSTLY, len(MOSTLY) * 3 // 4)


@pytest.fixture
def bench(kafka: KafkaServer, tmp_path: Path) -> Iterator[Bench]:
    """What all examples share."""
    nursery = Nursery(tmp_path)
    producer = kafka.producer(transactional_id=f"machine-{uuid.uuid4().hex}", transaction_timeout_ms=900_000)
    producer.init_transactions(BOUND)
    with kafka.broker() as asking:
        yield Bench(kafka=kafka, folder=tmp_path, nursery=nursery, asking=asking, producer=producer)
    nursery.close()


@pytest.mark.slow
@pytest.mark.fault(1, 2, 5, 7, 9, 12, 16, 17, 18, 20, 24, 25, 31, 40)
def test_whatever_is_done_in_any_order(bench: Bench) -> None:
    """A short run, the same each time."""
    run_state_machine_as_test(lambda: MeshMachine(bench), settings=SHORT)
    must_have_been_everywhere(bench, SHORT.max_examples)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.fault(1, 2, 5, 7, 9, 12, 16, 17, 18, 20, 24, 25, 31, 40)
def test_whatever_is_done_in_any_order_for_long(bench: Bench) -> None:
    """A long run, another one each time."""
    run_state_machine_as_test(lambda: MeshMachine(bench), settings=LONG)
    must_have_been_everywhere(bench, LONG.max_examples)
