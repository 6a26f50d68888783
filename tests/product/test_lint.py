"""Products that could not be computed are errors before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.doctor.contracts import lint_contracts
from mesh_defs.model.findings import Severity
from tests.meshes import MeshFolder

NUMBERS = ({"name": "n", "logicalType": "integer"},)
"""What the products promise."""


def declare(root: Path, sql: str) -> MeshFolder:
    """Write a mesh of two domains, with a product of one over the stream of the other."""
    mesh = MeshFolder(root, "127.0.0.1:1")
    mesh.stream("shop.orders", "t")
    mesh.product("sales.totals", sql, NUMBERS)
    return mesh


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM shop.orders",
        "SELECT count(*) AS n FROM shop.orders WHERE _partition = 0 AND NOT _tombstone",
        "SELECT count(*) AS n FROM shop.dead_letters WHERE stream = 'orders'",
        "WITH all_ AS (FROM shop.orders) SELECT max(_offset) AS n FROM all_",
        "SELECT 1::INTEGER AS n -- what fits without loss",
    ],
)
def test_what_can_be_computed_is_no_finding(tmp_path: Path, sql: str) -> None:
    """With the platform's columns and tables."""
    assert lint_contracts([declare(tmp_path, sql).root]) == ()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT FROM WHERE", "cannot be parsed"),
        ("DROP TABLE shop.orders", "not exactly one SELECT"),
        ("SELECT 1 AS n FROM orders", "without its domain"),
        ("SELECT count(*) AS n FROM shop.ordrs", "ordrs does not exist"),
        ("SELECT count(ordr) AS n FROM shop.orders", '"ordr" not found'),
        ("SELECT no_such_function(order_id) AS n FROM shop.orders", "no_such_function does not exist"),
        ("SELECT count(*) AS m FROM shop.orders", "column n is missing; column m is not in the contract"),
        ("SELECT customer AS n FROM shop.orders", "column n is VARCHAR, the contract says BIGINT"),
    ],
)
def test_what_cannot_be_computed(tmp_path: Path, sql: str, words: str) -> None:
    """One error, at the query's file."""
    mesh = declare(tmp_path, sql)
    (finding,) = lint_contracts([mesh.root])
    assert finding.severity is Severity.ERROR
    assert words in finding.message
    assert finding.path == mesh.root / "domains" / "sales" / "products" / "totals.sql"


def test_a_query_over_a_domain_that_was_not_read_is_parsed_only(tmp_path: Path) -> None:
    """Who looks at one domain is told nothing of the others."""
    mesh = declare(tmp_path, "SELECT count(ordr) AS n FROM shop.orders")
    assert lint_contracts([mesh.root / "domains" / "sales"]) == ()
    mesh = declare(tmp_path, "SELECT FROM WHERE")
    (finding,) = lint_contracts([mesh.root / "domains" / "sales"])
    assert "cannot be parsed" in finding.message


def test_products_that_read_one_another_in_a_circle(tmp_path: Path) -> None:
    """Also one that reads itself; each is told at its own query."""
    mesh = declare(tmp_path, "SELECT n FROM sales.others")
    mesh.product("sales.others", "SELECT n FROM sales.totals", NUMBERS)
    mesh.product("sales.sound", "SELECT count(*) AS n FROM shop.orders", NUMBERS)
    found = lint_contracts([mesh.root])
    assert {f.path.name for f in found} == {"totals.sql", "others.sql"}
    assert all("in a circle" in f.message for f in found)
    mesh.product("sales.others", "SELECT n FROM sales.others", NUMBERS)
    assert "in a circle" in lint_contracts([mesh.root])[0].message


def test_a_query_over_a_domain_that_there_is_not(tmp_path: Path) -> None:
    """Whatever was asked to be looked at."""
    mesh = declare(tmp_path, "SELECT count(*) AS n FROM shpo.orders")
    for paths in ([mesh.root], [mesh.root / "domains" / "sales"]):
        (finding,) = lint_contracts(paths)
        assert "there is no domain shpo, of which it reads shpo.orders" in finding.message


def test_a_query_that_is_not_there(tmp_path: Path) -> None:
    """The contract says where it should be."""
    mesh = declare(tmp_path, "SELECT 1 AS n")
    (mesh.root / "domains" / "sales" / "products" / "totals.sql").unlink()
    (finding,) = lint_contracts([mesh.root])
    assert finding.severity is Severity.ERROR
