"""`mesh store`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mesh_defs.cli.app import ERRORS, JsonOption, Tries, print_json, print_table
from mesh_defs.cli.complete import domain_names
from mesh_defs.cli.selection import StreamsArgument, selection
from mesh_defs.cli.selection import streams as choose_streams
from mesh_defs.contract.sla import retentions
from mesh_defs.ingest.repair import RepairedFile, repair_stream
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
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("repairing") as spinner:
        for contract in selected.streams:
            spinner.update(f"repairing {contract.full_name}")
            with tries.one():
                repair = repair_stream(selected.project, contract)
                done += repair.files
                for refusal in repair.refusals:
                    tries.fail(refusal)
    if as_json:
        print_json([asdict(file) for file in done])
    else:
        print_table(
            ["stream", "table", "rows read again", "damage", "note"],
            ((f"{f.domain}.{f.stream}", f.table, f.rows, f.damage, str(f.note)) for f in done),
            empty="no file is damaged" if not tries.failed else "nothing was repaired",
        )
    tries.end()
