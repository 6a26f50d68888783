"""The examples of the design load to exactly the values that they say."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from mesh_defs.contract.choices import (
    Envelope,
    EventKind,
    Incremental,
    OnError,
    OnLoss,
    OnUnknownField,
    StartFrom,
)
from mesh_defs.contract.contract import Domain, ProductContract, SlaProperty, StreamContract
from mesh_defs.contract.domain import load_domain
from mesh_defs.contract.load import load_contract
from mesh_defs.contract.types import Column, ColumnType, Kind, Limits, QualityEntry
from tests.contract.documents import (
    DELAY_BY_HOUR,
    DOMAIN,
    FLIGHT_EVENTS,
    stream,
    write_product,
    write_stream,
)

_STRING = ColumnType(kind=Kind.STRING)


def _flight_events(path: Path) -> StreamContract:
    valid = ["scheduled", "departed", "arrived", "cancelled"]
    rule = {"metric": "invalidValues", "arguments": {"validValues": valid}, "mustBe": 0}
    uuid = ColumnType(kind=Kind.STRING, limits=Limits(format="uuid"))
    fare = ColumnType(kind=Kind.DECIMAL, precision=12, scale=2)
    origin = Column(name="origin", type=_STRING, source=34)
    route = ColumnType(kind=Kind.OBJECT, fields=(origin, Column(name="dest", type=_STRING, source=34)))
    codes = ColumnType(kind=Kind.ARRAY, item=Column(name="element", type=_STRING, source=35))
    return StreamContract(
        domain="operations",
        name="flight_events",
        id="operations.flight_events",
        version="1.0.0",
        status="active",
        title="Flight events",
        description="What happened to each departure, as it happened.",
        columns=(
            Column(name="event_id", type=uuid, required=True, source=20),
            Column(name="flight_id", type=_STRING, required=True, source=21),
            Column(name="event", type=_STRING, required=True, quality=(QualityEntry(rule=rule),), source=22),
            Column(name="occurred_at", type=ColumnType(kind=Kind.TIMESTAMP), required=True, source=29),
            Column(name="delay_minutes", type=ColumnType(kind=Kind.BIGINT), source=30),
            Column(name="fare", type=fare, classification="internal", source=31),
            Column(name="route", type=route, source=32),
            Column(name="codes", type=codes, source=35),
        ),
        path=path,
        owner="ops-data@example.org",
        sla=(
            SlaProperty(property="latency", value=1, unit="s"),
            SlaProperty(property="frequency", value=5, unit="min"),
            SlaProperty(property="retention", value=400, unit="d"),
        ),
        topic="operations.flight_events.v1",
        server="main",
        server_host="localhost:9092",
        format="json",
        event_kind=EventKind.DELTA,
        envelope=Envelope.CLOUDEVENTS,
        event_time="occurred_at",
        event_id="event_id",
        allowed_lateness=dt.timedelta(hours=26),
        partitions=2,
        subject_key="flight_id",
    )


def test_the_stream_of_the_design(tmp_path: Path) -> None:
    """Every value of the example, and nothing else."""
    path = write_stream(tmp_path, FLIGHT_EVENTS, "flight_events", "operations")
    assert load_contract(path) == _flight_events(path)


def test_the_product_of_the_design(tmp_path: Path) -> None:
    """Every value of the example, and the query beside it."""
    path = write_product(tmp_path, DELAY_BY_HOUR, "delay_by_hour", "punctuality")
    instant = ColumnType(kind=Kind.TIMESTAMP)
    contract = load_contract(path, domain="punctuality")
    assert contract == ProductContract(
        domain="punctuality",
        name="delay_by_hour",
        id="punctuality.delay_by_hour",
        version="1.0.0",
        status="active",
        title="Delay by hour",
        description="",
        columns=(
            Column(name="hour", type=instant, required=True, primary_key=True, source=11),
            Column(name="origin", type=_STRING, required=True, primary_key=True, source=12),
            Column(name="flights", type=ColumnType(kind=Kind.BIGINT), required=True, source=13),
            Column(name="mean_delay", type=ColumnType(kind=Kind.DOUBLE), source=14),
        ),
        path=path,
        source_file=path.parent / "delay_by_hour.sql",
        incremental=Incremental.WINDOW,
        event_time="hour",
        window=dt.timedelta(hours=1),
    )
    assert contract.primary_key == ("hour", "origin")


def test_the_domain_of_the_design(tmp_path: Path) -> None:
    """`domain.yaml` with its stream."""
    path = write_stream(tmp_path, FLIGHT_EVENTS, "flight_events", "operations")
    folder = tmp_path / "operations"
    (folder / "domain.yaml").write_text(DOMAIN)
    assert load_domain(folder) == Domain(
        name="operations",
        description="Flights, as they happen",
        owner="team:operations",
        contact="ops-data@example.org",
        path=folder,
        streams=(_flight_events(path),),
    )


def test_the_defaults_of_the_design(tmp_path: Path) -> None:
    """What `CONTRACTS.md` says of a stream that says only its kind."""
    contract = load_contract(write_stream(tmp_path, stream(eventKind="measurement")))
    assert isinstance(contract, StreamContract)
    assert contract.event_kind is EventKind.MEASUREMENT
    assert contract.envelope is Envelope.NONE
    assert contract.event_time is None
    assert contract.event_id == "coordinates"
    assert contract.allowed_lateness == dt.timedelta(0)
    assert contract.partitions == 1
    assert contract.start_from is StartFrom.EARLIEST
    assert contract.on_error is OnError.DEAD_LETTER
    assert contract.max_dead_letter_ratio == 0.1
    assert contract.on_loss is OnLoss.FAIL
    assert contract.on_unknown_field is OnUnknownField.KEEP
    assert contract.retain_raw is False
    assert contract.framing == "none"
    assert contract.owner is None
