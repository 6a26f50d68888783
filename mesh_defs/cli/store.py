"""`mesh store`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, Tries, print_json, print_table, say_error
from mesh_defs.cli.complete import domain_names
from mesh_defs.cli.selection import StreamsArgument, selection
from mesh_defs.cli.selection import streams as choose_streams
from mesh_defs.contract.sla import retentions
from mesh_defs.ingest.repair import RepairedFile, StreamRepair, repair_stream
from mesh_defs.model.errors import MeshError
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain

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

    Rows of a stream that were stored longer ago than its contract's `retention` are deleted, with a ledger entry.
    Each step is a short transaction in the writer's lane: readers and ingest go on.
    """
    selected = selection(context, names, "domain", lambda _: ())
    reports = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("maintaining") as spinner:
        for name in selected.wanted:
            folder = selected.project.data_folder(name)
            if not DomainStore.exists(folder):
                continue
            spinner.update(f"maintaining {name}")
            with tries.one(), DomainStore.open(folder, name) as store:
                policy = MaintenancePolicy(retention=retentions(selected.domains[name]))
                reports.append(
                    (name, maintain(store, policy, on_step=lambda step: spinner.update(f"{step}")))
                )
    if as_json:
        print_json([{"domain": name} | asdict(report) for name, report in reports])
        tries.end()
        return
    print_table(
        ["domain", "step", "done"],
        ((name, step.name, step.summary) for name, report in reports for step in report.steps),
        empty="nothing to do",
    )
    tries.end()


@app.command()
def repair(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Read damaged or missing files of streams' tables again from their topics, and put sound ones in their places.

    Every page of every file is read. A damaged file is replaced only where the broker still holds its offsets with the
    bytes that the ledger knows; it goes to `quarantine` in the domain's folder. Exit code 1 if any stays as it is.
    """
    selected = choose_streams(context, names)
    done: list[RepairedFile] = []
    failed = selected.incomplete
    with ERRORS.status("repairing") as spinner:
        for domain, members in selected.wanted.items():
            for contract in (s for s in selected.domains[domain].streams if s.name in members):
                spinner.update(f"repairing {contract.full_name}")
                try:
                    repair = repair_stream(selected.project, contract)
                except MeshError as error:
                    repair = StreamRepair(refusals=(error,))
                done += repair.files
                for refusal in repair.refusals:
                    say_error(refusal)
                failed = failed or bool(repair.refusals)
    if as_json:
        print_json([asdict(file) for file in done])
    else:
        print_table(
            ["stream", "table", "rows read again", "damage", "note"],
            ((f"{f.domain}.{f.stream}", f.table, f.rows, f.damage, str(f.note)) for f in done),
            empty="no file is damaged" if not failed else "nothing was repaired",
        )
    if failed:
        raise typer.Exit(FAILED)
