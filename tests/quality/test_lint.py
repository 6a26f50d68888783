"""Rules that the mesh could not measure are warned of before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.load import read_contract
from mesh_defs.doctor.contracts import lint_contracts
from mesh_defs.model.findings import Severity
from tests.meshes import MeshFolder

COLUMNS = (
    {"name": "id", "logicalType": "integer", "required": True},
    {"name": "word", "logicalType": "string"},
    {"name": "route", "logicalType": "object", "properties": [{"name": "origin", "logicalType": "string"}]},
    {"name": "list", "logicalType": "array", "items": {"logicalType": "string"}},
)


def declare(root: Path, *rules: dict[str, Any], **columns: dict[str, Any]) -> MeshFolder:
    """Write a mesh with a stream and a product; the rules are the stream's, or those of a column."""
    mesh = MeshFolder(root, "127.0.0.1:1")
    said = [c | ({"quality": [columns[c["name"]]]} if c["name"] in columns else {}) for c in COLUMNS]
    path = mesh.stream("shop.orders", "t", said)
    path.write_text(path.read_text().replace('"physicalType"', f'"quality": {dumps(rules)}, "physicalType"'))
    mesh.product("shop.totals", "SELECT 1 AS n", [{"name": "n", "logicalType": "integer"}])
    return mesh


def dumps(rules: tuple[dict[str, Any], ...]) -> str:
    """Write rules as YAML takes them."""
    return json.dumps(list(rules))


def sql(query: str) -> dict[str, Any]:
    """Return a rule with a query of one's own."""
    return {"type": "sql", "query": query, "mustBe": 0}


@pytest.mark.parametrize(
    "rule",
    [
        {"metric": "rowCount", "mustBeGreaterThan": 0},
        {"metric": "duplicateValues", "arguments": {"properties": ["id", "WORD"]}, "mustBe": 0},
        {"type": "text", "description": "For people."},
        sql("SELECT count(*) FROM ${table} WHERE word = 'x' AND _tombstone"),
        sql("SELECT avg(id) FROM shop.orders"),
        sql("SELECT count(*) FROM {table} JOIN shop.totals ON n = id"),
        sql("SELECT count(*) FROM shop.dead_letters WHERE stream = 'orders'"),
        sql("SELECT sum(to_offset - from_offset) FROM shop.ledger"),
    ],
)
def test_what_can_be_measured_is_no_finding(tmp_path: Path, rule: dict[str, Any]) -> None:
    """Also where the answer over no rows is null, and where other tables of the domain are asked."""
    assert lint_contracts([declare(tmp_path, rule).root]) == ()


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"metric": "nullValues", "mustBe": 0}, "belongs to a column"),
        ({"metric": "rowCount", "unit": "percent", "mustBe": 1}, "percent means nothing"),
        ({"metric": "rowCount", "mustBe": "many"}, "mustBe needs a number"),
        ({"type": "custom", "engine": "soda", "implementation": "x"}, "another engine"),
        ({"metric": "duplicateValues", "arguments": {"properties": ["idd"]}, "mustBe": 0}, "no column 'idd'"),
        (sql("SELEC 1"), "Parser Error"),
        (sql("SELECT count(*) FROM ${table} WHERE wrod = 'x'"), 'Referenced column "wrod" not found'),
        (sql("SELECT count(*) FROM shop.ordrs"), "ordrs does not exist"),
        (sql("SELECT count(*) FROM weather.observations"), "does not exist"),
        (sql("SELECT id, word FROM ${table}"), "something else than one number"),
        (sql("SELECT 1; SELECT 2"), "not one SELECT"),
        (sql("DROP TABLE ${table}"), "not one SELECT"),
    ],
)
def test_a_rule_of_the_table_that_cannot_be_measured(
    tmp_path: Path, rule: dict[str, Any], words: str
) -> None:
    """One warning where it stands, and the contract loads."""
    mesh = declare(tmp_path, rule)
    (finding,) = lint_contracts([mesh.root])
    assert finding.severity is Severity.WARNING
    assert words in finding.message
    assert finding.where == "schema[0].quality[0]"
    assert finding.line > 1
    assert read_contract(finding.path).contract is not None


@pytest.mark.parametrize(
    ("column", "rule", "words"),
    [
        ("word", {"metric": "invalidValues", "arguments": {"pattern": "("}, "mustBe": 0}, "missing )"),
        ("word", {"metric": "invalidValues", "arguments": {"patern": "x"}, "mustBe": 0}, "patern"),
        (
            "list",
            {"metric": "invalidValues", "arguments": {"validValues": ["x"]}, "mustBe": 0},
            "of an array",
        ),
        (
            "id",
            {"metric": "invalidValues", "arguments": {"validValues": ["x"]}, "mustBe": 0},
            "'x' of validValues is no number",
        ),
        ("word", sql("SELECT count(*) FROM ${table} WHERE ${column}.x"), "Error"),
    ],
)
def test_a_rule_of_a_column_that_cannot_be_measured(
    tmp_path: Path, column: str, rule: dict[str, Any], words: str
) -> None:
    """The place is the column's."""
    (finding,) = lint_contracts([declare(tmp_path, **{column: rule}).root])
    assert finding.severity is Severity.WARNING
    assert words in finding.message
    assert finding.where.endswith("quality[0]")


def test_a_contract_outside_of_a_domain_is_tried_too(tmp_path: Path) -> None:
    """A file by its path."""
    mesh = declare(tmp_path / "mesh", sql("SELECT nothing FROM ${table}"))
    path = mesh.root / "domains" / "shop" / "streams" / "orders.odcs.yaml"
    alone = tmp_path / "orders.odcs.yaml"
    alone.write_text(path.read_text())
    (finding,) = lint_contracts([alone])
    assert "nothing" in finding.message
    assert finding.path == alone


def test_warnings_leave_the_exit_code_alone(tmp_path: Path) -> None:
    """The command shows them, one a line."""
    done = declare(tmp_path, sql("SELECT nothing FROM ${table}")).cli("contract", "lint")
    (line,) = done.stdout.splitlines()
    assert "orders.odcs.yaml" in line
    assert "warning: schema[0].quality[0]: this rule cannot be measured" in line
    assert "0 errors, 1 warnings" in done.stderr
