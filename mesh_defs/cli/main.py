"""`mesh`: the command line."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from mesh_defs.cli.app import ERRORS, FAILED, Settings, say, say_error
from mesh_defs.model.errors import MeshError, of_the_system

COMMANDS: Final = {
    "init": "scaffold:init",
    "domain": "scaffold:domain_app",
    "up": "up:up",
    "down": "up:down",
    "logs": "logs:logs_",
    "doctor": "doctor:doctor",
    "config": "config:app",
    "process": "process:app",
    "broker": "broker:app",
    "topics": "topics:app",
    "contract": "contract:app",
    "registry": "registry:app",
    "ingest": "ingest:ingest",
    "run": "run:run",
    "build": "build:build",
    "status": "status:status",
    "sql": "sql:sql",
    "ledger": "ledger:app",
    "dead-letters": "dead_letters:app",
    "loss": "loss:app",
    "store": "store:app",
    "stream": "stream:app",
    "selftest": "selftest:selftest",
    "test": "test:test",
}
"""Where each command is: a module of this package, and a function or a group in it."""


class Commands(TyperGroup):
    """Imports a command's module when it is asked for: `mesh sql` need not wait for Java or Dagster's parts."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base's signature
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return one command, or None where there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(f"mesh_defs.cli.{module}"), attribute)
        if isinstance(found, typer.Typer):
            found.rich_markup_mode = None
            group = typer.main.get_group(found)
            group.name = cmd_name
            return group
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(cmd_name, context_settings=CONTEXTS.get(cmd_name))(found)
        return typer.main.get_command(alone)


CONTEXTS: Final = {"test": {"allow_extra_args": True, "ignore_unknown_options": True}}

app = typer.Typer(
    name="mesh",
    cls=Commands,
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


def _say_usage(error: TyperException) -> None:
    """Tell what is wrong with the command line, or the whole help where a group was called without a command."""
    why = error.format_message()
    if why.startswith("Usage:"):
        sys.stderr.write(f"{why}\n")
        return
    context = getattr(error, "ctx", None)
    words = "mesh" if context is None else context.command_path
    why = " ".join(why.split()).rstrip(".")
    say_error(MeshError(cannot=f"run `{words}`", why=why, do=f"see `{words} --help`"))


def main() -> None:
    """Run the command line; an error is one line and exit code 1, `--verbose` adds the traceback.

    A command line that cannot be read is one line, too, and exit code 2.
    """
    try:
        code = app(prog_name="mesh", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TyperException as error:
        _say_usage(error)
        sys.exit(error.exit_code)
    except typer.Abort:
        say("aborted: the question was not answered")
        sys.exit(FAILED)
    except MeshError as error:
        if "--verbose" in sys.argv:
            ERRORS.print_exception()
        say_error(error)
        sys.exit(FAILED)
    except BrokenPipeError:
        # The reader of a pipe (head, less) went away: nothing is wrong, and nothing more can be said.
        sys.stderr.close()
        sys.exit(FAILED)
    except OSError as error:
        if "--verbose" in sys.argv:
            ERRORS.print_exception()
        say_error(of_the_system(error, cannot="go on"))
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
