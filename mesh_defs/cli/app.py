"""The command line's frame: global options, the project, and how errors become one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from mesh_defs.contract.project import Project, find_project
from mesh_defs.model.errors import MeshError
from mesh_defs.model.text import visible

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)
"""Progress, logs and errors: everything that is not the result."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]

FAILED = 1

PIPED_WIDTH = 200
"""Columns of a table that no terminal shows."""


@dataclass(slots=True)
class Settings:
    """The global options of this call."""

    folder: Path | None = None
    verbose: bool = False

    def project(self) -> Project:
        """Open the project that the person stands in, or named with `--project`.

        Raises:
            ConfigError: There is none, or its configuration is wrong.
        """
        return Project.open(self.folder if self.folder is not None else find_project(Path.cwd()))


def project_of(context: typer.Context) -> Project:
    """Return the project of a command's context."""
    settings = context.find_object(Settings)
    return (settings or Settings()).project()


def print_json(value: Any) -> None:
    """Print a result for programs."""
    text = msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2)
    sys.stdout.write(text.decode() + "\n")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a result for people; numbers stand on the right."""
    listed = [list(row) for row in rows]
    if not listed:
        sys.stdout.write(empty + "\n")
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], int) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in listed:
        table.add_row(*(_cell(value) for value in row))
    width = None if sys.stdout.isatty() else PIPED_WIDTH
    console = Console(highlight=False, emoji=False, width=width)
    console.print(table, markup=False)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else visible(str(value))


def say(message: str) -> None:
    """Tell a person something that is not the result."""
    ERRORS.print(visible(message), markup=False)


def say_error(error: MeshError) -> None:
    """Tell a person what cannot be done."""
    ERRORS.print(visible(f"mesh: {error}"), markup=False)


class Tries:
    """Tries one domain or stream after the other: what fails is told, and stops no other.

    Attributes:
        failed: Whether anything did.
    """

    def __init__(self, *, failed: bool = False) -> None:
        self.failed = failed

    @contextmanager
    def one(self) -> Iterator[None]:
        """Tell an error of the block, and go on behind it."""
        try:
            yield
        except MeshError as error:
            self.fail(error)

    def fail(self, error: MeshError) -> None:
        """Tell an error, and remember that there was one."""
        say_error(error)
        self.failed = True

    def end(self) -> None:
        """End the command.

        Raises:
            Exit: With code 1, where something failed.
        """
        if self.failed:
            raise typer.Exit(FAILED)
