"""Several event types in one topic, as Dagster sees them: a topic, and a table a type, filled by one run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.orchestration.sensor import ask
from tests.conftest import KafkaServer
from tests.dagsters import dagster_on_disk
from tests.meshes import ORDERS, MeshFolder
from tests.orchestration.mesh_of_two import NOBODY, definitions, execute, key

TYPES = {"placed": ORDERS, "paid": ORDERS}
CHECKS = ["ledger", "new_unknown_fields", "partitions_moving"]
COUNT = ({"name": "n", "logicalType": "integer"},)


def declared(root: Path, bootstrap: str = NOBODY, topic: str = "shop.orders.v1") -> MeshFolder:
    """Write a mesh with one stream of two types, and a product that reads the second."""
    mesh = MeshFolder(root, bootstrap)
    mesh.stream_of_types("shop.orders", topic, TYPES)
    mesh.product("shop.payments", "SELECT count(*) AS n FROM shop.paid", COUNT)
    return mesh


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster with files, so that a test sees what it leaves on the disk."""
    with dagster_on_disk(tmp_path / "home") as opened:
        yield opened


def produce(kafka: KafkaServer, topic: str, *types: str) -> None:
    """Produce a record of each type in turn."""
    records = [
        {"value": json.dumps({"order_id": n}).encode(), "headers": [("type", type_.encode())]}
        for n, type_ in enumerate(types)
    ]
    kafka.produce(topic, records)


def test_one_topic_feeds_the_table_of_each_type(tmp_path: Path) -> None:
    """Each table has the checks of a stream's; a product hangs on the table that it reads."""
    defs = definitions(declared(tmp_path), "shop")
    graph = defs.resolve_asset_graph()
    for table in ("placed", "paid"):
        node = graph.get(key(f"shop.{table}"))
        assert node.parent_keys == {dg.AssetKey(["shop", "topic", "shop.orders.v1"])}
        assert sorted(c.name for c in graph.get_check_keys_for_assets({node.key})) == CHECKS
        schema = node.metadata["dagster/column_schema"].value
        assert [c.name for c in schema.columns][:3] == ["order_id", "customer", "_partition"]
    assert graph.get(key("shop.payments")).parent_keys == {key("shop.paid")}
    assert key("shop.orders") not in graph.get_all_asset_keys()


def test_a_run_fills_the_tables_of_all_types(
    tmp_path: Path, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """Each table tells its own rows and its total; each check is evaluated for each table."""
    topic = kafka.topic()
    mesh = declared(tmp_path / "mesh", kafka.bootstrap, topic)
    produce(kafka, topic, "placed", "paid", "placed")
    assert execute(mesh, "shop", ["placed", "paid"], instance).success
    produce(kafka, topic, "placed", "other")
    result = execute(mesh, "shop", ["placed", "paid"], instance)
    assert result.success
    for table, rows, total in (("placed", 1, 3), ("paid", 0, 1)):
        (event,) = result.asset_materializations_for_node("shop__ingest")[
            ("placed", "paid").index(table) : ("placed", "paid").index(table) + 1
        ]
        told = {name: value.value for name, value in event.metadata.items()}
        assert (told["rows"], told["dagster/row_count"], told["dead_letters"], told["stream"]) == (
            rows,
            total,
            1,
            "shop.orders",
        )
        assert told["offsets"] == "0: 3 to 5"
    evaluated = {(e.asset_key.path[-1], e.check_name, e.passed) for e in result.get_asset_check_evaluations()}
    assert evaluated == {(table, check, True) for table in TYPES for check in CHECKS}


def test_a_run_of_one_table_moves_the_whole_stream(
    tmp_path: Path, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """The stream is read once; the table beside it is told, with its ledger check, for what depends on it."""
    topic = kafka.topic()
    mesh = declared(tmp_path / "mesh", kafka.bootstrap, topic)
    produce(kafka, topic, "placed", "paid")
    assert execute(mesh, "shop", ["placed"], instance).success
    assert mesh.rows("SELECT count(*) FROM shop.paid") == [(1,)]
    (event,) = instance.fetch_materializations(key("shop.paid"), limit=5).records
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["rows"].value == 1
    ledger = dg.AssetCheckKey(key("shop.paid"), "ledger")
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key([ledger])[ledger]
    assert found.status.value == "SUCCEEDED"


def test_the_sensor_asks_for_all_tables_of_a_stream(
    tmp_path: Path, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """News of a topic are one run of every table that it feeds."""
    topic = kafka.topic()
    mesh = declared(tmp_path / "mesh", kafka.bootstrap, topic)
    produce(kafka, topic, "placed")
    project = mesh.open()
    request = ask(instance, project, project.domain("shop"))
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [key("shop.placed"), key("shop.paid")]
