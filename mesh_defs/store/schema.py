"""A table's columns: Arrow schemas as SQL types, and what a contract may change about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.sqltypes import DuckDBPyType

from mesh_defs.contract.arrow import RAW_COLUMN
from mesh_defs.model.errors import SchemaConflictError, StoreError
from mesh_defs.store.engine import quote

_SCALARS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_int64, "BIGINT"),
    (pa.types.is_int32, "INTEGER"),
    (pa.types.is_int16, "SMALLINT"),
    (pa.types.is_float64, "DOUBLE"),
    (pa.types.is_float32, "FLOAT"),
    (pa.types.is_string, "VARCHAR"),
    (pa.types.is_binary, "BLOB"),
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_date32, "DATE"),
)

_PATHS = {"list": {"child": "element"}, "map": {"value": "value"}}
"""How DuckLake names, in ALTER, what DuckDB calls the child of a list and the value of a map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One column that the table cannot take as it is declared.

    Attributes:
        column: Dotted path: `route.origin`.
        stored: The table's type, or `-` where it has no such column.
        declared: The contract's type, or `-` where it has no such column.
        problem: A word or two.
    """

    column: str
    stored: str
    declared: str
    problem: str


def sql_type(type_: pa.DataType) -> str:
    """Return the SQL type that holds an Arrow type of `contract.arrow`.

    Raises:
        StoreError: The type is none of them.
    """
    for matches, name in _SCALARS:
        if matches(type_):
            return name
    if isinstance(type_, pa.UuidType):
        return "UUID"
    if isinstance(type_, pa.Decimal128Type):
        return f"DECIMAL({type_.precision},{type_.scale})"
    if isinstance(type_, pa.TimestampType) and type_.unit == "us":
        return "TIMESTAMP" if type_.tz is None else "TIMESTAMPTZ"
    if isinstance(type_, pa.Time64Type) and type_.unit == "us":
        return "TIME"
    return _nested_type(type_)


def _nested_type(type_: pa.DataType) -> str:
    if isinstance(type_, pa.StructType) and type_.num_fields:
        return "STRUCT(" + ", ".join(f"{quote(f.name)} {sql_type(f.type)}" for f in type_) + ")"
    if isinstance(type_, pa.MapType):
        return f"MAP({sql_type(type_.key_type)}, {sql_type(type_.item_type)})"
    if isinstance(type_, pa.ListType):
        return f"{sql_type(type_.value_type)}[]"
    raise StoreError(
        cannot=f"store a column of Arrow type {type_}",
        why="it is none of the types of contracts",
        do="take a type of mesh_defs.contract.arrow",
    )


def table_name(domain: str, table: str) -> str:
    """Return the quoted, qualified name of a table of an attached domain."""
    return f"{quote(domain)}.main.{quote(table)}"


def stored_columns(con: duckdb.DuckDBPyConnection, domain: str, table: str) -> dict[str, DuckDBPyType] | None:
    """Return the table's columns and types in stored order, or None where there is no such table."""
    try:
        relation = con.sql(f"FROM {table_name(domain, table)} LIMIT 0")
    except duckdb.CatalogException:
        return None
    return dict(zip(relation.columns, relation.types, strict=True))


def create_statement(domain: str, table: str, schema: pa.Schema) -> str:
    """Return the CREATE TABLE statement of an Arrow schema; every column is nullable."""
    columns = ", ".join(f"{quote(f.name)} {sql_type(f.type)}" for f in schema)
    return f"CREATE TABLE {table_name(domain, table)}({columns})"


def alter_statements(
    domain: str, table: str, stored: dict[str, DuckDBPyType], schema: pa.Schema
) -> tuple[str, ...]:
    """Return the statements that add the schema's new columns and new fields of nested columns.

    Raises:
        SchemaConflictError: The schema drops or retypes anything; every mismatch stands in the message.
    """
    additions: list[tuple[tuple[str, ...], str]] = []
    mismatches: list[Mismatch] = []
    declared = {f.name: duckdb.sqltype(sql_type(f.type)) for f in schema}
    for found in _compare((), stored, declared):
        if isinstance(found, Mismatch):
            mismatches.append(found)
        else:
            additions.append(found)
    if mismatches:
        raise SchemaConflictError(
            cannot=f"bring the table {domain}.{table} to its contract",
            why=f"{len(mismatches)} column(s) differ\n{_as_table(mismatches)}\n",
            do="only new optional columns may be added in place: restore the old declaration, or declare a "
            "new major version under a new name",
        )
    name = table_name(domain, table)
    return tuple(
        f"ALTER TABLE {name} ADD COLUMN {'.'.join(quote(p) for p in path)} {type_}"
        for path, type_ in additions
    )


def _compare(
    path: tuple[str, ...], stored: dict[str, Any], declared: dict[str, Any]
) -> Iterator[Mismatch | tuple[tuple[str, ...], str]]:
    """Yield what differs below `path`: mismatches, and (path, type) of additions; names ignore case."""
    old = {name.lower(): (name, type_) for name, type_ in stored.items()}
    new = {name.lower(): (name, type_) for name, type_ in declared.items()}
    for key, (name, type_) in old.items():
        if key in new:
            yield from _compare_types((*path, name), type_, new[key][1])
        elif path or key != RAW_COLUMN.name:
            yield _mismatch((*path, name), str(type_), "-", "removed")
    for key, (name, type_) in new.items():
        if key not in old:
            yield (*path, name), str(type_)


def _compare_types(
    path: tuple[str, ...], stored: Any, declared: Any
) -> Iterator[Mismatch | tuple[tuple[str, ...], str]]:
    if str(stored) == str(declared):
        return
    if stored.id != declared.id or stored.id not in {"struct", "list", "map"}:
        yield _mismatch(path, str(stored), str(declared), "retyped")
        return
    if stored.id == "struct":
        yield from _compare(path, dict(stored.children), dict(declared.children))
        return
    for (name, old), (_, new) in zip(stored.children, declared.children, strict=True):
        step = _PATHS[stored.id].get(name)
        if step is not None:
            yield from _compare_types((*path, step), old, new)
        elif str(old) != str(new):
            yield _mismatch((*path, name), str(old), str(new), "retyped")


def _mismatch(path: tuple[str, ...], stored: str, declared: str, problem: str) -> Mismatch:
    return Mismatch(column=".".join(path), stored=stored, declared=declared, problem=problem)


def _as_table(mismatches: list[Mismatch]) -> str:
    rows = [("column", "stored as", "declared as", "problem")]
    rows += [(m.column, m.stored, m.declared, m.problem) for m in mismatches]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
