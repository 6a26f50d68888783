"""Whether rules can be measured at all: each is tried on an empty table of its contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing

import duckdb

from mesh_defs.contract.contract import TableContract
from mesh_defs.contract.metrics import Metric
from mesh_defs.contract.quality import QualityRule, quality_rules
from mesh_defs.model.findings import Finding, Severity
from mesh_defs.quality.measure import NO_NUMBER, NO_SELECT, query, scan
from mesh_defs.store import connect_engine
from mesh_defs.store.empty import create_empty


def lint_rules(tables: Iterable[TableContract]) -> Iterator[Finding]:
    """Yield a warning for each rule that would fail.

    DuckDB itself binds the rules, so unknown columns, broken patterns and wrong SQL are told in its own words. A
    query sees the tables of its own domain, as it does when it is measured.

    Raises:
        StoreError: DuckDB's extensions are missing.
    """
    domains: dict[str, list[TableContract]] = {}
    for table in tables:
        domains.setdefault(table.domain, []).append(table)
    for domain, own in domains.items():
        yield from _lint_domain(domain, own)


def _lint_domain(domain: str, tables: list[TableContract]) -> Iterator[Finding]:
    rules = [(t, rule) for t in tables for rule in quality_rules(t) if rule.unsupported is None]
    if not rules:
        return
    with closing(connect_engine()) as con:
        create_empty(con, domain, tables)
        for table, rule in rules:
            trouble = _trouble(con, table, rule)
            if trouble is not None:
                yield _finding(table, rule, trouble)


def _trouble(con: duckdb.DuckDBPyConnection, table: TableContract, rule: QualityRule) -> str | None:
    try:
        if rule.metric is not Metric.SQL:
            con.execute(*scan(table, [rule]))
            return None
        statement = query(con, table, rule)
        if statement is None:
            return NO_SELECT
        con.execute(statement)
    except duckdb.Error as error:
        # The tables are empty: no value of a record can stand in the message.
        return str(error).splitlines()[0]
    return None if len(con.description or ()) == 1 else NO_NUMBER


def _finding(table: TableContract, rule: QualityRule, trouble: str) -> Finding:
    return Finding(
        path=table.path,
        line=rule.entry.line,
        column=rule.entry.column,
        severity=Severity.WARNING,
        where=rule.entry.where,
        rule="quality",
        message=f"this rule cannot be measured: {trouble}",
    )
