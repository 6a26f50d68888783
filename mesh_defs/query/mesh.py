"""All domains' stores in one read-only DuckDB connection, each under its domain's name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Self

import duckdb

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import QueryError, StoreError
from mesh_defs.store import DomainStore, attach_domain, connect_engine, first_row


class Mesh:
    """An open, read-only view of every domain that has a store.

    Attributes:
        connection: DuckDB in memory; `select ... from domain.table` works across domains.
        domains: The names attached.
        broken: Why the stores of others cannot be read.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        domains: tuple[str, ...],
        broken: Mapping[str, StoreError],
    ) -> None:
        self.connection = connection
        self.domains = domains
        self.broken = broken

    @classmethod
    def open(cls, project: Project) -> Self:
        """Attach the store of each domain of the project; a domain without one yet is left out.

        One that cannot be read is `broken`, and keeps nobody from the others.

        Raises:
            ConfigError: The folder of the domains cannot be read.
            StoreError: DuckDB's extensions are missing.
        """
        connection = connect_engine()
        attached: list[str] = []
        broken: dict[str, StoreError] = {}
        try:
            for name in project.domain_names():
                folder = project.data_folder(name)
                try:
                    if DomainStore.exists(folder):
                        attach_domain(connection, name, folder, read_only=True)
                        attached.append(name)
                except StoreError as error:
                    broken[name] = error
        except BaseException:
            connection.close()
            raise
        return cls(connection, tuple(attached), broken)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.connection.close()

    def has_table(self, full_name: str) -> bool:
        """Say whether `domain.table` is there."""
        domain, _, table = full_name.partition(".")
        found = first_row(
            self.connection,
            "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND table_name = ?",
            [domain, table],
        )
        return domain in self.domains and found is not None

    def snapshot(self, domain: str) -> int:
        """Return the snapshot of the domain's store that this connection, or its transaction, sees."""
        found = first_row(self.connection, "SELECT id FROM ducklake_current_snapshot(?)", [domain])
        if found is None:
            raise QueryError(
                cannot=f"read {domain}", why="its store has no snapshot", do="run `mesh ingest` first"
            )
        return int(found[0])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """See every store at one snapshot each, until the context ends."""
        self.connection.execute("BEGIN TRANSACTION READ ONLY")
        try:
            yield self.connection
        finally:
            self.connection.execute("ROLLBACK")

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """Run one reading statement.

        Raises:
            QueryError: It is not one reading statement, or it fails.
        """
        try:
            statements = self.connection.extract_statements(sql)
            if len(statements) != 1 or statements[0].type not in READING:
                raise QueryError(
                    cannot="run this SQL",
                    why="it is not one reading statement",
                    do="ask one SELECT, DESCRIBE, SHOW, SUMMARIZE or EXPLAIN at a time",
                )
            relation = self.connection.sql(sql)
        except duckdb.Error as error:
            raise _failed(error) from error
        if relation is None:
            raise QueryError(cannot="run this SQL", why="it has no result", do="ask a SELECT")
        return relation


READING = frozenset(
    {
        duckdb.StatementType.SELECT,
        duckdb.StatementType.EXPLAIN,
        duckdb.StatementType.RELATION,
        duckdb.StatementType.PRAGMA,
    }
)
"""Kinds of statements that change nothing; SHOW, DESCRIBE and SUMMARIZE are SELECTs to DuckDB."""


def _failed(error: duckdb.Error) -> QueryError:
    return QueryError(
        cannot="run this SQL",
        why=" ".join(str(error).split()),
        do="`show all tables` lists what can be asked",
    )
