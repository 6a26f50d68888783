"""`mesh status`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import typer

from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, print_table, project_of, say
from mesh_defs.contract.contract import Domain
from mesh_defs.contract.project import Project
from mesh_defs.ingest.status import PartitionStatus, broken
from mesh_defs.ingest.status import status as domain_status
from mesh_defs.model.errors import MeshError


def status(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Show how each stream and input stands: what the store answers for, how far the source is, and what stopped it.

    Below stands which process ingests a domain, and since when; and what an open transaction holds back, since when.

    Exit code 1 if a domain is broken: its contracts or its store cannot be read.
    """
    project = project_of(context)
    domains, errors = project.load_domains()
    lines: list[PartitionStatus] = []
    with ERRORS.status("asking stores and brokers"):
        for name in project.domain_names():
            lines += [broken(name, errors[name])] if name in errors else _lines(project, domains[name])
    if as_json:
        print_json([asdict(line) for line in lines])
    else:
        print_table(COLUMNS, map(_row, lines), empty="no stream is declared")
        for domain, holder in dict.fromkeys((line.domain, line.holder) for line in lines if line.holder):
            typer.echo(f"{domain}: ingested by {holder}")
    told = [text for line in lines for text in (line.error, line.held_back) if text]
    for message in dict.fromkeys(told):
        say(f"mesh: {message}")
    if any(line.state == "broken" for line in lines):
        raise typer.Exit(FAILED)


def _lines(project: Project, domain: Domain) -> Sequence[PartitionStatus]:
    try:
        return domain_status(project, domain)
    except MeshError as error:
        return [broken(domain.name, error)]


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
