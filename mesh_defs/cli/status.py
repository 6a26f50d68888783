"""`mesh status`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from mesh_defs.cli.app import FAILED, JsonOption, domains_of, print_json, print_table, project_of, say
from mesh_defs.ingest.status import status as domain_status


def status(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show how each stream stands: what the store answers for, how far the broker is, and what stopped it.

    Exit code 1 if a domain's contracts cannot be read.
    """
    project = project_of(context)
    domains = domains_of(project)
    lines = [line for domain in domains.values() for line in domain_status(project, domain)]
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        columns = ["stream", "partition", "epoch", "next", "end", "lag", "last commit", "state"]
        print_table(
            columns,
            (
                (
                    f"{s.domain}.{s.stream}",
                    s.partition,
                    s.epoch,
                    s.next_offset,
                    s.end_offset,
                    s.lag,
                    s.last_commit_at,
                    s.state,
                )
                for s in lines
            ),
            empty="no stream is declared",
        )
        for message in dict.fromkeys(line.error for line in lines if line.error):
            say(f"mesh: {message}")
    if len(domains) < len(project.domain_names()):
        raise typer.Exit(FAILED)
