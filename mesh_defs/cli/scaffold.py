"""`mesh init` and `mesh domain`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from mesh_defs.cli.app import JsonOption, print_json, print_table, project_of, say
from mesh_defs.scaffold import new_domain, new_project

domain_app = typer.Typer(no_args_is_help=True, help="The domains of a project.")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or an empty folder.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Make a new, empty mesh project that runs."""
    _print_files(new_project(folder), as_json=as_json)
    mesh = f"mesh --project {shlex.quote(str(folder))}"
    say(f"next: {mesh} domain new NAME, then {mesh} up")


@domain_app.callback()
def _group() -> None:
    """The domains of a project."""


@domain_app.command()
def new(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A small letter first, then small letters, digits and `_`.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """Make an empty domain with valid defaults and add it to workspace.yaml."""
    _print_files(new_domain(project_of(context).root, name), as_json=as_json)


def _print_files(files: Sequence[Path], *, as_json: bool) -> None:
    if as_json:
        print_json([str(path) for path in files])
    else:
        print_table(["file"], ([path] for path in files), empty="nothing")
