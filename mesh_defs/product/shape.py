"""Whether a query's result is what the product's contract promises."""

from __future__ import annotations

import duckdb

from mesh_defs.contract.arrow import product_schema
from mesh_defs.contract.contract import ProductContract
from mesh_defs.model.errors import ProductError
from mesh_defs.store.engine import quote
from mesh_defs.store.schema import sql_type

LOSSLESS: dict[str, frozenset[str]] = {
    "SMALLINT": frozenset({"TINYINT", "UTINYINT"}),
    "INTEGER": frozenset({"TINYINT", "SMALLINT", "UTINYINT", "USMALLINT"}),
    "BIGINT": frozenset(
        {"TINYINT", "SMALLINT", "INTEGER", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT"}
    ),
    "FLOAT": frozenset({"TINYINT", "SMALLINT"}),
    "DOUBLE": frozenset({"FLOAT", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"}),
    "VARCHAR": frozenset({"JSON", "ENUM"}),
    "TIMESTAMP WITH TIME ZONE": frozenset(),
}
"""For each stored type, the types of a result that become it without loss; a number too large is an error."""


def conform(
    contract: ProductContract, connection: duckdb.DuckDBPyConnection, query: str
) -> duckdb.DuckDBPyRelation:
    """Return the query's relation with the contract's columns in the contract's order and types.

    Raises:
        ProductError: Columns are missing, left over, or of another type; all of them are named.
    """
    relation = connection.sql(query)
    found = {name.lower(): str(type_) for name, type_ in zip(relation.columns, relation.types, strict=True)}
    wanted = {field.name: _canonical(sql_type(field.type)) for field in product_schema(contract)}
    differences = [f"column {name} is missing" for name in wanted if name.lower() not in found]
    lower = {name.lower() for name in wanted}
    differences += [f"column {name} is not in the contract" for name in found if name not in lower]
    differences += [
        f"column {name} is {found[name.lower()]}, the contract says {type_}"
        for name, type_ in wanted.items()
        if name.lower() in found and not _fits(found[name.lower()], type_)
    ]
    if differences:
        raise ProductError(
            cannot=f"compute {contract.full_name}",
            why="; ".join(differences),
            do=f"mend {contract.source_file.name} or {contract.path.name}",
        )
    columns = ", ".join(f"CAST({quote(name)} AS {type_}) AS {quote(name)}" for name, type_ in wanted.items())
    return relation.select(columns)


def check_rows(contract: ProductContract, relation: duckdb.DuckDBPyRelation) -> None:
    """Check what the contract says of every row: required columns are not null, the primary key is unique.

    Raises:
        ProductError: Each promise that does not hold, with the number of rows that break it.
    """
    required = [c.name for c in contract.columns if c.required]
    key = ", ".join(quote(name) for name in contract.primary_key)
    counts = [f"count(*) FILTER ({quote(name)} IS NULL)" for name in required]
    if key:
        counts.append(f"count(*) - count(DISTINCT ({key}))")
    if not counts:
        return
    values = relation.aggregate(", ".join(counts)).fetchone() or ()
    broken = [f"{n} rows have no {name}" for name, n in zip(required, values, strict=False) if n]
    if key and values[-1]:
        broken.append(f"{values[-1]} rows repeat a primary key ({', '.join(contract.primary_key)})")
    if broken:
        raise ProductError(
            cannot=f"publish {contract.full_name}",
            why="; ".join(broken),
            do=f"mend {contract.source_file.name}; the table stays as it was",
        )


def _canonical(type_: str) -> str:
    """Return a type as DuckDB itself writes it: TIMESTAMPTZ has a longer name in results."""
    return str(duckdb.sqltype(type_))


def _fits(found: str, wanted: str) -> bool:
    if found == wanted or found in LOSSLESS.get(wanted, frozenset()):
        return True
    return found.startswith("ENUM") and wanted == "VARCHAR"
