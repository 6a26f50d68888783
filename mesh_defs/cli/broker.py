"""`mesh broker`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from mesh_defs.broker.local import LocalKafka
from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, project_of, say
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="The local Apache Kafka, where mesh.toml names no other.")


@app.callback()
def _group() -> None:
    """The local Apache Kafka, where mesh.toml names no other."""


@app.command()
def start(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Start the local Kafka and wait until it answers; one that runs already is fine."""
    kafka = _kafka(project_of(context))
    _show(kafka, adopted=kafka.status().running, start=True, as_json=as_json)


@app.command()
def stop(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Stop the local Kafka; its topics stay on disk."""
    kafka = _kafka(project_of(context))
    with ERRORS.status("stopping the local Kafka"):
        stopped = kafka.stop()
    if as_json:
        print_json({"stopped": stopped})
    else:
        typer.echo("stopped" if stopped else "it was not running")


@app.command()
def status(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Say whether the local Kafka runs, and where. Exit code 1 if it does not."""
    kafka = _kafka(project_of(context))
    _show(kafka, adopted=True, start=False, as_json=as_json)
    if not kafka.status().running:
        raise typer.Exit(FAILED)


def _kafka(project: Project) -> LocalKafka:
    if not project.config.has_local_kafka:
        raise ConfigError(
            cannot="manage the broker",
            why="`main` is a Kafka of your own (mesh.toml or MESH_BOOTSTRAP_SERVERS), not the local one",
            do="manage it where it lives",
        )
    return LocalKafka.of_mesh(project.config.data)


def _show(kafka: LocalKafka, *, adopted: bool, start: bool, as_json: bool) -> None:
    if start:
        with ERRORS.status("starting the local Kafka"):
            state = kafka.start(adopt=True)
    else:
        state = kafka.status()
    if as_json:
        print_json(asdict(state) | {"folder": str(state.folder), "log_file": str(state.log_file)})
        return
    if not state.running:
        typer.echo(f"not running; its data is in {state.folder}")
        return
    if start and adopted:
        say("it was running already")
    typer.echo(f"running at {state.address} (process {state.pid}), log {state.log_file}")
