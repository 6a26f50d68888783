"""`mesh store`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mesh_defs.cli.app import ERRORS, JsonOption, chosen, domains_of, print_json, print_table, project_of
from mesh_defs.cli.complete import domain_names
from mesh_defs.store import DomainStore, maintain

app = typer.Typer(no_args_is_help=True, help="The domains' stores.")


@app.callback()
def _group() -> None:
    """The domains' stores."""


@app.command("maintain")
def maintain_(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[DOMAIN ...]", show_default=False, autocompletion=domain_names),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Keep stores small and fast: flush, merge small files, expire old snapshots, clean up, sweep orphans.

    Each step is a short transaction in the writer's lane: readers and ingest go on.
    """
    project = project_of(context)
    reports = []
    with ERRORS.status("maintaining") as spinner:
        for name in chosen(domains_of(project), names, "domain", lambda _: ()):
            folder = project.data_folder(name)
            if not DomainStore.exists(folder):
                continue
            spinner.update(f"maintaining {name}")
            with DomainStore.open(folder, name) as store:
                reports.append((name, maintain(store, on_step=lambda step: spinner.update(f"{step}"))))
    if as_json:
        print_json([{"domain": name} | asdict(report) for name, report in reports])
        return
    print_table(
        ["domain", "step", "done"],
        ((name, step.name, step.summary) for name, report in reports for step in report.steps),
        empty="nothing to do",
    )
