"""Measures rules in DuckDB: all of a table in one scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import duckdb

from mesh_defs.contract.contract import ContractBase, StreamContract
from mesh_defs.contract.quality import Metric, QualityRule
from mesh_defs.contract.types import Kind
from mesh_defs.store import DomainStore
from mesh_defs.store.engine import quote

_NUMERIC: Final = frozenset([Kind.BIGINT, Kind.INT, Kind.SMALLINT, Kind.DOUBLE, Kind.FLOAT, Kind.DECIMAL])
_PLACES: Final = ("table", "column")


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


def measure(store: DomainStore, contract: ContractBase, rules: Sequence[QualityRule]) -> tuple[Measure, ...]:
    """Measure rules of one table.

    Rows of tombstones are left out: they have no values. Null is neither valid nor invalid. `duplicateValues` counts
    the rows beyond the first of each value. A rule that fails to be measured is told and spoils no other.

    Args:
        store: The domain's, open.
        contract: The table's.
        rules: Of that contract.
    """
    scanned = [r for r in rules if r.unsupported is None and r.metric is not Metric.SQL]
    counts = _scan(store, contract, scanned)
    return tuple(_measure(store, contract, rule, counts) for rule in rules)


def _measure(
    store: DomainStore, contract: ContractBase, rule: QualityRule, counts: dict[str, tuple[int, int] | str]
) -> Measure:
    if rule.unsupported is not None:
        return Measure(rule=rule, value=None, trouble=f"the rule cannot be measured: {rule.unsupported}")
    if rule.metric is Metric.SQL:
        return _query(store, contract, rule)
    found = counts[rule.name]
    if isinstance(found, str):
        return Measure(rule=rule, value=None, trouble=found)
    count, rows = found
    value = (100.0 * count / rows if rows else 0.0) if rule.percent else float(count)
    return Measure(rule=rule, value=value, row_count=rows)


def _scan(
    store: DomainStore, contract: ContractBase, rules: Sequence[QualityRule]
) -> dict[str, tuple[int, int] | str]:
    """Return count and rows of each rule, or why there are none; one scan, unless one of them fails."""
    if not rules:
        return {}
    terms = [_term(rule) for rule in rules]
    where = " WHERE NOT _tombstone" if isinstance(contract, StreamContract) else ""
    select = ", ".join(["count(*)", *(t.sql for t in terms)])
    parameters = [p for t in terms for p in t.parameters]
    try:
        sql = f"SELECT {select} FROM {_table(contract)}{where}"  # noqa: S608 - quoted names and parameters
        row = store.connection.execute(sql, parameters).fetchone()
    except duckdb.Error as error:
        if len(rules) == 1:
            return {rules[0].name: f"DuckDB refused the measure ({type(error).__name__})"}
        return {name: found for rule in rules for name, found in _scan(store, contract, [rule]).items()}
    numbers = row or (0,) * (len(rules) + 1)
    return {rule.name: (int(n), int(numbers[0])) for rule, n in zip(rules, numbers[1:], strict=True)}


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
        numeric = rule.column is not None and rule.column.type.kind in _NUMERIC
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


def _query(store: DomainStore, contract: ContractBase, rule: QualityRule) -> Measure:
    """Run a query of one's own: one SELECT that returns one number."""
    sql = rule.query or ""
    column = ".".join(map(quote, rule.path))
    for place, text in zip(_PLACES, (_table(contract), column), strict=True):
        sql = sql.replace(f"${{{place}}}", text).replace(f"{{{place}}}", text)
    try:
        statements = store.connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return Measure(rule=rule, value=None, trouble="the query is not one SELECT")
        rows = store.connection.execute(statements[0]).fetchmany(2)
    except duckdb.Error as error:
        return Measure(rule=rule, value=None, trouble=f"the query fails ({type(error).__name__})")
    if len(rows) != 1 or len(rows[0]) != 1 or not _is_number(rows[0][0]):
        return Measure(rule=rule, value=None, trouble="the query returns something else than one number")
    return Measure(rule=rule, value=float(rows[0][0]))


def _table(contract: ContractBase) -> str:
    return f"{quote(contract.domain)}.{quote(contract.name)}"


def _text(value: object) -> str:
    """Return a value of a contract as DuckDB writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
