"""`mesh logs`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from mesh_defs.cli.app import JsonOption, project_of, say
from mesh_defs.cli.complete import part_names
from mesh_defs.supervisor.tail import LogLine, chosen_logs, ends, follow, last_lines, logs

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")


def logs_(
    context: typer.Context,
    parts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PART ...]",
            show_default=False,
            help="All when none is named.",
            autocompletion=part_names,
        ),
    ] = None,
    *,
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is added, until Ctrl-C.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="The last N lines of each part.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what the parts wrote: kafka, code, webserver, daemon, resident, up, and the processes of mesh.toml.

    Lines of several parts stand in the order of their times, each behind its part's name. As JSON each line is an
    object on a line of its own. The files are data/logs/PART.log.
    """
    project = project_of(context)
    files = chosen_logs(project, parts or ())
    width = max(map(len, files), default=0) if len(parts or ()) != 1 else 0
    show = _json if as_json else _for_people(width)
    shown = ends(files)
    for line in last_lines(files, lines, shown):
        show(line)
    sys.stdout.flush()
    if not following:
        if not files:
            say("nothing was logged yet; `mesh up` starts the mesh")
        return
    try:
        for line in follow(lambda: files if parts else logs(project), shown):
            show(line)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return


def _json(line: LogLine) -> None:
    sys.stdout.write(msgspec.json.encode({"part": line.part, "text": _plain(line.text)}).decode() + "\n")


def _for_people(width: int) -> Callable[[LogLine], None]:
    """Return a printer with so wide a column for the part; none where there is only one."""
    colours: dict[str, str] = {}

    def show(line: LogLine) -> None:
        prefix = ""
        if width:
            colour = colours.setdefault(line.part, _COLOURS[len(colours) % len(_COLOURS)])
            prefix = f"{line.part:<{width}} | "
            prefix = typer.style(prefix, fg=colour) if sys.stdout.isatty() else prefix
        sys.stdout.write(f"{prefix}{line.text if sys.stdout.isatty() else _plain(line.text)}\n")

    return show


def _plain(text: str) -> str:
    """Drop the colours that Dagster writes into its logs."""
    return _ESCAPES.sub("", text)
