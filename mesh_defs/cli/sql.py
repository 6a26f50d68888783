"""`mesh sql`."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from mesh_defs.cli.app import project_of
from mesh_defs.query import Mesh, write_result


class Format(StrEnum):
    """How a result is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    ARROW = "arrow"


def sql(
    context: typer.Context,
    query: Annotated[
        str,
        typer.Argument(
            metavar="'SELECT ...'", help="One reading statement; `-` reads it from standard input."
        ),
    ],
    *,
    format_: Annotated[
        Format, typer.Option("--format", "-f", help="How to print the result.")
    ] = Format.TABLE,
    as_json: Annotated[bool, typer.Option("--json", help="The same as `--format json`.")] = False,
) -> None:
    """Ask the stores of all domains in SQL, read-only, also while ingest runs.

    Tables are named `domain.table`; `show all tables` lists them. JSON is one array of objects; Arrow is the IPC
    stream format.
    """
    text = sys.stdin.read() if query == "-" else query
    with Mesh.open(project_of(context)) as mesh:
        write_result(mesh.query(text), "json" if as_json else format_.value, sys.stdout.buffer)
