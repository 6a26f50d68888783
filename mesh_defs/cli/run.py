"""`mesh run`."""

from __future__ import annotations

from typing import Annotated

import typer

from mesh_defs.cli.app import project_of
from mesh_defs.cli.complete import domain_names
from mesh_defs.ingest.resident import MEMORY_LIMIT_BYTES
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.suggest import did_you_mean
from mesh_defs.supervisor.resident import ResidentOptions, run_resident

_MEGABYTE = 1 << 20


def run(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DOMAIN ...]",
            show_default=False,
            help="All when none is named.",
            autocompletion=domain_names,
        ),
    ] = None,
    *,
    memory_limit: Annotated[
        int,
        typer.Option(
            metavar="MB", min=100, help="A domain's process that holds more makes room for a new one."
        ),
    ] = MEMORY_LIMIT_BYTES // _MEGABYTE,
) -> None:
    """Ingest domains continuously, one process a domain, until SIGTERM or Ctrl-C. `mesh up` does it by itself.

    Each domain commits at the latency that its contracts promise, 0.5 s by default. A stream that cannot go on is tried
    again ever later; `mesh status` shows it. Where another process ingests a domain already, this one waits for its
    end. Dagster is told without runs, where the project has been started with `mesh up`.
    """
    project = project_of(context)
    known = project.domain_names()
    for name in names or ():
        if name not in known:
            raise ConfigError(
                cannot=f"run the domain {name}",
                why=f"there is none of that name{', ' + did_you_mean(name, known) if known else ''}",
                do=f"name one of: {', '.join(known) or 'none is declared'}",
            )
    run_resident(project, ResidentOptions(domains=names or (), memory_limit=memory_limit * _MEGABYTE))
