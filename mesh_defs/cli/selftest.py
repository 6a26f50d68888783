"""`mesh selftest`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, say
from mesh_defs.selftest import SelfTestOptions, run_selftest
from mesh_defs.supervisor.signals import interrupted_by_signals


def selftest(
    *,
    kills: Annotated[int, typer.Option(metavar="N", min=0, help="How many passes are killed.")] = 24,
    seed: Annotated[int, typer.Option(metavar="N", help="Decides the order and the instants.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the scratch project and say where it is.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show that the mesh loses and doubles nothing: kill ingest again and again, then count.

    In a scratch folder, with a Kafka of its own: known events, good and bad ones, tombstones, aborted transactions;
    ingest is killed with SIGKILL before the numbered steps of its commit and at random instants, maintenance runs in
    between; then every row is compared with what was produced. Takes about a minute, touches no project, leaves no
    process. Exit code 1 if anything does not hold.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with (
            interrupted_by_signals(),
            Progress(*columns, console=ERRORS, transient=True, disable=not ERRORS.is_terminal) as bar,
        ):
            task = bar.add_task("starting", total=kills)

            def show(what: str, done: int, total: int) -> None:
                bar.update(task, description=what, completed=done, total=total)

            report = run_selftest(SelfTestOptions(kills=kills, seed=seed, keep=keep), show)
    except KeyboardInterrupt:
        say("mesh: the self-test was stopped")
        raise typer.Exit(FAILED) from None
    if as_json:
        print_json(report.as_json())
    else:
        typer.echo(report.page())
    if not report.holds:
        raise typer.Exit(FAILED)
