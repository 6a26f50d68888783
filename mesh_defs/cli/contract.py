"""`mesh contract`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, project_of
from mesh_defs.cli.contract_import import import_
from mesh_defs.doctor.contracts import lint_contracts, lint_registries

app = typer.Typer(no_args_is_help=True, help="Data contracts.")
app.command("import")(import_)


@app.callback()
def _group() -> None:
    """Data contracts."""


@app.command()
def lint(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH ...]", help="Contract files or folders; by default the project's domains."
        ),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Check contracts: the standard, the types, the event kind, and whether rules and products can be computed.

    All findings of a file are told at once. Without paths the project's folders of schemas are checked as well.

    Exit code 1 if a contract is refused; warnings alone leave it 0.
    """
    with ERRORS.status("reading contracts"):
        if paths:
            findings = lint_contracts(paths)
        else:
            project = project_of(context)
            findings = (*lint_contracts([project.root / "domains"]), *lint_registries(project.config))
    errors = [f for f in findings if f.severity == "error"]
    if as_json:
        print_json(
            [
                {
                    "path": str(f.path),
                    "line": f.line,
                    "column": f.column,
                    "severity": f.severity,
                    "where": f.where,
                    "rule": f.rule,
                    "message": f.message,
                }
                for f in findings
            ]
        )
    else:
        for finding in findings:
            typer.echo(str(finding))
        ERRORS.print(f"{len(errors)} errors, {len(findings) - len(errors)} warnings", markup=False)
    if errors:
        raise typer.Exit(FAILED)
