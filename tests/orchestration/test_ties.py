"""Which ties between domains are allowed, and what a wrong one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.model.errors import ProductError
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import TOTALS, definitions, key, mesh_of_two

ONE = [{"name": "n", "logicalType": "integer"}]


@pytest.fixture
def mesh(tmp_path: Path) -> MeshFolder:
    """The mesh of two domains."""
    return mesh_of_two(tmp_path)


def parents(mesh: MeshFolder, table: str) -> set[str]:
    """Return the dependencies of a table, loaded as its domain would be."""
    domain = table.partition(".")[0]
    node = definitions(mesh, domain).resolve_asset_graph().get(key(table))
    return {k.to_user_string() for k in node.parent_keys}


def test_a_table_that_nobody_declares_is_an_error(mesh: MeshFolder) -> None:
    """Dagster would show a stub and say nothing; here the domain does not load, and the message helps."""
    mesh.product("sales.totals", "SELECT customer, 1::BIGINT AS orders FROM shop.order", TOTALS)
    mesh.product("sales.more", "SELECT 1 AS n FROM shopp.orders", ONE)
    with pytest.raises(ProductError) as raised:
        definitions(mesh, "sales")
    message = str(raised.value)
    assert "sales.totals reads shop.order (did you mean 'orders'?)" in message
    assert "sales.more reads shopp.orders (did you mean 'shop'?)" in message


def test_a_broken_neighbour_breaks_nobody_else(mesh: MeshFolder) -> None:
    """What a domain that cannot be read declares is unknown, so its tables are believed."""
    (mesh.root / "domains/shop/streams/returns.odcs.yaml").write_text("kind: [")
    assert parents(mesh, "sales.totals") == {"shop/orders"}


def test_names_in_sql_are_read_without_regard_to_case(mesh: MeshFolder) -> None:
    """As the query engine reads them."""
    mesh.product("sales.totals", "SELECT customer, 1::BIGINT AS orders FROM SHOP.Orders", TOTALS)
    assert parents(mesh, "sales.totals") == {"shop/orders"}


def test_the_platforms_tables_move_with_every_stream(mesh: MeshFolder) -> None:
    """A product over dead letters follows all streams of that domain."""
    mesh.product("sales.bad", "SELECT count(*) AS n FROM shop.dead_letters", ONE)
    assert parents(mesh, "sales.bad") == {"shop/orders", "shop/returns"}


def test_a_circle_through_another_domain_is_an_error(mesh: MeshFolder) -> None:
    """Two domains that read each other would compute one another for ever."""
    mesh.product("sales.a", "SELECT n FROM shop.b", ONE)
    mesh.product("shop.b", "SELECT n FROM sales.a", ONE)
    for domain in ("sales", "shop"):
        with pytest.raises(ProductError, match="read one another in a circle"):
            definitions(mesh, domain)


def test_a_product_that_reads_itself_is_an_error(mesh: MeshFolder) -> None:
    """The smallest circle."""
    mesh.product("sales.a", "SELECT n FROM sales.a", ONE)
    with pytest.raises(ProductError, match="circle"):
        definitions(mesh, "sales")
