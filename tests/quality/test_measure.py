"""The `quality` rules of contracts, measured in real stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mesh_defs.contract.quality import quality_rules
from mesh_defs.quality import Measure, measure
from mesh_defs.store import DomainStore
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import execute

ROWS: tuple[dict[str, Any], ...] = (
    {"id": 1, "word": "red", "amount": 1.5, "place": {"city": "Basel"}},
    {"id": 2, "word": "", "amount": 2.0, "place": {"city": None}},
    {"id": 2, "word": None, "amount": None, "place": None},
    {"id": 4, "word": "blue", "amount": 9.0, "place": {"city": "Bern"}},
)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServer) -> MeshFolder:
    """A stream of four rows and a tombstone."""
    topic = kafka.topic()
    found = MeshFolder(tmp_path_factory.mktemp("quality"), kafka.bootstrap)
    declare(found, topic)
    kafka.produce(topic, [*(json.dumps(row).encode() for row in ROWS), {"key": b"4", "value": None}])
    found.ingest("shop")
    return found


def declare(mesh: MeshFolder, topic: str, table: list[Any] | None = None, **rules: dict[str, Any]) -> None:
    """Declare the stream with a rule for each named column."""
    city = {"name": "city", "logicalType": "string", **quality(rules, "city")}
    properties = [
        {"name": "id", "logicalType": "integer", **quality(rules, "id")},
        {"name": "word", "logicalType": "string", **quality(rules, "word")},
        {"name": "amount", "logicalType": "number", **quality(rules, "amount")},
        {"name": "place", "logicalType": "object", "properties": [city]},
    ]
    path = mesh.stream("shop.things", topic, properties)
    if table:
        document = json.loads(path.read_text())
        document["schema"][0]["quality"] = table
        path.write_text(json.dumps(document))


def quality(rules: dict[str, dict[str, Any]], column: str) -> dict[str, Any]:
    """Return a column's rules."""
    return {"quality": [rules[column]]} if column in rules else {}


def measured(mesh: MeshFolder, table: list[Any] | None = None, **rules: dict[str, Any]) -> Measure:
    """Return what the only rule measures."""
    declare(mesh, mesh.open().domain("shop").streams[0].topic, table, **rules)
    project = mesh.open()
    contract = project.domain("shop").streams[0]
    with DomainStore.open(project.data_folder("shop"), "shop", read_only=True) as store:
        (found,) = measure(store.connection, contract, quality_rules(contract))
    return found


@pytest.mark.parametrize(
    ("column", "rule", "value"),
    [
        ("word", {"metric": "nullValues", "mustBe": 0}, 1),
        ("word", {"metric": "nullValues", "mustBe": 0, "unit": "percent"}, 25),
        ("city", {"metric": "nullValues", "mustBe": 0}, 2),
        ("word", {"metric": "missingValues", "mustBe": 0}, 2),
        ("word", {"metric": "missingValues", "arguments": {"missingValues": ["red"]}, "mustBe": 0}, 1),
        ("word", {"metric": "invalidValues", "arguments": {"validValues": ["red", ""]}, "mustBe": 0}, 1),
        ("word", {"metric": "invalidValues", "arguments": {"pattern": "^[a-z]+$"}, "mustBe": 0}, 1),
        ("amount", {"metric": "invalidValues", "arguments": {"validValues": [1.5, 2]}, "mustBe": 0}, 1),
        ("id", {"metric": "invalidValues", "arguments": {"validValues": [1, 2, 4]}, "mustBe": 1}, 0),
        ("id", {"metric": "duplicateValues", "mustBe": 0}, 1),
        ("id", {"type": "library", "rule": "duplicateValues", "metric": "duplicateValues", "mustBe": 0}, 1),
    ],
)
def test_metrics_of_a_column(mesh: MeshFolder, column: str, rule: dict[str, Any], value: float) -> None:
    """Each metric counts what the standard says; tombstones have no values."""
    found = measured(mesh, **{column: rule})
    assert (found.value, found.row_count, found.passed) == (value, 4, False)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ({"metric": "rowCount", "mustBeGreaterThan": 3}, 4),
        ({"metric": "duplicateValues", "arguments": {"properties": ["id", "word"]}, "mustBe": 0}, 0),
        ({"type": "sql", "query": "SELECT count(*) FROM ${table} WHERE amount > 5", "mustBe": 1}, 1),
        ({"type": "sql", "query": "SELECT max(amount) FROM {table}", "mustBeLessOrEqualTo": 9}, 9),
    ],
)
def test_rules_of_a_table(mesh: MeshFolder, rule: dict[str, Any], value: float) -> None:
    """Rows, columns that are unique together, and queries of one's own."""
    found = measured(mesh, [rule])
    assert (found.value, found.passed) == (value, True)


@pytest.mark.parametrize(
    ("demand", "holds"),
    [
        ({"mustBe": 4}, True),
        ({"mustNotBe": 4}, False),
        ({"mustBeGreaterThan": 4}, False),
        ({"mustBeGreaterOrEqualTo": 4}, True),
        ({"mustBeLessThan": 4}, False),
        ({"mustBeLessOrEqualTo": 4}, True),
        ({"mustBeBetween": [4, 9]}, True),
        ({"mustNotBeBetween": [1, 4]}, False),
    ],
)
def test_every_operator_of_the_standard(mesh: MeshFolder, demand: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    """The ends of ranges belong to them."""
    assert measured(mesh, [{"metric": "rowCount", **demand}]).passed is holds


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"type": "custom", "engine": "soda", "implementation": "x"}, "measured by another engine"),
        ({"type": "sql", "query": "SELECT 1, 2", "mustBe": 1}, "something else than one number"),
        ({"type": "sql", "query": "DROP TABLE ${table}", "mustBe": 1}, "not one SELECT"),
        ({"type": "sql", "query": "SELECT count(*) FROM nothing", "mustBe": 1}, "fails (CatalogException)"),
        ({"metric": "duplicateValues", "mustBe": 0}, "needs arguments.properties"),
        ({"metric": "nullValues", "mustBe": 0}, "belongs to a column"),
    ],
)
def test_what_cannot_be_measured_is_said(mesh: MeshFolder, rule: dict[str, Any], why: str) -> None:
    """It never passes."""
    found = measured(mesh, [rule])
    assert not found.passed
    assert why in (found.trouble or "")


def test_a_rule_that_fails_spoils_no_other(mesh: MeshFolder) -> None:
    """A broken pattern is one check's trouble."""
    topic = mesh.open().domain("shop").streams[0].topic
    broken = {"metric": "invalidValues", "arguments": {"pattern": "("}, "mustBe": 0}
    declare(mesh, topic, [{"metric": "rowCount", "mustBe": 4}], word=broken)
    contract = mesh.open().domain("shop").streams[0]
    with DomainStore.open(mesh.open().data_folder("shop"), "shop", read_only=True) as store:
        rows, word = measure(store.connection, contract, quality_rules(contract))
    assert rows.passed
    assert word.trouble == "DuckDB refused the measure (InvalidInputException)"


def test_names_are_unique_and_leave_the_platforms_alone(mesh: MeshFolder) -> None:
    """Each check has a name of its own in its table."""
    topic = mesh.open().domain("shop").streams[0].topic
    count = {"metric": "rowCount", "mustBe": 4}
    text = {"type": "text", "description": "For people."}
    declare(mesh, topic, [count, count, {**count, "name": "Ledger"}, {**count, "name": "At least 4!"}, text])
    names = [r.name for r in quality_rules(mesh.open().domain("shop").streams[0])]
    assert names == ["row_count", "row_count_2", "ledger_2", "at_least_4"]


def test_checks_of_a_run(tmp_path: Path, kafka: KafkaServer) -> None:
    """A pass evaluates the rules, and warns of fields that the contract does not name."""
    topic = kafka.topic()
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    declare(mesh, topic, word={"metric": "invalidValues", "arguments": {"validValues": ["red"]}, "mustBe": 0})
    kafka.produce(topic, [json.dumps({"id": 1, "word": "green", "coupon": 3}).encode()])
    with dg.DagsterInstance.ephemeral() as instance:
        done = execute(mesh, "shop", ["things"], instance)
    assert done.success
    found = {e.check_name: e for e in done.get_asset_check_evaluations()}
    assert not found["invalid_values_word"].passed
    assert found["invalid_values_word"].severity is dg.AssetCheckSeverity.ERROR
    assert found["invalid_values_word"].metadata["measured"].value == 1
    assert not found["new_unknown_fields"].passed
    assert found["new_unknown_fields"].severity is dg.AssetCheckSeverity.WARN
    assert found["new_unknown_fields"].description == "Not in the contract: coupon (1)"


def test_a_product_is_checked_by_its_run(tmp_path: Path, kafka: KafkaServer) -> None:
    """A rule of a product is evaluated when the product is computed."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    declare(mesh, kafka.topic())
    path = mesh.product(
        "shop.counted",
        "SELECT count(*) AS things FROM shop.things",
        [{"name": "things", "logicalType": "integer", "quality": [{"metric": "nullValues", "mustBe": 1}]}],
    )
    document = json.loads(path.read_text())
    document["slaProperties"] = [{"property": "frequency", "value": 1, "unit": "h"}]
    path.write_text(json.dumps(document))
    mesh.ingest("shop")
    with dg.DagsterInstance.ephemeral() as instance:
        done = execute(mesh, "shop", ["counted"], instance)
    assert done.success
    assert {e.check_name: e.passed for e in done.get_asset_check_evaluations()} == {
        "null_values_things": False,
        "freshness": True,
    }
