"""`mesh ledger`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mesh_defs.cli.app import (
    ERRORS,
    JsonOption,
    Tries,
    print_json,
    print_table,
    say,
)
from mesh_defs.cli.selection import StreamsArgument, ingested
from mesh_defs.consistency import StreamVerification, verify_domain

FullOption = Annotated[
    bool,
    typer.Option(
        "--full", help="Recount everything, and read all that the broker holds and every stored page."
    ),
]

app = typer.Typer(no_args_is_help=True, help="The account of every offset.")


@app.callback()
def _group() -> None:
    """The account of every offset."""


@app.command()
def verify(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    full: FullOption = False,
    as_json: JsonOption = False,
) -> None:
    """Recount the tables against the ledger, and the ledger against what the broker still holds.

    Every offset since a stream's start must be a row, a dead letter or a recorded gap, once; and what the broker
    still holds must be what was stored, byte for byte. Data at rest is recounted against its loads. What an earlier
    verification found right is not read again, unless with --full. Exit code 1 with the first hole named.
    """
    selected = ingested(context, names)
    results: list[StreamVerification] = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("verifying") as spinner:
        for name, streams in selected.wanted.items():
            if not streams:
                continue
            spinner.update(f"verifying {name}")
            with tries.one():
                results += verify_domain(selected.project, selected.domains[name], streams, full=full)
    violations = [v for r in results for v in r.violations]
    if as_json:
        print_json([asdict(r) for r in results])
    else:
        print_table(
            ["stream", "entries", "offsets", "rows", "dead letters", "in gaps", "recounted", "broker compared",
             "result"],
            (
                (f"{r.domain}.{r.stream}", r.entries, r.offsets, r.rows, r.dead_letters, r.in_gaps,
                 r.recounted, r.broker_records, "broken" if r.violations else "holds")
                for r in results
            ),
            empty="nothing was verified" if tries.failed else "no stream is declared",
        )  # fmt: skip
    for violation in violations[:1]:
        say(f"mesh: {violation.message}")
    tries.failed = tries.failed or bool(violations)
    tries.end()
