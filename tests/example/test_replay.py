"""The replay: the same records each time, in the order of their publication, each produced once."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import pairwise

import pytest

from domains.replay.avro import Avro
from domains.replay.lateness import FLIGHTS, OBSERVATIONS, PASSENGERS, REGISTER, Delay
from domains.replay.material import Material
from domains.replay.record import START, Numbered
from domains.replay.source import Source
from domains.replay.timeline import GENERATORS, timeline
from mesh_defs.broker.registry import registry_for
from mesh_defs.contract.project import Project
from tests.conftest import KafkaServer, wait_for
from tests.example.conftest import ExampleMesh
from tests.meshes import ROOT

FEBRUARY = (START, 2)
OF_FEBRUARY = {"operations.flight_events": 73_513, "operations.flight_states": 73_513}


@pytest.fixture(scope="module")
def source() -> Iterator[Source]:
    """The CSV files."""
    with Source() as opened:
        yield opened


def replayed(
    source: Source, seed: int = 7, parts: tuple[int, ...] = FEBRUARY, streams: Collection[str] = GENERATORS
) -> list[Numbered]:
    """Return the records of some parts."""
    avro = Avro(lambda: registry_for(Project.open(ROOT).config))
    return list(timeline(Material(source=source, avro=avro, seed=seed), parts, streams))


def occurred(numbered: Numbered, column: str) -> dt.datetime:
    """Return the event time of a JSON record."""
    assert numbered.record.value is not None
    return dt.datetime.fromisoformat(json.loads(numbered.record.value)[column])


@pytest.mark.slow
def test_the_same_months_and_seed_give_the_same_bytes(source: Source) -> None:
    """Twice the same; with another seed other ids and delays, of the same flights."""
    first = replayed(source)
    assert first == replayed(source)
    counts = Counter(numbered.record.stream for numbered in first)
    assert {name: counts[name] for name in OF_FEBRUARY} == OF_FEBRUARY
    other = replayed(source, seed=8, streams=["operations.flight_events"])
    same = [n for n in first if n.record.stream == "operations.flight_events"]
    assert {n.record.key for n in other} == {n.record.key for n in same}
    assert {n.record.value for n in other}.isdisjoint(n.record.value for n in same)


def test_a_month_does_not_depend_on_its_neighbours(source: Source) -> None:
    """Replayed alone, or among others: the same records under the same numbers, those of all months in one order."""
    streams = [name for name in GENERATORS if name != "operations.flight_events"]
    alone = replayed(source, parts=(2,), streams=streams)
    among = replayed(source, parts=(START, 1, 2, 3), streams=streams)
    assert [n for n in among if n.part == 2] == alone
    assert all(a.record.published <= b.record.published for a, b in pairwise(among))


@pytest.mark.parametrize(
    ("stream", "column", "delay"),
    [
        ("operations.flight_events", "occurred_at", FLIGHTS),
        ("passengers.bookings", "occurred_at", PASSENGERS),
    ],
)
def test_events_are_late_and_out_of_order_within_their_contract(
    source: Source, stream: str, column: str, delay: Delay
) -> None:
    """Half of them later than the median, some much later, none beyond `allowedLateness`; the order is disturbed."""
    records = replayed(source, streams=[stream])
    times = [occurred(numbered, column) for numbered in records]
    late = [
        numbered.record.published / 1e6 - at.timestamp() for numbered, at in zip(records, times, strict=True)
    ]
    assert sum(seconds > delay.median for seconds in late) / len(late) == pytest.approx(0.5, abs=0.02)
    assert sum(seconds > delay.late_median for seconds in late) / len(late) == pytest.approx(
        delay.late_share / 2, rel=0.5
    )
    assert 0 <= min(late) <= max(late) <= delay.bound
    assert any(a > b for a, b in pairwise(times))


def test_no_delay_is_longer_than_the_contract_allows() -> None:
    """The distributions' bounds are the contracts' `allowedLateness`."""
    domains, _ = Project.open(ROOT).load_domains()
    allowed = {s.full_name: s.allowed_lateness.total_seconds() for d in domains.values() for s in d.streams}
    bounds = {
        "operations.flight_events": FLIGHTS.bound,
        "operations.flight_states": FLIGHTS.bound,
        "passengers.bookings": PASSENGERS.bound,
        "passengers.profiles": PASSENGERS.bound,
        "fleet.aircraft": REGISTER.bound,
        "weather.observations": OBSERVATIONS.bound,
    }
    assert allowed == bounds


def test_states_of_a_flight_never_overtake_each_other(source: Source) -> None:
    """The newest record of a flight is its newest state, whatever became late."""
    newest: dict[bytes, dt.datetime] = {}
    for numbered in replayed(source, streams=["operations.flight_states"]):
        at = occurred(numbered, "changed_at")
        assert newest.get(numbered.record.key, at) <= at
        newest[numbered.record.key] = at
    assert len(newest) == 24_951


@pytest.mark.slow
def test_a_second_replay_takes_over_from_the_first(example: ExampleMesh, example_kafka: KafkaServer) -> None:
    """A slow one, as `mesh up` runs it, then a fast one: together each record once; a third finds nothing to do."""
    topic = "operations.flight_events.v1"
    slow = [*example.replay("--months", "1", "--speed", "100000")]
    with subprocess.Popen(slow, env=example.environment) as first:
        wait_for(lambda: example_kafka.high_watermark(topic, 0) > 0, "the slow replay has begun")
        example.cli("process", "run", "replay", "--", "--months", "1", "--speed", "max")
        assert first.wait(timeout=60) == 0
    example.cli("process", "run", "replay", "--", "--months", "1", "--speed", "max")
    ends = [example_kafka.high_watermark(topic, partition) for partition in (0, 1)]
    assert sum(ends) == 80_406
