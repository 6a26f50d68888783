"""`mesh registry`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from mesh_defs.broker.registry import Registry, SchemaReference, SubjectVersion, registry_for
from mesh_defs.cli.app import ERRORS, FAILED, JsonOption, print_json, print_table, project_of, say
from mesh_defs.contract.avsc import read_avsc
from mesh_defs.model.config import MAIN
from mesh_defs.model.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Schema registries: of mesh.toml, a service or a folder.")

NameOption = Annotated[str, typer.Option("--registry", metavar="NAME", help="The registry of mesh.toml.")]

_ASKING: Final = "asking the registry"

_REFERENCE: Final = re.compile(r"(?P<name>[^=]+)=(?P<subject>.+):(?P<version>[0-9]{1,9})")


@app.callback()
def _group() -> None:
    """Schema registries: of mesh.toml, a service or a folder."""


@app.command()
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An .avsc file.")],
    *,
    subject: Annotated[
        str, typer.Option(metavar="S", help="Usually the topic's name with `-value` behind it.")
    ],
    references: Annotated[
        list[str] | None,
        typer.Option(
            "--reference",
            metavar="NAME=SUBJECT:VERSION",
            help="A type of another schema that this one uses; may be repeated.",
        ),
    ] = None,
    registry: NameOption = MAIN,
    as_json: JsonOption = False,
) -> None:
    """Add a schema as the next version of a subject; one that is there already keeps its version and id.

    The registry refuses a schema that is not compatible with the subject's earlier versions.
    """
    listed = tuple(_reference(text) for text in references or ())
    with ERRORS.status(_ASKING), registry_for(project_of(context).config, registry) as opened:
        added = opened.register(subject, read_avsc(file), listed)
    _print((added,), as_json=as_json)


@app.command("list")
def list_(
    context: typer.Context,
    subjects: Annotated[
        list[str] | None, typer.Argument(metavar="[SUBJECT ...]", help="By default all.", show_default=False)
    ] = None,
    *,
    registry: NameOption = MAIN,
    as_json: JsonOption = False,
) -> None:
    """Show subjects, their versions and ids."""
    with ERRORS.status(_ASKING), registry_for(project_of(context).config, registry) as opened:
        versions = _versions(opened, subjects)
    _print(versions, as_json=as_json)


@app.command()
def check(context: typer.Context, *, registry: NameOption = MAIN, as_json: JsonOption = False) -> None:
    """Check a registry: of a folder every file and version; of any whether an id that was used means another schema.

    Exit code 1 if something is wrong.
    """
    with ERRORS.status(_ASKING), registry_for(project_of(context).config, registry) as opened:
        count, problems = len(opened.subjects()), opened.problems()
    if as_json:
        print_json([{"registry": registry, "problem": problem} for problem in problems])
    else:
        print_table(
            ["problem"], ([problem] for problem in problems), empty=f"{count} subjects, nothing is wrong"
        )
    if problems:
        raise typer.Exit(FAILED)


def _versions(registry: Registry, subjects: Sequence[str] | None) -> list[SubjectVersion]:
    found: list[SubjectVersion] = []
    for subject in subjects or registry.subjects():
        versions = registry.versions(subject)
        if not versions:
            say(f"there is no subject {subject!r}")
            raise typer.Exit(FAILED)
        found += [registry.version(subject, version) for version in versions]
    return found


def _print(versions: Sequence[SubjectVersion], *, as_json: bool) -> None:
    if as_json:
        print_json([_shown(found) for found in versions])
        return
    rows = ([f.subject, f.version, str(f.schema.id), f.schema.guid] for f in versions)
    print_table(["subject", "version", "id", "guid"], rows, empty="the registry holds no schema")


def _shown(found: SubjectVersion) -> dict[str, Any]:
    return {
        "subject": found.subject,
        "version": found.version,
        "id": found.schema.id,
        "guid": found.schema.guid,
        "schema_type": found.schema.schema_type,
        "schema": found.schema.text,
    }


def _reference(text: str) -> SchemaReference:
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ConfigError(
            cannot=f"use the reference {text!r}",
            why="it is not NAME=SUBJECT:VERSION",
            do="write it as `org.example.Money=money-value:1`",
        )
    name, subject, version = match.group("name", "subject", "version")
    return SchemaReference(name=name, subject=subject, version=int(version))
