"""`mesh stream`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from mesh_defs.cli.app import ERRORS, JsonOption, Tries, print_json, print_table, say
from mesh_defs.cli.complete import stream_names
from mesh_defs.cli.selection import StreamsArgument, one_stream
from mesh_defs.cli.selection import streams as choose_streams
from mesh_defs.ingest.epoch import Epoch, accept_epoch, epochs
from mesh_defs.model.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Decisions about one stream.")


@app.callback()
def _group() -> None:
    """Decisions about one stream."""


@app.command("accept-epoch")
def accept_epoch_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="DOMAIN.STREAM", autocompletion=stream_names)],
    *,
    reason: Annotated[str, typer.Option(help="Why; it is kept beside the decision.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Accept that a stream's topic, its cluster or a partition's log is another one, and go on with it in a new epoch.

    Of a recreated topic ingest begins at the earliest offset, whatever `startFrom` says; after an unclean leader
    election, where the log of the partition is another one than was read. Rows of earlier epochs stay.
    """
    project, contract = one_stream(context, name)
    if not yes:
        _confirm(name)
    with ERRORS.status("beginning a new epoch"):
        done = accept_epoch(project, contract, reason)
    if as_json:
        print_json({"domain": contract.domain, "stream": contract.name, **asdict(done)})
        return
    begins = ", ".join(f"[{partition}] {offset}" for partition, offset in sorted(done.begins.items()))
    say(
        f"{name} is in epoch {done.epoch}, from {begins} on (snapshot {done.snapshot}); `mesh ingest` reads on"
    )


def _confirm(name: str) -> None:
    """Ask a person.

    Raises:
        Abort: They say no.
        ConfigError: Nobody is there.
    """
    if not sys.stdin.isatty():
        raise ConfigError(
            cannot=f"begin a new epoch of {name}",
            why="nobody is there to be asked",
            do="add --yes, if what is no longer what was read is to be read again",
        )
    typer.confirm(
        f"Begin a new epoch of {name}? What is no longer what was read is read again.", abort=True, err=True
    )


@app.command("epochs")
def epochs_(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """List the epochs of streams: of which topic each is, the offsets that it holds, and who ended it."""
    selected = choose_streams(context, names)
    found: list[Epoch] = []
    tries = Tries(failed=selected.incomplete)
    with ERRORS.status("reading stores"):
        for stream in selected.streams:
            with tries.one():
                found += epochs(selected.project, stream)
    if as_json:
        print_json([asdict(epoch) for epoch in found])
        tries.end()
        return
    print_table(
        ["stream", "epoch", "topic id", "offsets", "ended by", "at", "reason"],
        (
            (
                f"{x.domain}.{x.stream}",
                x.epoch,
                x.topic_id,
                _spans(x.partitions),
                *((x.ended.by, x.ended.at, x.ended.reason) if x.ended else (None, None, None)),
            )
            for x in found
        ),
        empty="nothing was ingested yet",
    )
    tries.end()


def _spans(partitions: Mapping[int, tuple[int, int]]) -> str:
    return ", ".join(f"[{partition}] {start} to {end}" for partition, (start, end) in partitions.items())
