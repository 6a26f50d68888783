"""A product is computed from committed tables and swapped in at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.model.errors import ProductError
from mesh_defs.product import build
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder

AT = (
    {"name": "at", "logicalType": "timestamp"},
    {"name": "tags", "logicalType": "array", "items": {"logicalType": "string"}},
)

BY_CUSTOMER = (
    {
        "name": "customer",
        "logicalType": "string",
        "required": True,
        "primaryKey": True,
        "primaryKeyPosition": 1,
    },
    {"name": "orders", "logicalType": "integer", "required": True},
)

SQL = "SELECT customer, count(*) AS orders FROM shop.orders GROUP BY ALL"


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> MeshFolder:
    """Three orders of two customers, ingested."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    folder.stream("shop.orders", topic)
    records = [b'{"order_id":%d,"customer":"c%d"}' % (n, n % 2) for n in range(3)]
    kafka.produce(topic, records)
    folder.ingest("shop")
    folder.topic = topic  # type: ignore[attr-defined]
    return folder


def compute(mesh: MeshFolder, name: str = "by_customer") -> int:
    """Build a product of the domain `sales`; return its number of rows."""
    project = mesh.open()
    domain = project.domain("sales")
    contract = domain.product(name)
    assert contract is not None
    return build(project, domain, contract).row_count


def test_a_refresh_replaces_all_rows(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Twice built, never doubled; new events are seen by the next build."""
    mesh.product("sales.by_customer", SQL, BY_CUSTOMER)
    assert compute(mesh) == 2
    assert compute(mesh) == 2
    assert sorted(mesh.rows("FROM sales.by_customer")) == [("c0", 2), ("c1", 1)]
    kafka.produce(mesh.topic, [b'{"order_id":9,"customer":"c9"}'])  # type: ignore[attr-defined]
    mesh.ingest("shop")
    assert compute(mesh) == 3
    assert ("c9", 1) in mesh.rows("FROM sales.by_customer")


def test_a_product_may_read_another(mesh: MeshFolder) -> None:
    """Of its own domain too."""
    mesh.product("sales.by_customer", SQL, BY_CUSTOMER)
    mesh.product(
        "sales.total",
        "SELECT sum(orders) AS n FROM sales.by_customer",
        [{"name": "n", "logicalType": "integer"}],
    )
    compute(mesh)
    compute(mesh, "total")
    assert mesh.rows("FROM sales.total") == [(3,)]


def test_every_difference_to_the_contract_is_told_at_once(mesh: MeshFolder) -> None:
    """Missing, left over and mistyped columns in one error."""
    mesh.product("sales.by_customer", "SELECT 1.5 AS orders, 2 AS extra FROM shop.orders", BY_CUSTOMER)
    with pytest.raises(ProductError) as error:
        compute(mesh)
    for part in ("customer is missing", "extra is not in the contract", "orders is DECIMAL"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT NULL::VARCHAR AS customer, 1::BIGINT AS orders FROM shop.orders", "3 rows have no customer"),
        ("SELECT 'x' AS customer, order_id AS orders FROM shop.orders", "repeat a primary key"),
        ("SELECT customer, 1 / 0 AS orders, nope FROM shop.orders", "nope"),
    ],
)
def test_a_result_that_breaks_the_contract_leaves_the_table_as_it_was(
    mesh: MeshFolder, sql: str, why: str
) -> None:
    """Required columns and the primary key are checked before the swap."""
    mesh.product("sales.by_customer", SQL, BY_CUSTOMER)
    compute(mesh)
    mesh.product("sales.by_customer", sql, BY_CUSTOMER)
    with pytest.raises(ProductError, match=why):
        compute(mesh)
    assert mesh.rows("SELECT count(*) FROM sales.by_customer") == [(2,)]


def test_an_input_without_a_table_is_named(mesh: MeshFolder) -> None:
    """With what to do about it."""
    mesh.product("sales.by_customer", SQL.replace("shop.orders", "shop.later"), BY_CUSTOMER)
    with pytest.raises(ProductError, match=r"shop\.later has no table yet.*mesh ingest"):
        compute(mesh)


def test_instants_and_nested_types_fit_under_any_of_their_names(mesh: MeshFolder) -> None:
    """TIMESTAMPTZ and TIMESTAMP WITH TIME ZONE are one type."""
    sql = "SELECT max(_ingested_at) AS at, array_agg(customer) AS tags FROM shop.orders"
    mesh.product("sales.last", sql, AT)
    assert compute(mesh, "last") == 1
