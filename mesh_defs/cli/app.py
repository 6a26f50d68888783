"""The command line's frame: global options, the project, and how errors become one line and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from mesh_defs.contract.contract import ContractBase, Domain
from mesh_defs.contract.project import Project, find_project
from mesh_defs.model.errors import ConfigError, MeshError

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)
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


def domains_of(project: Project) -> dict[str, Domain]:
    """Load every domain; one that is broken is told and left out.

    Raises:
        ContractError: No domain can be loaded.
    """
    domains, broken = project.load_domains()
    for error in broken.values():
        say_error(error)
    if broken and not domains:
        raise typer.Exit(FAILED)
    return domains


def chosen(
    domains: dict[str, Domain],
    names: Sequence[str] | None,
    kind: str,
    members: Callable[[Domain], Iterable[ContractBase]],
) -> dict[str, list[str]]:
    """Return the wanted members of each domain, from arguments such as `operations` or `operations.flight_events`.

    Args:
        domains: The domains that can be loaded.
        names: The arguments; none means everything.
        kind: The word for a member in messages.
        members: The streams or the products of a domain.

    Raises:
        ConfigError: A name is not declared.
    """
    if not names:
        return {d.name: [m.name for m in members(d)] for d in domains.values()}
    wanted: dict[str, list[str]] = {}
    for name in names:
        domain_name, _, member = name.partition(".")
        domain = domains.get(domain_name)
        known = [m.name for m in members(domain)] if domain else []
        if domain is None or (member and member not in known):
            options = known if domain else sorted(domains)
            raise ConfigError(
                cannot=f"find {name}",
                why=f"no {kind if domain else 'domain'} of that name is declared",
                do=f"name one of: {', '.join(options) or 'none is declared'}",
            )
        listed = wanted.setdefault(domain_name, [])
        listed.extend(m for m in ([member] if member else known) if m not in listed)
    return wanted


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
    console = Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
    console.print(table, markup=False)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def say(message: str) -> None:
    """Tell a person something that is not the result."""
    ERRORS.print(message, markup=False)


def say_error(error: MeshError) -> None:
    """Tell a person what cannot be done."""
    ERRORS.print(f"mesh: {error}", markup=False)
