"""`mesh topics`."""

from __future__ import annotations

from typing import Annotated

import typer

from mesh_defs.broker import Brokers
from mesh_defs.cli.app import (
    FAILED,
    JsonOption,
    chosen,
    domains_of,
    print_json,
    print_table,
    project_of,
)

app = typer.Typer(no_args_is_help=True, help="Topics, as the contracts declare them.")


@app.callback()
def _group() -> None:
    """Topics, as the contracts declare them."""


@app.command()
def apply(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[DOMAIN[.STREAM] ...]", show_default=False)
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Create the topics that are missing; an existing topic is compared, never altered.

    Exit code 1 if a topic is not as its contract declares it.
    """
    project = project_of(context)
    domains = domains_of(project)
    wanted = chosen(domains, names, "stream", lambda d: d.streams)
    contracts = [s for d in domains.values() for s in d.streams if s.name in wanted.get(d.name, ())]
    with Brokers(project.config) as brokers:
        plans = brokers.apply_topics(contracts)
    if as_json:
        print_json(
            [{"topic": p.topic, "action": p.action, "differences": list(p.differences)} for p in plans]
        )
    else:
        print_table(
            ["topic", "action", "differences"],
            ((p.topic, p.action, "; ".join(p.differences)) for p in plans),
            empty="no stream is declared",
        )
    if any(p.differences for p in plans):
        raise typer.Exit(FAILED)
