"""`mesh process`."""

from __future__ import annotations

from typing import Annotated

import typer

from mesh_defs.cli.app import JsonOption, print_json, print_table, project_of
from mesh_defs.cli.complete import process_names
from mesh_defs.model.secrets import shown_command
from mesh_defs.supervisor.process import run_process

app = typer.Typer(no_args_is_help=True, help="The processes of mesh.toml.")


@app.callback()
def _group() -> None:
    """The processes of mesh.toml."""


@app.command("list")
def list_(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """List the processes with their commands, as mesh.toml has them, secrets hidden."""
    processes = project_of(context).config.processes.values()
    if as_json:
        print_json([{"name": p.name, "command": shown_command(p.written)} for p in processes])
        return
    print_table(
        ["name", "command"],
        ((process.name, shown_command(process.written)) for process in processes),
        empty="mesh.toml declares no process",
    )


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The NAME of [process.NAME].", autocompletion=process_names)],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGS ...]", help="Added to its command.", show_default=False),
    ] = None,
) -> None:
    """Run one process in the foreground, with the mesh's own `python` first on its PATH.

    Its streams, signals and exit code are the program's own. Where the local Kafka serves `main` and runs,
    MESH_BOOTSTRAP_SERVERS in its environment says where.
    """
    run_process(project_of(context), name, arguments or ())
