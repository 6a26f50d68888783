"""`mesh`: the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mesh_defs.cli import (
    broker,
    build,
    config,
    contract,
    dead_letters,
    doctor,
    ingest,
    ledger,
    logs,
    process,
    scaffold,
    selftest,
    sql,
    status,
    store,
    stream,
    test,
    topics,
    up,
)
from mesh_defs.cli.app import ERRORS, FAILED, Settings, say_error
from mesh_defs.model.errors import MeshError

app = typer.Typer(
    name="mesh",
    help="An event-driven data mesh: Kafka streams under data contracts, landed exactly once, seen in Dagster.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    context: typer.Context,
    project: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The mesh project; by default the nearest folder with a mesh.toml."),
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Show where an error comes from.")] = False,  # noqa: FBT002
) -> None:
    """Take the options that stand before the command."""
    context.obj = Settings(folder=project, verbose=verbose)


app.command("init", rich_help_panel=None)(scaffold.init)
app.add_typer(scaffold.domain_app, name="domain")
app.command("up")(up.up)
app.command("down")(up.down)
app.command("logs")(logs.logs_)
app.command("doctor")(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(process.app, name="process")
app.add_typer(broker.app, name="broker")
app.add_typer(topics.app, name="topics")
app.add_typer(contract.app, name="contract")
app.command("ingest")(ingest.ingest)
app.command("build")(build.build)
app.command("status")(status.status)
app.command("sql")(sql.sql)
app.add_typer(ledger.app, name="ledger")
app.add_typer(dead_letters.app, name="dead-letters")
app.add_typer(store.app, name="store")
app.add_typer(stream.app, name="stream")
app.command("selftest")(selftest.selftest)
app.command("test", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(test.test)


def main() -> None:
    """Run the command line; an error is one line and exit code 1, `--verbose` adds the traceback."""
    try:
        app(prog_name="mesh")
    except MeshError as error:
        if "--verbose" in sys.argv:
            ERRORS.print_exception()
        say_error(error)
        sys.exit(FAILED)
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away: nothing is wrong, and nothing more can be said.
        sys.stderr.close()
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
