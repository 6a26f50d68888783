"""`mesh loss`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mesh_defs.cli.app import ERRORS, JsonOption, Tries, print_json, print_table, say
from mesh_defs.cli.complete import stream_names
from mesh_defs.cli.selection import StreamsArgument, one_stream
from mesh_defs.cli.selection import streams as choose_streams
from mesh_defs.ingest.loss import Loss, acknowledge_loss, losses

app = typer.Typer(
    no_args_is_help=True, help="Offsets that retention removed from a topic before they were read."
)


@app.callback()
def _group() -> None:
    """Offsets that retention removed from a topic before they were read."""


@app.command("list")
def list_(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List every lost range that the ledger records, and who acknowledged it.

    A range that stops its stream (`onLoss: fail`) is in no ledger yet: `mesh status` tells of it.
    """
    selected = choose_streams(context, names)
    found: list[Loss] = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("reading ledgers"):
        for stream in selected.streams:
            with tries.one():
                found += losses(selected.project, stream)
    if as_json:
        print_json([asdict(loss) for loss in found])
        tries.end()
        return
    print_table(
        ["stream", "epoch", "partition", "from", "to", "acknowledged by", "at", "reason"],
        (
            (f"{x.domain}.{x.stream}", x.epoch, x.partition, x.from_offset, x.to_offset, x.by, x.at, x.reason)
            for x in found
        ),
        empty="nothing was lost" if not tries.failed else "nothing is known to be lost",
    )
    tries.end()


@app.command()
def acknowledge(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="DOMAIN.STREAM", autocompletion=stream_names)],
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept beside the decision.")],
    as_json: JsonOption = False,
) -> None:
    """Take note of all that is lost of a stream: its status and checks are green again.

    A partition that the loss stopped (`onLoss: fail`) goes on behind it: the exact range is recorded as a gap.
    """
    project, contract = one_stream(context, name)
    with ERRORS.status("acknowledging"):
        done = acknowledge_loss(project, contract, reason)
    if as_json:
        print_json(asdict(done))
        return
    for lost in (*done.ranges, *done.recorded):
        say(f"{name} partition {lost.partition}: offsets {lost.from_offset} to {lost.to_offset} are lost")
    goes_on = "; `mesh ingest` goes on behind it" if done.recorded else ""
    say(f"acknowledged by {done.by} (snapshot {done.snapshot}){goes_on}")
