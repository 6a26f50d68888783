"""A product's inputs are read from its SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.contract.contract import ProductContract
from mesh_defs.model.errors import ProductError
from mesh_defs.product import in_order, inputs


def product(folder: Path, sql: str, name: str = "p") -> ProductContract:
    """Return a product with this SQL."""
    path = folder / f"{name}.sql"
    path.write_text(sql)
    return ProductContract(
        domain="d",
        name=name,
        id=f"d.{name}",
        version="1.0.0",
        status="active",
        title=name,
        description="",
        columns=(),
        path=folder / f"{name}.odcs.yaml",
        source_file=path,
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM a.t", ("a.t",)),
        ("WITH x AS (SELECT * FROM a.t) SELECT * FROM x JOIN b.u USING (k);", ("a.t", "b.u")),
        ("FROM a.t SELECT count(*)", ("a.t",)),
        ("SELECT (SELECT max(k) FROM b.u) FROM a.t UNION ALL SELECT k FROM c.v", ("a.t", "b.u", "c.v")),
        ("SELECT * FROM a.t ASOF JOIN b.u ON t.k = u.k AND t.at >= u.at", ("a.t", "b.u")),
        ('SELECT route.origin, codes[1] FROM "a"."t" -- FROM z.z', ("a.t",)),
    ],
)
def test_inputs_are_the_tables_named_with_their_domain(
    tmp_path: Path, sql: str, expected: tuple[str, ...]
) -> None:
    """Common table expressions, comments and struct fields are no inputs."""
    assert inputs(product(tmp_path, sql)) == expected


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT 1; SELECT 2", "exactly one SELECT"),
        ("DELETE FROM a.t", "exactly one SELECT"),
        ("SELECT * FROM t", "without its domain"),
        ("SELECT * FROM read_csv('x.csv')", "no table of the mesh"),
        ("SELECT FROM WHERE", "cannot be parsed"),
        ("", "exactly one SELECT"),
        ("SELECT * FROM x.a.t", "three parts"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, sql: str, why: str) -> None:
    """With the reason."""
    with pytest.raises(ProductError, match=why):
        inputs(product(tmp_path, sql))


def test_products_come_after_those_that_they_read(tmp_path: Path) -> None:
    """Whatever the order of declaration."""
    last = product(tmp_path, "SELECT * FROM d.first", "last")
    first = product(tmp_path, "SELECT * FROM a.t", "first")
    assert [p.name for p in in_order([last, first])] == ["first", "last"]


def test_a_circle_is_refused(tmp_path: Path) -> None:
    """With its members named."""
    one = product(tmp_path, "SELECT * FROM d.two", "one")
    two = product(tmp_path, "SELECT * FROM d.one", "two")
    with pytest.raises(ProductError, match="circle"):
        in_order([one, two])
