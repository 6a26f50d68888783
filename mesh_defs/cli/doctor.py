"""`mesh doctor`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, Settings, print_json
from mesh_defs.doctor import Doctor, Verdict, Word


def doctor(context: typer.Context, *, as_json: JsonOption = False) -> None:
    """Try each part that the mesh stands on, and say what to do about those that are not well.

    Nothing is changed, and nothing that waits is waited for longer than a few seconds. Exit code 1 if any part failed.
    """
    settings = context.find_object(Settings) or Settings()
    verdicts: list[Verdict] = []
    with ERRORS.status("examining") as spinner:
        for verdict in Doctor(open_project=settings.project).examine(
            lambda part: spinner.update(f"trying {part}")
        ):
            verdicts.append(verdict)
            if not as_json:
                _show(verdict)
    if as_json:
        print_json([asdict(verdict) for verdict in verdicts])
    if any(verdict.state is Word.FAILED for verdict in verdicts):
        raise typer.Exit(FAILED)


def _show(verdict: Verdict) -> None:
    line = f"{verdict.part:<16}  {verdict.state:<7}  {' '.join(verdict.found.split())}"
    typer.echo(f"{line}; {' '.join(verdict.do.split())}" if verdict.do else line)
