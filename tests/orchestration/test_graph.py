"""The asset graph that contracts become."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mesh_defs.model.errors import ConfigError
from mesh_defs.orchestration.keys import table_key, topic_key
from tests.orchestration.mesh_of_two import definitions, key, mesh_of_two

CHECKS = ["ledger", "new_unknown_fields", "partitions_moving"]


def described(defs: dg.Definitions) -> dict[str, Any]:
    """Return what a person may rely on: keys, dependencies, owners, groups, kinds, checks, automation."""
    graph = defs.resolve_asset_graph()
    found = {}
    for spec in defs.resolve_all_asset_specs():
        if spec.group_name == "default":
            continue  # a table of another domain, which describes it itself
        condition = spec.automation_condition
        found[spec.key.to_user_string()] = {
            "deps": sorted(dep.asset_key.to_user_string() for dep in spec.deps),
            "group": spec.group_name,
            "kinds": sorted(spec.kinds),
            "owners": list(spec.owners),
            "checks": sorted(k.name for k in graph.get_check_keys_for_assets({spec.key})),
            "automation": condition.get_label() if condition else None,
            "executable": graph.get(spec.key).is_executable,
        }
    return found


def test_streams_become_topics_and_tables(tmp_path: Path) -> None:
    """The graph of a domain with streams is exactly this."""
    table = {"group": "shop", "kinds": ["ducklake", "parquet"], "owners": ["team:shop"], "automation": None}
    topic = {"group": "shop", "kinds": ["kafka"], "owners": ["team:shop"], "automation": None}
    assert described(definitions(mesh_of_two(tmp_path), "shop")) == {
        "shop/orders": {**table, "deps": ["shop/topic/shop.orders.v1"], "checks": CHECKS, "executable": True},
        "shop/returns": {
            **table,
            "deps": ["shop/topic/shop.returns.v1"],
            "checks": CHECKS,
            "executable": True,
        },
        "shop/topic/shop.orders.v1": {**topic, "deps": [], "checks": [], "executable": False},
        "shop/topic/shop.returns.v1": {**topic, "deps": [], "checks": [], "executable": False},
    }


def test_products_depend_on_what_their_sql_reads(tmp_path: Path) -> None:
    """The tie to the other domain is a dependency, and the product builds itself."""
    assert described(definitions(mesh_of_two(tmp_path), "sales")) == {
        "sales/totals": {
            "deps": ["shop/orders"],
            "group": "sales",
            "kinds": ["ducklake", "parquet", "sql"],
            "owners": ["team:sales"],
            "checks": [],
            "automation": "event_product",
            "executable": True,
        }
    }


@pytest.mark.parametrize(
    ("domain", "sensors"),
    [("shop", ["shop__ingest"]), ("sales", ["sales__products"])],
    ids=["streams", "products"],
)
def test_sensors_are_on(tmp_path: Path, domain: str, sensors: list[str]) -> None:
    """Each domain has the sensors that it needs, running from the start, and loads without a warning."""
    defs = definitions(mesh_of_two(tmp_path), domain)
    dg.Definitions.validate_loadable(defs)
    found = list(defs.sensors or [])
    assert [s.name for s in found] == sensors
    assert {s.default_status for s in found} == {dg.DefaultSensorStatus.RUNNING}
    assert all((s.minimum_interval_seconds or 30) <= 5 for s in found)


def test_one_domain_may_have_both(tmp_path: Path) -> None:
    """A product beside the stream that it reads hangs on it in one graph."""
    mesh = mesh_of_two(tmp_path)
    mesh.product(
        "shop.big",
        "SELECT count(*) AS orders FROM shop.orders",
        [{"name": "orders", "logicalType": "integer"}],
    )
    defs = definitions(mesh, "shop")
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_asset_graph().get(key("shop.big")).parent_keys == {key("shop.orders")}


def test_a_table_page_shows_its_contract(tmp_path: Path) -> None:
    """Columns with their constraints, the platform's columns, the contract's path."""
    specs = {s.key: s for s in definitions(mesh_of_two(tmp_path), "shop").resolve_all_asset_specs()}
    metadata = specs[key("shop.orders")].metadata
    columns = {c.name: c for c in metadata["dagster/column_schema"].value.columns}
    assert columns["order_id"].type == "BIGINT"
    assert not columns["order_id"].constraints.nullable
    assert columns["customer"].constraints.nullable
    assert columns["_offset"].description == "The record's offset."
    assert metadata["contract_file"].value == str(tmp_path / "domains/shop/streams/orders.odcs.yaml")
    assert metadata["dagster/table_name"].value == "shop.orders"


def test_a_contract_with_promises_becomes_checks_and_schedules(tmp_path: Path) -> None:
    """Its rules, its frequency, its schedule: on the product as on the stream."""
    mesh = mesh_of_two(tmp_path)
    for path in (tmp_path / "domains/sales/products/totals", tmp_path / "domains/shop/streams/orders"):
        file = path.with_name(f"{path.name}.odcs.yaml")
        document = json.loads(file.read_text())
        document["slaProperties"] = [
            {"property": "frequency", "value": 5, "unit": "min", "scheduler": "cron", "schedule": "0 6 * * *"}
        ]
        document["schema"][0]["quality"] = [{"metric": "rowCount", "mustBeGreaterThan": 0}]
        file.write_text(json.dumps(document))
    sales, shop = definitions(mesh, "sales"), definitions(mesh, "shop")
    dg.Definitions.validate_loadable(sales)
    assert described(sales)["sales/totals"]["checks"] == ["freshness", "row_count"]
    assert described(shop)["shop/orders"]["checks"] == sorted([*CHECKS, "freshness", "row_count"])
    specs = {spec.key: spec for spec in shop.resolve_all_asset_specs()}
    assert specs[key("shop.orders")].freshness_policy == dg.FreshnessPolicy.time_window(
        dt.timedelta(minutes=5)
    )
    assert schedules(sales) == {"sales__maintenance": None, "sales__totals": "0 6 * * *"}
    assert set(schedules(shop)) == {"shop__maintenance", "shop__verification"}


def schedules(defs: dg.Definitions) -> dict[str, str | None]:
    """Return the schedules, all of which are on; those of the platform's own choice without their time."""
    found = [s for s in defs.schedules or [] if isinstance(s, dg.ScheduleDefinition)]
    assert all(s.default_status is dg.DefaultScheduleStatus.RUNNING for s in found)
    own = ("__maintenance", "__verification")
    return {s.name: None if s.name.endswith(own) else str(s.cron_schedule) for s in found}


def test_an_empty_domain_loads(tmp_path: Path) -> None:
    """A domain that declares nothing yet is an empty code location, not an error."""
    mesh = mesh_of_two(tmp_path)
    mesh.domain("fresh")
    assert described(definitions(mesh, "fresh")) == {}


@pytest.mark.parametrize("part", ["..", "", "Orders", "a/b", "a" * 64])
def test_keys_refuse_names_that_lead_elsewhere(part: str) -> None:
    """Dagster makes folders of keys."""
    with pytest.raises(ConfigError, match="no name of a domain"):
        table_key("shop", part)


@pytest.mark.parametrize("topic", [".", "..", "", "a/b", "a" * 250])
def test_topic_keys_refuse_what_kafka_refuses(topic: str) -> None:
    """A topic's name is part of a key too."""
    with pytest.raises(ConfigError, match="Kafka allows no topic"):
        topic_key("shop", topic)
