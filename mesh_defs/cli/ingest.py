"""`mesh ingest`."""

from __future__ import annotations

from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mesh_defs.cli.app import (
    ERRORS,
    JsonOption,
    Tries,
    print_json,
    print_table,
    say,
    say_error,
)
from mesh_defs.cli.selection import Selection, StreamsArgument, ingested
from mesh_defs.ingest import PassReport, run_pass
from mesh_defs.ingest import Progress as PassProgress


def ingest(
    context: typer.Context,
    names: StreamsArgument = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Make one bounded pass: everything that is on the broker now, and files that changed, land in the stores.

    The pass ends at the last stable offsets that it finds at its start. Data at rest is loaded where its files are
    not what was loaded last; what is retired (`status: retired`) is passed over. Records that break their contract
    become dead letters and leave the exit code 0. Exit code 1 if any stream or input failed; the others are done all
    the same.
    """
    selected = ingested(context, names)
    _say_retired(selected)
    tries = Tries(failed=selected.incomplete)
    reports: list[PassReport] = []
    with _bar() as bar:
        tasks: dict[str, Any] = {}

        def show(progress: PassProgress) -> None:
            if progress.stream not in tasks:
                tasks[progress.stream] = bar.add_task(progress.stream, total=progress.total)
            bar.update(tasks[progress.stream], completed=progress.done, total=progress.total)

        for name, streams in selected.wanted.items():
            if not streams:
                continue
            with tries.one():
                reports.append(run_pass(selected.project, selected.domains[name], streams, on_progress=show))
    _tell(reports)
    tries.failed = tries.failed or any(report.failed for report in reports)
    empty = "nothing was ingested" if tries.failed else "nothing to ingest: no stream is declared"
    _show(reports, as_json=as_json, empty=empty)
    tries.end()


def _say_retired(selected: Selection) -> None:
    for domain in selected.domains.values():
        for contract in (c for c in domain.retired if c.name in selected.wanted.get(domain.name, ())):
            say(f"{contract.full_name} is retired: it is not ingested")


def _tell(reports: list[PassReport]) -> None:
    """Say what stopped streams, and what a person should know of besides."""
    streams = [stream for report in reports for stream in report.streams]
    for warning in dict.fromkeys(warning for stream in streams for warning in stream.warnings):
        say(f"mesh: {warning}")
    for stream in streams:
        for trouble in stream.troubles:
            say_error(trouble.error)


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Without a terminal a bar is nothing but an empty line in a log.
    return Progress(*columns, console=ERRORS, transient=True, disable=not ERRORS.is_terminal)


def _show(reports: list[PassReport], *, as_json: bool, empty: str) -> None:
    lines = [
        {
            "domain": stream.domain,
            "stream": stream.stream,
            "partition": p.partition,
            "epoch": p.epoch,
            "from_offset": p.from_offset,
            "to_offset": p.to_offset,
            "row_count": p.row_count,
            "dead_letter_count": p.dead_letter_count,
            "gaps": [
                {"kind": g.kind, "from_offset": g.from_offset, "to_offset": g.to_offset} for g in p.gaps
            ],
            "snapshot": p.snapshot,
        }
        for report in reports
        for stream in report.streams
        for p in stream.partitions
    ]
    if as_json:
        print_json(lines)
        return
    print_table(
        ["stream", "partition", "from", "to", "rows", "dead letters", "gaps", "snapshot"],
        (
            (
                f"{line['domain']}.{line['stream']}",
                line["partition"],
                line["from_offset"],
                line["to_offset"],
                line["row_count"],
                line["dead_letter_count"],
                len(line["gaps"]),  # type: ignore[arg-type]
                line["snapshot"],
            )
            for line in lines
        ),
        empty=empty,
    )
