"""A product's SQL: one SELECT, whose inputs are read from its text and never declared twice."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from mesh_defs.contract.contract import ProductContract
from mesh_defs.model.errors import ProductError


def inputs(contract: ProductContract) -> tuple[str, ...]:
    """Return the tables that a product reads, as `domain.table`, sorted.

    Raises:
        ProductError: The file is not one SELECT, or names a table without its domain, or cannot be read.
    """
    try:
        modified = contract.source_file.stat().st_mtime_ns
    except OSError as error:
        raise _unreadable(contract.source_file, error) from error
    return _inputs(contract.source_file, modified)


def query_text(contract: ProductContract) -> str:
    """Return the product's SELECT as it stands in its file, without a closing semicolon.

    Raises:
        ProductError: The file is not one SELECT, or cannot be read.
    """
    _parse(contract.source_file)
    return _text(contract.source_file).strip().rstrip(";")


@lru_cache(maxsize=1024)
def _inputs(path: Path, _modified: int) -> tuple[str, ...]:
    query = _parse(path)
    common = {cte.alias_or_name.lower() for cte in query.find_all(exp.CTE)}
    found: set[str] = set()
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier):
            raise _refused(path, f"it reads {table.sql(dialect='duckdb')}, which is no table of the mesh")
        if not table.db:
            if table.name.lower() in common:
                continue
            raise _refused(path, f"it names the table {table.name} without its domain")
        if table.catalog:
            raise _refused(path, f"{table.sql(dialect='duckdb')} has three parts")
        found.add(f"{table.db}.{table.name}")
    return tuple(sorted(found))


def _parse(path: Path) -> exp.Query:
    try:
        statements = sqlglot.parse(_text(path), dialect="duckdb")
    except (SqlglotError, UnicodeDecodeError) as error:
        raise _refused(path, f"it cannot be parsed: {str(error).splitlines()[0]}") from error
    present = [s for s in statements if s is not None]
    if len(present) != 1 or not isinstance(present[0], exp.Query):
        raise _refused(path, "it is not exactly one SELECT")
    return present[0]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ProductError:
    return ProductError(
        cannot=f"read the product's query {path.name}",
        why=error.strerror or "the system refused",
        do="put it beside its contract, readable",
    )


def _refused(path: Path, why: str) -> ProductError:
    return ProductError(
        cannot=f"read the product's query {path.name}",
        why=why,
        do="write one SELECT over tables named `domain.table`",
    )
