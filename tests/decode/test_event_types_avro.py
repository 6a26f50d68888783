"""Several event types in one topic of Avro: by header, by field, by the name of the writer's record."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest

from mesh_defs.contract.choices import OnUnknownField, TypeSource
from mesh_defs.contract.contract import EventTypeFrom, StreamContract
from mesh_defs.contract.types import Kind
from mesh_defs.decode import RegisteredSchema, decoder_for
from mesh_defs.model.errors import UnknownSchemaError
from mesh_defs.model.records import Stage, TypedBatch
from tests.decode.builders import FIRST_OFFSET, INGESTED_AT, batch, column
from tests.decode.test_event_types import field, landed, letters, said, types_of

META = {
    "type": "record",
    "name": "Meta",
    "fields": [{"name": "kind", "type": {"type": "enum", "name": "Kinds", "symbols": ["placed", "paid"]}}],
}
PLACED = {
    "type": "record",
    "name": "Placed",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "kind", "type": ["null", "string"], "default": None},
        {"name": "number", "type": "int", "default": 7},
        {"name": "meta", "type": ["null", META], "default": None},
    ],
}
PAID = PLACED | {"name": "Paid"}
SCHEMAS: Mapping[int, dict[str, Any]] = {1: PLACED, 2: PAID}
SCHEMA = EventTypeFrom(source=TypeSource.SCHEMA)
ID = (column("id", Kind.BIGINT, required=True),)


class TwoSchemas:
    """A registry that holds `SCHEMAS`."""

    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return one of them."""
        if schema_id not in SCHEMAS:
            raise UnknownSchemaError(cannot="find a schema", why="there is none", do="register it")
        return RegisteredSchema(
            id=schema_id, guid=None, schema_type="AVRO", text=json.dumps(SCHEMAS[schema_id])
        )

    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Know none."""
        raise UnknownSchemaError(cannot=f"find {guid}", why="there is none", do="register it")


def written(schema_id: int, **record: Any) -> bytes:
    """Return a record in Confluent's frame."""
    file = io.BytesIO()
    fastavro.schemaless_writer(file, fastavro.parse_schema(SCHEMAS[schema_id]), record)
    return b"\0" + schema_id.to_bytes(4, "big") + file.getvalue()


def framed(
    source: EventTypeFrom, types: tuple[str, ...] = ("placed", "paid"), **options: Any
) -> StreamContract:
    """Return the contract of a framed Avro stream; each type has the column `id`."""
    return types_of(source, dict.fromkeys(types, ID), format="avro", framing="confluent", **options)


def decoded(contract: StreamContract, *values: bytes | None, **options: Any) -> TypedBatch:
    """Return the decoded records."""
    decode = decoder_for(contract, TwoSchemas()).decode
    return decode(batch(*values, **options), epoch=0, ingested_at=INGESTED_AT)


@pytest.mark.parametrize("types", [("Placed", "Paid"), ("shop.Placed", "shop.Paid")])
def test_the_name_of_the_writers_record_is_the_type(types: tuple[str, ...]) -> None:
    """With its namespace or without; a frame that cannot be read is told as such."""
    first, second = types
    typed = decoded(
        framed(SCHEMA, types),
        written(1, id=1),
        written(2, id=2),
        b"\0\0\0\0\x09\x02",
        b"bad",
        None,
        written(1, id=6)[:5],
    )
    assert landed(typed) == {first: [0], second: [1]}
    assert [x[:3] for x in letters(typed)] == [
        (2, Stage.FRAMING, "unknown_schema"),
        (3, Stage.FRAMING, "frame"),
        (4, Stage.ENVELOPE, "event_type"),
        (5, Stage.DECODE, typed.dead_letters[-1].rule),
    ]
    assert typed.tables[first]["_schema_id"].to_pylist() == [1]


def test_a_record_of_no_declared_name_is_of_an_unknown_type() -> None:
    """Whatever its schema is."""
    typed = decoded(framed(SCHEMA, ("Placed",)), written(2, id=1))
    assert [rule for _, _, rule, _ in letters(typed)] == ["unknown_event_type"]


def test_the_branches_of_a_union_are_types_too(tmp_path: Path) -> None:
    """A file with a union of records, where no registry is."""
    file = tmp_path / "events.avsc"
    file.write_text(json.dumps([PLACED, {"type": "record", "name": "shop.Gone", "fields": [
        {"name": "id", "type": "long"}]}]))  # fmt: skip
    contract = types_of(SCHEMA, {"Placed": ID, "Gone": ID}, format="avro", framing="none", schema_file=file)
    typed = decoder_for(contract).decode(
        batch(b"\x02\x08", b"\x00\x02\x00\x0e\x00", b"\x09"), epoch=0, ingested_at=INGESTED_AT
    )
    assert landed(typed) == {"Placed": [1], "Gone": [0]}
    assert [index for index, *_ in letters(typed)] == [2]


@pytest.mark.parametrize("count", [1, 30])
def test_a_field_says_the_type(count: int) -> None:
    """A string, an enum's symbol inside a record, a whole number; few records and many are read alike."""
    records = [written(1 + n % 2, id=n, kind="paid" if n % 3 else "placed") for n in range(count)]
    typed = decoded(framed(field("kind")), *records)
    assert landed(typed) == {
        "placed": [n for n in range(count) if not n % 3],
        "paid": [n for n in range(count) if n % 3],
    }
    inside = [written(1, id=n, meta={"kind": "paid"} if n % 2 else None) for n in range(count)]
    typed = decoded(framed(field("meta.kind")), *inside)
    assert landed(typed) == {"placed": [], "paid": [n for n in range(count) if n % 2]}
    assert {rule for _, _, rule, _ in letters(typed)} == {"event_type"}
    numbers = decoded(framed(field("number"), ("7", "8")), written(1, id=1, number=8))
    assert landed(numbers) == {"7": [], "8": [0]}


def test_the_field_need_be_no_column() -> None:
    """It is not unknown where it says the table's type; where a header decided, what it says is kept."""
    types = {"placed": (*ID, column("number", Kind.BIGINT), column("meta", Kind.JSON))}
    contract = types_of(field("kind"), types, format="avro", framing="confluent",
                        on_unknown_field=OnUnknownField.DEAD_LETTER)  # fmt: skip
    assert landed(decoded(contract, written(1, id=1, kind="placed"))) == {"placed": [0]}
    either = EventTypeFrom(source=TypeSource.EITHER, name="kind")
    contract = types_of(either, types, format="avro", framing="confluent")
    typed = decoded(
        contract,
        written(1, id=1, kind="other"),
        written(1, id=2, kind="placed"),
        headers=[said("placed"), None],
    )
    assert typed.tables["placed"]["_offset"].to_pylist() == [FIRST_OFFSET, FIRST_OFFSET + 1]
    assert typed.tables["placed"]["_unknown"].to_pylist() == ['{"kind":"other"}', None]
