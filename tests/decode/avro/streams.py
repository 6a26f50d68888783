"""Avro streams of the decoder's tests: contracts, payloads, and a registry that a test fills."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from mesh_defs.contract.avro.draft import Wanted, draft_contract
from mesh_defs.contract.avro.files import write_import
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.choices import EventKind
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.custom import Framing
from mesh_defs.contract.load import load_contract
from mesh_defs.contract.types import Column
from mesh_defs.decode import RegisteredSchema, decoder_for
from mesh_defs.model.errors import UnknownSchemaError
from mesh_defs.model.records import Headers, TypedBatch
from tests.avro_values import encoded
from tests.decode.builders import INGESTED_AT, batch, stream


@dataclass
class SchemasInMemory:
    """A registry of the schemas that a test put in; it counts what it is asked."""

    known: dict[int | UUID, RegisteredSchema] = field(default_factory=dict)
    asked: int = 0

    def put(self, schema_id: int, schema: Any, **more: Any) -> RegisteredSchema:
        """Register a schema, under its id and, where it has one, its GUID."""
        text = schema if isinstance(schema, str) else json.dumps(schema)
        options = {"guid": None, "schema_type": "AVRO"} | more
        found = RegisteredSchema(id=schema_id, text=text, **options)
        self.known[schema_id] = found
        if found.guid is not None:
            self.known[found.guid] = found
        return found

    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id."""
        return self._of(schema_id)

    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Return the schema of a GUID."""
        return self._of(guid)

    def _of(self, name: int | UUID) -> RegisteredSchema:
        self.asked += 1
        if name not in self.known:
            raise UnknownSchemaError(cannot=f"get the schema {name}", why="it is not there", do="register it")
        return self.known[name]


def record(**types: Any) -> dict[str, Any]:
    """Return a record with these fields."""
    return {"type": "record", "name": "R", "fields": [{"name": n, "type": t} for n, t in types.items()]}


def imported(folder: Path, text: str, stream_name: str = "s") -> StreamContract:
    """Return the contract that `mesh contract import --from avro` makes of a schema, unframed."""
    want = Wanted(
        domain="d",
        stream=stream_name,
        topic="d.s.v1",
        event_kind=EventKind.DELTA,
        source="s.avsc",
        framing=Framing.NONE,
    )
    domain = folder / "d"
    domain.mkdir(exist_ok=True)
    path, _ = write_import(domain, want, draft_contract(read_schema(text, "s.avsc"), want), text)
    contract = load_contract(path)
    assert isinstance(contract, StreamContract)
    return contract


def avro_stream(folder: Path, schema: Any, *columns: Column, **options: Any) -> StreamContract:
    """Return the contract of an unframed Avro stream, its schema file written."""
    file = folder / "s.avsc"
    file.write_text(json.dumps(schema), encoding="utf-8")
    return stream(*columns, **({"format": "avro", "framing": "none", "schema_file": file} | options))


def confluent_stream(*columns: Column, **options: Any) -> StreamContract:
    """Return the contract of an Avro stream behind Confluent's frames."""
    return stream(*columns, **({"format": "avro", "framing": "confluent"} | options))


def framed(schema_id: int, writer: Any, value: Any) -> bytes:
    """Return a record behind Confluent's prefix."""
    return b"\0" + schema_id.to_bytes(4, "big") + encoded(writer, value)


def typed(
    contract: StreamContract,
    *values: bytes | None,
    schemas: SchemasInMemory | None = None,
    headers: list[Headers | None] | None = None,
) -> TypedBatch:
    """Return the decoded records, checked: each split of the batch gives the same."""
    records = batch(*values, headers=headers)
    decoder = decoder_for(contract, schemas)
    found = decoder.decode(records, epoch=2, ingested_at=INGESTED_AT)
    found.rows.validate(full=True)
    half = len(values) // 2
    parts = [
        decoder.decode(part, epoch=2, ingested_at=INGESTED_AT)
        for part in (records.part(0, half), records.part(half, len(values)))
    ]
    assert [str(row) for part in parts for row in part.rows.to_pylist()] == list(
        map(str, found.rows.to_pylist())
    )
    letters = [replace(x, index=0) for part in parts for x in part.dead_letters]
    assert letters == [replace(letter, index=0) for letter in found.dead_letters]
    return found


def rules(found: TypedBatch) -> list[tuple[str, str, str]]:
    """Return stage, rule and path of the dead letters."""
    return [(letter.stage.value, letter.rule, letter.path) for letter in found.dead_letters]
