"""`mesh config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from mesh_defs.cli.app import JsonOption, print_json, print_table, project_of

app = typer.Typer(no_args_is_help=True, help="The configuration.")


@app.callback()
def _group() -> None:
    """The configuration."""


@app.command()
def show(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show what mesh.toml and the environment say together, secrets hidden."""
    project = project_of(context)
    shown: dict[str, Any] = {"project": str(project.root), **project.config.shown()}
    if as_json:
        print_json(shown)
        return
    print_table(["key", "value"], _flat(shown), empty="")
    if project.config.has_local_kafka:
        typer.echo("kafka.main is the local Apache Kafka")


def _flat(table: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        elif isinstance(value, list):
            yield from _flat({f"{key}[{index}]": entry for index, entry in enumerate(value)}, path)
        else:
            yield f"{path}{key}", value
