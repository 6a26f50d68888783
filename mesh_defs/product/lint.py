"""Whether products can be computed at all: each query is tried on empty tables of the contracts that it reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing

import duckdb

from mesh_defs.contract.contract import ProductContract, TableContract
from mesh_defs.contract.domain import is_domain
from mesh_defs.model.errors import ProductError
from mesh_defs.model.findings import Finding, Severity
from mesh_defs.product.build import check_supported
from mesh_defs.product.order import find_circle, in_a_circle
from mesh_defs.product.shape import conform
from mesh_defs.product.sql import inputs, query_text
from mesh_defs.store import connect_engine
from mesh_defs.store.empty import create_empty


def lint_queries(
    tables: Iterable[TableContract], domains: Mapping[str, Sequence[TableContract]]
) -> Iterator[Finding]:
    """Yield an error for each product that would fail before its first row.

    DuckDB itself binds the queries, so unknown tables, columns and functions are told in its own words; what a query
    returns is compared with the contract as a build does it.

    Args:
        tables: The products are among these.
        domains: The tables of each domain that is known; queries over other domains are only parsed.

    Raises:
        StoreError: DuckDB's extensions are missing.
    """
    products = [table for table in tables if isinstance(table, ProductContract)]
    if not products:
        return
    with closing(connect_engine()) as con:
        for domain, own in domains.items():
            create_empty(con, domain, own)
        sound: list[ProductContract] = []
        for product in products:
            trouble = _trouble(con, product, domains.keys())
            if trouble is None:
                sound.append(product)
            else:
                yield _finding(product, trouble)
    circle = find_circle(sound)
    yield from (_finding(p, in_a_circle(circle)) for p in sound if p.full_name in circle)


def _trouble(con: duckdb.DuckDBPyConnection, product: ProductContract, known: Iterable[str]) -> str | None:
    try:
        check_supported(product)
        missing = [table for table in inputs(product) if _is_of_no_domain(product, table)]
        if missing:
            return f"there is no domain {missing[0].split('.')[0]}, of which it reads {missing[0]}"
        if {table.split(".")[0] for table in inputs(product)} <= set(known):
            conform(product, con, query_text(product))
    except ProductError as error:
        return error.why
    except duckdb.Error as error:
        # The tables are empty: no value of a record can stand in the message.
        return str(error).splitlines()[0]
    return None


def _is_of_no_domain(product: ProductContract, table: str) -> bool:
    """Say whether the domain of a table has no folder beside the product's own, where that is one of a project."""
    home = product.path.parent.parent
    return is_domain(home) and not is_domain(home.parent / table.split(".", maxsplit=1)[0])


def _finding(product: ProductContract, trouble: str) -> Finding:
    return Finding(
        path=product.source_file,
        line=1,
        column=1,
        severity=Severity.ERROR,
        where="",
        rule="product",
        message=f"{product.full_name} cannot be computed: {trouble}",
    )
