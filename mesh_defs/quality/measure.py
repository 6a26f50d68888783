"""Measures rules in DuckDB: all of a table in one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import duckdb

from mesh_defs.contract.contract import ContractBase, StreamContract
from mesh_defs.contract.metrics import NUMERIC, Metric
from mesh_defs.contract.quality import QualityRule
from mesh_defs.store.engine import quote

_CHANGED: Final = "_op IN ('c', 'u', 'r')"
_PLACES: Final = ("table", "column")
NO_SELECT: Final = "the query is not one SELECT"
NO_NUMBER: Final = "the query returns something else than one number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a rule measured.

    Attributes:
        value: The measure, in percent where the rule says so; None where it could not be taken.
        row_count: Rows that were looked at; None for a query of one's own.
        trouble: Why there is no value. It holds no value of a row.
    """

    rule: QualityRule
    value: float | None
    row_count: int | None = None
    trouble: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the rule was measured and holds."""
        return self.value is not None and self.rule.holds(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    """An aggregate with its parameters."""

    sql: str
    parameters: tuple[Any, ...] = ()


def measure(
    con: duckdb.DuckDBPyConnection, contract: ContractBase, rules: Sequence[QualityRule]
) -> tuple[Measure, ...]:
    """Measure rules of one table.

    Rows of tombstones, and of changes that leave no row, are left out: they have no values. Null is neither valid nor
    invalid. `duplicateValues` counts the rows beyond the first of each value. A rule that fails to be measured is told
    and spoils no other.

    Args:
        con: A connection that has the domain attached under its name.
        contract: The table's.
        rules: Of that contract.
    """
    scanned = [r for r in rules if r.unsupported is None and r.metric is not Metric.SQL]
    counts = _scan(con, contract, scanned)
    return tuple(_measure(con, contract, rule, counts) for rule in rules)


def _measure(
    con: duckdb.DuckDBPyConnection,
    contract: ContractBase,
    rule: QualityRule,
    counts: dict[str, tuple[int, int] | str],
) -> Measure:
    if rule.unsupported is not None:
        return Measure(rule=rule, value=None, trouble=f"the rule cannot be measured: {rule.unsupported}")
    if rule.metric is Metric.SQL:
        return _query(con, contract, rule)
    found = counts[rule.name]
    if isinstance(found, str):
        return Measure(rule=rule, value=None, trouble=found)
    count, rows = found
    value = (100.0 * count / rows if rows else 0.0) if rule.percent else float(count)
    return Measure(rule=rule, value=value, row_count=rows)


def _scan(
    con: duckdb.DuckDBPyConnection, contract: ContractBase, rules: Sequence[QualityRule]
) -> dict[str, tuple[int, int] | str]:
    """Return count and rows of each rule, or why there are none; one scan, unless one of them fails."""
    if not rules:
        return {}
    try:
        row = con.execute(*scan(contract, rules)).fetchone()
    except duckdb.Error as error:
        if len(rules) == 1:
            return {rules[0].name: f"DuckDB refused the measure ({type(error).__name__})"}
        return {name: found for rule in rules for name, found in _scan(con, contract, [rule]).items()}
    numbers = row or (0,) * (len(rules) + 1)
    return {rule.name: (int(n), int(numbers[0])) for rule, n in zip(rules, numbers[1:], strict=True)}


def scan(contract: ContractBase, rules: Sequence[QualityRule]) -> tuple[str, list[Any]]:
    """Return the statement that counts the rows and what each rule counts, with its parameters."""
    terms = [_term(rule) for rule in rules]
    where = ""
    if isinstance(contract, StreamContract):
        where = f" WHERE {_CHANGED if contract.has_changes else 'NOT _tombstone'}"
    select = ", ".join(["count(*)", *(t.sql for t in terms)])
    sql = f"SELECT {select} FROM {_table(contract)}{where}"  # noqa: S608 - quoted names and parameters
    return sql, [p for t in terms for p in t.parameters]


def _term(rule: QualityRule) -> _Term:
    column = ".".join(map(quote, rule.path))
    if rule.metric is Metric.ROW_COUNT:
        return _Term(sql="count(*)")
    if rule.metric is Metric.NULL_VALUES:
        return _Term(sql=f"count(*) FILTER (WHERE {column} IS NULL)")
    if rule.metric is Metric.MISSING_VALUES:
        return _missing(rule, column)
    if rule.metric is Metric.DUPLICATE_VALUES:
        return _duplicates(rule)
    return _invalid(rule, column)


def _missing(rule: QualityRule, column: str) -> _Term:
    words = tuple(_text(v) for v in rule.missing if v is not None)
    tests = [f"{column} IS NULL"] if None in rule.missing else []
    if words:
        tests.append(f"CAST({column} AS VARCHAR) IN ({', '.join('?' * len(words))})")
    return _Term(sql=f"count(*) FILTER (WHERE {' OR '.join(tests) or 'false'})", parameters=words)


def _invalid(rule: QualityRule, column: str) -> _Term:
    tests: list[str] = []
    parameters: list[Any] = []
    if rule.valid is not None:
        numeric = rule.column is not None and rule.column.type.kind in NUMERIC
        values = [
            Decimal(str(v)) if numeric and _is_number(v) else _text(v) for v in rule.valid if v is not None
        ]
        listed = ", ".join("?" * len(values))
        subject = column if numeric else f"CAST({column} AS VARCHAR)"
        tests.append(f"{subject} IN ({listed})" if values else "false")
        parameters += values
    if rule.pattern is not None:
        tests.append(f"regexp_matches(CAST({column} AS VARCHAR), ?)")
        parameters.append(rule.pattern)
    valid = " AND ".join(tests)
    return _Term(
        sql=f"count(*) FILTER (WHERE {column} IS NOT NULL AND NOT ({valid}))", parameters=tuple(parameters)
    )


def _duplicates(rule: QualityRule) -> _Term:
    """Count what is left when each value is taken once; a row with a null in it is like no other."""
    columns = (
        [".".join(map(quote, rule.path))] if rule.columns == rule.path else list(map(quote, rule.columns))
    )
    packed = ", ".join(f"c{number} := {column}" for number, column in enumerate(columns))
    value = columns[0] if len(columns) == 1 else f"struct_pack({packed})"
    whole = " AND ".join(f"{c} IS NOT NULL" for c in columns)
    return _Term(sql=f"count(*) FILTER (WHERE {whole}) - count(DISTINCT {value}) FILTER (WHERE {whole})")


def _query(con: duckdb.DuckDBPyConnection, contract: ContractBase, rule: QualityRule) -> Measure:
    """Run a query of one's own: one SELECT that returns one number."""
    try:
        statement = query(con, contract, rule)
        if statement is None:
            return Measure(rule=rule, value=None, trouble=NO_SELECT)
        rows = con.execute(statement).fetchmany(2)
    except duckdb.Error as error:
        return Measure(rule=rule, value=None, trouble=f"the query fails ({type(error).__name__})")
    if len(rows) != 1 or len(rows[0]) != 1 or not _is_number(rows[0][0]):
        return Measure(rule=rule, value=None, trouble=NO_NUMBER)
    return Measure(rule=rule, value=float(rows[0][0]))


def query(
    con: duckdb.DuckDBPyConnection, contract: ContractBase, rule: QualityRule
) -> duckdb.Statement | None:
    """Return the statement of a query of one's own, its table and column filled in; None where it is no SELECT.

    Raises:
        duckdb.Error: It is no SQL.
    """
    sql = rule.query or ""
    column = ".".join(map(quote, rule.path))
    for place, text in zip(_PLACES, (_table(contract), column), strict=True):
        sql = sql.replace(f"${{{place}}}", text).replace(f"{{{place}}}", text)
    statements = con.extract_statements(sql)
    return (
        statements[0] if len(statements) == 1 and statements[0].type == duckdb.StatementType.SELECT else None
    )


def _table(contract: ContractBase) -> str:
    return f"{quote(contract.domain)}.{quote(contract.name)}"


def _text(value: object) -> str:
    """Return a value of a contract as DuckDB writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
