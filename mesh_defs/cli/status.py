"""`mesh status`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, print_table, project_of, say
from mesh_defs.cli.selection import domains_of
from mesh_defs.ingest.status import PartitionStatus
from mesh_defs.ingest.status import status as domain_status


def status(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show how each stream and input stands: what the store answers for, how far the source is, and what stopped it.

    Below stands which process ingests a domain, and since when; and what an open transaction holds back, since when.

    Exit code 1 if a domain's contracts cannot be read.
    """
    project = project_of(context)
    domains = domains_of(project)
    with ERRORS.status("asking stores and brokers"):
        lines = [line for domain in domains.values() for line in domain_status(project, domain)]
    broken = [name for name in project.domain_names() if name not in domains]
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        print_table(COLUMNS, [*map(_row, lines), *map(_broken, broken)], empty="no stream is declared")
        for domain, holder in dict.fromkeys((line.domain, line.holder) for line in lines if line.holder):
            typer.echo(f"{domain}: ingested by {holder}")
        told = [text for line in lines for text in (line.error, line.held_back) if text]
        for message in dict.fromkeys(told):
            say(f"mesh: {message}")
    if broken:
        raise typer.Exit(FAILED)


COLUMNS = ("stream", "partition", "epoch", "next", "end", "lag", "rows", "last commit", "state")


def _row(line: PartitionStatus) -> tuple[object, ...]:
    return (
        f"{line.domain}.{line.stream}",
        line.partition,
        line.epoch,
        line.next_offset,
        line.end_offset,
        line.lag,
        line.rows,
        line.last_commit_at,
        line.state,
    )


def _broken(domain: str) -> tuple[object, ...]:
    """Return the line of a domain whose contracts cannot be read; the reason stands on standard error."""
    return (f"{domain}.*", *[None] * (len(COLUMNS) - 2), "broken")
