"""Several event types in one topic: one read, one account, a table a type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import Limits
from mesh_defs.model.errors import ContractError
from tests.conftest import KafkaServer
from tests.meshes import ORDERS, MeshFolder

PLACED = ORDERS
PAID = (ORDERS[0], {"name": "amount", "logicalType": "number", "physicalType": "decimal(12,2)"})
TYPES = {"placed": PLACED, "paid": PAID}


def record(type_: str | None, value: dict[str, Any] | None, **options: Any) -> dict[str, Any]:
    """Return a record that says its type in the header `type`."""
    headers = [("type", type_.encode())] if type_ is not None else []
    return {"value": None if value is None else json.dumps(value).encode(), "headers": headers} | options


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> Iterator[MeshFolder]:
    """A project on the session's Kafka; at the end its ledger must hold, against the broker too."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    yield folder
    holds(folder)


def holds(mesh: MeshFolder) -> None:
    """Assert that the ledger holds, compared with the broker."""
    project = mesh.open()
    for result in verify_domain(project, project.domain("shop")):
        assert result.violations == ()


def test_each_record_lands_in_the_table_of_its_type(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Rows keep their coordinates; the account adds up over all tables and the dead letters."""
    topic = kafka.topic()
    mesh.stream_of_types("shop.orders", topic, TYPES)
    kafka.produce(
        topic,
        [
            record("placed", {"order_id": 1, "customer": "a"}),
            record("paid", {"order_id": 1, "amount": 9.5}),
            record("refunded", {"order_id": 1}),
            record(None, {"order_id": 2}),
            record("paid", {"order_id": "two"}),
            record("placed", None, key=b"1"),
            record(None, None, key=b"2"),
            record("placed", {"order_id": 3}),
        ],
    )
    report = mesh.ingest("shop")
    (stream,) = report.streams
    assert (stream.stream, stream.tables, stream.dead_letter_count) == (
        "orders",
        (("placed", 3), ("paid", 1)),
        4,
    )
    assert mesh.rows("SELECT order_id, _offset, _tombstone FROM shop.placed ORDER BY _offset") == [
        (1, 0, False),
        (None, 5, True),
        (3, 7, False),
    ]
    assert mesh.rows("SELECT order_id, amount::VARCHAR, _offset FROM shop.paid") == [(1, "9.50", 1)]
    assert mesh.rows("SELECT stream, _offset, stage, rule FROM shop.dead_letters ORDER BY _offset") == [
        ("orders", 2, "envelope", "unknown_event_type"),
        ("orders", 3, "envelope", "event_type"),
        ("orders", 4, "validate", "type"),
        ("orders", 6, "envelope", "event_type"),
    ]
    assert mesh.rows("SELECT stream, row_count, dead_letter_count FROM shop.ledger") == [("orders", 4, 4)]


def test_chunks_of_any_size_give_the_same_tables(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Many small commits or one, in two partitions."""
    topic = kafka.topic(partitions=2)
    mesh.stream_of_types("shop.orders", topic, TYPES, partitions=2)
    for partition in (0, 1):
        records = [record("placed" if n % 3 else "paid", {"order_id": n}) for n in range(60)]
        kafka.produce(topic, records, partition=partition)
    mesh.ingest("shop", limits=Limits(rows=7, batch=5))
    counts = "SELECT count(*), count(DISTINCT (_partition, _offset)), sum(order_id) FROM shop."
    assert mesh.rows(counts + "placed") == [(80, 80, 2400)]
    assert mesh.rows(counts + "paid") == [(40, 40, 1140)]


def test_declared_types_have_tables_after_the_first_pass(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Even where no record of them came; and no table is called as the stream."""
    mesh.stream_of_types("shop.orders", kafka.topic(), TYPES)
    mesh.ingest("shop")
    tables = mesh.rows("SELECT table_name FROM duckdb_tables() WHERE database_name = 'shop' ORDER BY 1")
    assert [name for (name,) in tables] == ["dead_letters", "ledger", "offsets", "paid", "placed"]


def test_a_type_joins_and_a_type_leaves(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """The account goes on: the rows of a type that is no longer declared still count."""
    topic = kafka.topic()
    mesh.stream_of_types("shop.orders", topic, {"placed": PLACED}, maxDeadLetterRatio=1)
    kafka.produce(topic, [record("placed", {"order_id": 1}), record("paid", {"order_id": 1})])
    mesh.ingest("shop")
    mesh.stream_of_types("shop.orders", topic, TYPES)
    kafka.produce(topic, [record("paid", {"order_id": 2})])
    mesh.ingest("shop")
    holds(mesh)
    mesh.stream_of_types("shop.orders", topic, {"paid": PAID})
    kafka.produce(topic, [record("paid", {"order_id": 3})])
    assert mesh.ingest("shop").failed == ()
    assert mesh.rows("SELECT order_id FROM shop.paid ORDER BY 1") == [(2,), (3,)]
    assert mesh.rows("SELECT order_id FROM shop.placed") == [(1,)]


def test_a_stream_of_one_type_becomes_one_of_several(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Under the same name the ledger goes on; the first table stays in the account."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [record(None, {"order_id": 1})])
    mesh.ingest("shop")
    mesh.stream_of_types("shop.orders", topic, TYPES)
    kafka.produce(topic, [record("placed", {"order_id": 2})])
    assert mesh.ingest("shop").row_count == 1
    assert mesh.rows(
        "SELECT order_id FROM shop.orders UNION ALL FROM (SELECT order_id FROM shop.placed)"
    ) == [
        (1,),
        (2,),
    ]


def test_a_stream_under_a_new_name_may_not_fill_the_same_table(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """It would read the topic again, and double every row."""
    topic = kafka.topic()
    path = mesh.stream_of_types("shop.orders", topic, TYPES)
    kafka.produce(topic, [record("placed", {"order_id": 1})])
    mesh.ingest("shop")
    renamed = path.rename(path.with_name("sales.odcs.yaml"))
    (stream,) = mesh.ingest("shop").failed
    assert isinstance(stream.error, ContractError)
    assert "call the contract orders.odcs.yaml" in str(stream.error)
    renamed.rename(path)
    assert mesh.ingest("shop").failed == ()


def test_the_type_may_stand_in_a_field(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """It need be no column: the table tells it. A null value has no type."""
    topic = kafka.topic()
    mesh.stream_of_types("shop.orders", topic, TYPES, eventTypeFrom="kind", onUnknownField="dead_letter")
    kafka.produce(
        topic,
        [json.dumps({"kind": kind, "order_id": n}).encode() for n, kind in enumerate(["placed", "paid"])]
        + [{"value": None}, b"[]", b'{"order_id": 7}'],
    )
    mesh.ingest("shop")
    assert mesh.rows("SELECT order_id, _unknown FROM shop.placed") == [(0, None)]
    assert mesh.rows("SELECT order_id, _unknown FROM shop.paid") == [(1, None)]
    assert mesh.rows("SELECT _offset, rule FROM shop.dead_letters ORDER BY 1") == [
        (2, "event_type"),
        (3, "type"),
        (4, "event_type"),
    ]


def test_commands_take_the_name_of_a_table_for_its_stream(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """A person sees tables; what is read, verified and listed is their stream."""
    topic = kafka.topic()
    mesh.stream_of_types("shop.orders", topic, TYPES)
    kafka.produce(topic, [record("paid", {"order_id": 1}), record("lost", {"order_id": 2})])
    for name in ("shop.orders", "shop.paid"):
        (topics,) = mesh.cli_json("topics", "apply", name)
        assert topics["topic"] == topic
    (ingested,) = mesh.cli_json("ingest", "shop.paid")
    assert (ingested["stream"], ingested["row_count"], ingested["dead_letter_count"]) == ("orders", 1, 1)
    (status,) = mesh.cli_json("status")
    assert (status["stream"], status["state"]) == ("orders", "current")
    (verified,) = mesh.cli_json("ledger", "verify", "shop.placed")
    assert (verified["stream"], verified["rows"], verified["violations"]) == ("orders", 1, [])
    (letter,) = mesh.cli_json("dead-letters", "list", "shop.placed")
    assert (letter["stream"], letter["rule"]) == ("orders", "unknown_event_type")
