"""`mesh sql`."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, BinaryIO, cast

import typer

from mesh_defs.cli.app import ERRORS, print_json, project_of, say_error
from mesh_defs.contract.contract import ProductContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import QueryError
from mesh_defs.query import Mesh, write_result, write_script


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    ARROW = "arrow"


def sql(
    context: typer.Context,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="'SELECT ...'",
            help="One reading statement; `-` reads it from standard input.",
            show_default=False,
        ),
    ] = None,
    *,
    init: Annotated[
        bool,
        typer.Option("--init", help="Write data/mesh.sql for the plain duckdb shell, and print its path."),
    ] = False,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="How to print the result.")
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as `--format json`.")] = False,
) -> None:
    """Ask the stores of all domains in SQL, read-only, also while ingest runs.

    Tables are named `domain.table`; `show all tables` lists them. JSON is one array of objects; Arrow is the IPC
    stream format. For the plain shell of the same version: `duckdb -init "$(mesh sql --init)"`.
    """
    if init == (query is not None):
        raise typer.BadParameter("give one of a query and --init")
    if query is None:
        path = write_script(project_of(context))
        if as_json:
            print_json({"script": str(path)})
        else:
            typer.echo(str(path))
        return
    text = sys.stdin.read() if query == "-" else query
    project = project_of(context)
    with ERRORS.status("asking the stores") as spinner, Mesh.open(project) as mesh:
        for error in mesh.broken.values():
            say_error(error)
        out = _Awaited(sys.stdout.buffer, spinner.stop)
        try:
            relation = mesh.query(text)
        except QueryError as error:
            raise _not_yet(project, mesh, text) or error from None
        write_result(relation, "json" if as_json else format_.value, cast("BinaryIO", out))


def _not_yet(project: Project, mesh: Mesh, text: str) -> QueryError | None:
    """Return an error that names a declared table of a query which is not there yet, None where it names none."""
    domains, _ = project.load_domains()
    for table in (table for domain in domains.values() for table in domain.tables):
        name = f"{table.domain}.{table.name}"
        if re.search(rf"\b{re.escape(name)}\b", text) and not mesh.has_table(name):
            is_product = isinstance(table, ProductContract)
            return QueryError(
                cannot="run this SQL",
                why=f"{name} is declared, and was not {'built' if is_product else 'ingested'} yet",
                do=f"run `mesh {'build' if is_product else 'ingest'} {name}` first",
            )
    return None


class _Awaited(io.BufferedIOBase):
    """A stream that says when its first byte comes."""

    def __init__(self, out: BinaryIO, first: Callable[[], None]) -> None:
        self._out = out
        self._first: Callable[[], None] | None = first

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._out.isatty()

    def write(self, data: Any, /) -> int:
        if self._first is not None:
            self._first()
            self._first = None
        return self._out.write(data)

    def flush(self) -> None:
        self._out.flush()
