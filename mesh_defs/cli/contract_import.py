"""`mesh contract import`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from mesh_defs.broker.registry import AVRO, registry_for, texts_of
from mesh_defs.cli.app import ERRORS, JsonOption, print_json, print_table, project_of, say
from mesh_defs.cli.registry import NameOption
from mesh_defs.contract.avro.draft import Wanted, draft_contract
from mesh_defs.contract.avro.files import import_paths, write_import
from mesh_defs.contract.avro.inline import inlined
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import AvroSchema
from mesh_defs.contract.avsc import read_avsc
from mesh_defs.contract.choices import Envelope, EventKind
from mesh_defs.contract.custom import Framing
from mesh_defs.contract.project import DOMAINS, Project
from mesh_defs.model.config import MAIN
from mesh_defs.model.errors import ConfigError
from mesh_defs.model.findings import shown_path

_REGISTRY: Final = "registry:"


class Source(StrEnum):
    """What a contract can be derived from."""

    AVRO = "avro"


def import_(
    context: typer.Context,
    schema: Annotated[
        str,
        typer.Argument(
            metavar="FILE|registry:SUBJECT", help="An .avsc file, or the newest version of a subject."
        ),
    ],
    *,
    source: Annotated[Source, typer.Option("--from", help="What the contract is derived from.")],
    domain: Annotated[str, typer.Option(metavar="D", help="The owning domain.")],
    stream: Annotated[str, typer.Option(metavar="S", help="The stream, and its table.")],
    topic: Annotated[str, typer.Option(metavar="T", help="The topic's name on the broker.")],
    event_kind: Annotated[EventKind, typer.Option(help="What an event means.")],
    framing: Annotated[
        Framing, typer.Option(help="What stands before the payload of a record.")
    ] = Framing.CONFLUENT,
    envelope: Annotated[
        Envelope,
        typer.Option(help="What the events are wrapped in; debezium takes the columns from `after`."),
    ] = Envelope.NONE,
    primary_key: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="A column of the key, which a state needs; may be repeated."),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="DOMAIN.TABLE.COLUMN", help="What a notification points to, which it needs."),
    ] = None,
    registry: NameOption = MAIN,
    as_json: JsonOption = False,
) -> None:
    """Derive a stream's contract from the schema of its writers, and copy the schema beside it.

    Nothing that exists is overwritten. What columns cannot hold exactly becomes JSON text; the page
    docs/how-to/avro-and-registries.md has the table of types.
    """
    del source  # there is one so far, and the option says so
    project = project_of(context)
    wanted = Wanted(
        domain=domain,
        stream=stream,
        topic=topic,
        event_kind=event_kind,
        source=schema,
        framing=framing,
        envelope=envelope,
        primary_key=tuple(primary_key or ()),
        reference=reference,
    )
    folder = _domain_folder(project, wanted)
    import_paths(folder, wanted)
    text, types = _schema(project, schema, registry)
    draft = draft_contract(types, wanted)
    paths = write_import(folder, wanted, draft, text)
    for note in draft.notes:
        say(f"note: {note}")
    if as_json:
        print_json({"files": [str(path) for path in paths], "notes": list(draft.notes)})
    else:
        print_table(["file"], ([shown_path(path)] for path in paths), empty="nothing")


def _domain_folder(project: Project, wanted: Wanted) -> Path:
    names = project.domain_names()
    if wanted.domain not in names:
        raise ConfigError(
            cannot=f"import the contract of {wanted.domain}.{wanted.stream}",
            why=f"there is no domain {wanted.domain!r}",
            do=f"make it with `mesh domain new {wanted.domain}`, or name one of: {', '.join(names) or 'none is there'}",
        )
    return project.root / DOMAINS / wanted.domain


def _schema(project: Project, schema: str, name: str) -> tuple[str, AvroSchema]:
    """Return the text that will stand beside the contract, and what it says."""
    if not schema.startswith(_REGISTRY):
        text = read_avsc(Path(schema))
        return text, read_schema(text, Path(schema))
    subject = schema.removeprefix(_REGISTRY)
    with ERRORS.status("asking the registry"), registry_for(project.config, name) as registry:
        found = registry.version(subject).schema
    if found.schema_type != AVRO:
        raise ConfigError(
            cannot=f"import {schema}",
            why=f"its schema is {found.schema_type}, not Avro",
            do="name the subject of an Avro schema",
        )
    source, references = f"{subject} of the registry", texts_of(found.references)
    return inlined(found.text, references), read_schema(found.text, source, references)
