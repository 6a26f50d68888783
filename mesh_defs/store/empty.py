"""The tables of a domain without rows, in memory: DuckDB binds against them what people wrote, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from mesh_defs.contract.arrow import DEAD_LETTERS, product_schema, table_schema
from mesh_defs.contract.contract import ProductContract, TableContract
from mesh_defs.store.engine import quote
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, LEDGER_COLUMNS
from mesh_defs.store.schema import create_statement, table_name


def create_empty(con: duckdb.DuckDBPyConnection, domain: str, tables: Iterable[TableContract]) -> None:
    """Attach a domain as it is when nothing has been ingested: its tables, its dead letters and its ledger.

    Raises:
        duckdb.Error: The domain is attached already.
    """
    con.execute(f"ATTACH ':memory:' AS {quote(domain)}")
    con.execute(f"CREATE TABLE {table_name(domain, LEDGER)}({LEDGER_COLUMNS})")
    con.execute(create_statement(domain, DEAD_LETTERS_TABLE, DEAD_LETTERS))
    for name, table in {t.name: t for t in tables}.items():
        schema = product_schema(table) if isinstance(table, ProductContract) else table_schema(table)
        con.execute(create_statement(domain, name, schema))
