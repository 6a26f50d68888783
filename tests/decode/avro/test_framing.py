"""What stands before a payload: prefix, header, fingerprint or nothing, and what becomes of a bad one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import fastavro
import pytest
from confluent_kafka.schema_registry import (
    dual_schema_id_deserializer,
    header_schema_id_serializer,
    prefix_schema_id_serializer,
)
from confluent_kafka.schema_registry.serde import SchemaId
from confluent_kafka.serialization import MessageField, SerializationContext

from mesh_defs.contract.types import Kind
from mesh_defs.decode import decoder_for
from mesh_defs.model.errors import ConfigError, ContractError, RegistryUnavailableError
from tests.avro_values import encoded
from tests.decode.avro.streams import (
    SchemasInMemory,
    avro_stream,
    confluent_stream,
    framed,
    record,
    rules,
    typed,
)
from tests.decode.builders import INGESTED_AT, batch, column, stream

ONE = record(id="long", name="string")
TWO = record(name=["null", "string"], id="int", note="string")
GUID = UUID("12345678-9abc-def0-1234-56789abcdef0")
COLUMNS = (column("id", Kind.BIGINT, required=True), column("name", Kind.STRING))


def registry() -> SchemasInMemory:
    """Return a registry of two schemas of one record."""
    schemas = SchemasInMemory()
    schemas.put(1, ONE, guid=GUID)
    schemas.put(258, TWO)
    return schemas


@pytest.mark.fault(27)
def test_several_schemas_in_a_batch_keep_the_order_of_offsets() -> None:
    """Fields are found by name, whatever their place and type; each row tells its schema's id."""
    values = [
        framed(1, ONE, {"id": i, "name": f"n{i}"})
        if i % 3
        else framed(258, TWO, {"name": None, "id": i, "note": "x"})
        for i in range(40)
    ]
    found = typed(confluent_stream(*COLUMNS), *values, schemas=registry())
    assert found.dead_letters == ()
    assert found.rows["id"].to_pylist() == list(range(40))
    assert found.rows["name"].to_pylist() == [f"n{i}" if i % 3 else None for i in range(40)]
    assert found.rows["_schema_id"].to_pylist() == [1 if i % 3 else 258 for i in range(40)]
    assert found.rows["_unknown"].to_pylist() == [None if i % 3 else '{"note":"x"}' for i in range(40)]
    assert found.unknown_fields == {"$.note": 14}


def test_frames_are_those_of_confluents_own_client() -> None:
    """By prefix and by header, mixed; what their deserializer finds in them, ours does."""
    payload = encoded(ONE, {"id": 7, "name": "x"})
    context = SerializationContext("t", MessageField.VALUE, headers=[])
    by_header = header_schema_id_serializer(payload, context, SchemaId("AVRO", 1, str(GUID)))
    by_prefix = prefix_schema_id_serializer(payload, None, SchemaId("AVRO", 1, str(GUID)))
    (header,) = context.headers
    in_front = b"\1" + GUID.bytes + payload
    id_in_header = ("__value_schema_id", b"\0\0\0\0\1")
    found = typed(
        confluent_stream(*COLUMNS),
        by_prefix,
        by_header,
        in_front,
        payload,
        None,
        schemas=registry(),
        headers=[None, [("a", b"b"), header], [("a", None)], [id_in_header], [header]],
    )
    told = SchemaId("AVRO")
    dual_schema_id_deserializer(by_header, context, told)
    assert told.guid == GUID
    assert found.dead_letters == ()
    assert found.rows["id"].to_pylist() == [7, 7, 7, 7, None]
    assert found.rows["_schema_id"].to_pylist() == [1, 1, 1, 1, None]
    assert found.rows["_tombstone"].to_pylist() == [False] * 4 + [True]


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("value", "headers", "rule"),
    [
        (b"", None, "frame"),
        (b"\0\0\0\1", None, "frame"),
        (b"\2\0\0\0\1", None, "frame"),
        (b"\1" + bytes(15), None, "frame"),
        (b"\0\0\0\0\1", [("__value_schema_id", b"")], "frame"),
        (b"\0\0\0\0\1", [("__value_schema_id", b"\0\0\0\0\0\1")], "frame"),
        (
            b"\0\0\0\0\1",
            [("__value_schema_id", b"\0\0\0\0\1"), ("__value_schema_id", b"\0\0\0\0\2")],
            "frame",
        ),
        (b"\0\0\0\0\2", None, "unknown_schema"),
        (b"\0\xff\xff\xff\xff", None, "unknown_schema"),
        (b"\1" + bytes(16), None, "unknown_schema"),
        (b"\0\0\0\0\3", None, "schema_type"),
        (b"\0\0\0\0\4", None, "bad_schema"),
        (b"\0\0\0\0\5", None, "bad_schema"),
    ],
)
def test_a_bad_frame_is_a_dead_letter(value: bytes, headers: Any, rule: str) -> None:
    """And so is one that names no Avro schema of the registry; the records around it are rows."""
    schemas = registry()
    schemas.put(3, "{}", schema_type="JSON")
    schemas.put(4, '{"type": "recrod"}')
    schemas.put(5, '"string"')
    good = framed(1, ONE, {"id": 1, "name": "x"})
    found = typed(
        confluent_stream(*COLUMNS), good, value, good, schemas=schemas, headers=[None, headers, None]
    )
    assert rules(found) == [("framing", rule, "$")]
    assert found.rows["id"].to_pylist() == [1, 1]
    assert found.dead_letters[0].value == value


def test_a_registry_that_is_down_decides_about_no_record() -> None:
    """The error reaches who decodes; nothing is a dead letter."""

    class Down(SchemasInMemory):
        def _of(self, _name: int | UUID) -> Any:
            raise RegistryUnavailableError(cannot="get a schema", why="no answer", do="wait")

    decoder = decoder_for(confluent_stream(*COLUMNS), Down())
    with pytest.raises(RegistryUnavailableError):
        decoder.decode(batch(framed(1, ONE, {"id": 1, "name": "x"})), epoch=1, ingested_at=INGESTED_AT)


def test_the_registry_is_asked_once_a_batch_and_schema() -> None:
    """What the registry holds is its own to keep; a schema is read once."""
    schemas = registry()
    decoder = decoder_for(confluent_stream(*COLUMNS), schemas)
    for _ in range(3):
        records = batch(*[framed(1, ONE, {"id": 1, "name": "x"})] * 60)
        decoder.decode(records, epoch=1, ingested_at=INGESTED_AT)
    assert schemas.asked == 3


def test_references_are_read_with_the_schema() -> None:
    """Also one that two others share, and those of a reference."""
    schemas = SchemasInMemory()
    point = schemas.put(1, {"type": "record", "name": "geo.Point", "fields": [{"name": "x", "type": "int"}]})
    line = schemas.put(
        2,
        {"type": "record", "name": "geo.Line", "fields": [{"name": "a", "type": "geo.Point"}]},
        references=(point,),
    )
    schemas.put(3, record(at="geo.Point", along="geo.Line"), references=(line, point))
    inner = column("x", Kind.BIGINT)
    at = column("at", Kind.OBJECT, fields=(inner,))
    along = column("along", Kind.OBJECT, fields=(column("a", Kind.OBJECT, fields=(inner,)),))
    found = typed(confluent_stream(at, along), b"\0\0\0\0\3\x02\x04", schemas=schemas)
    assert found.rows["at"].to_pylist() == [{"x": 1}]
    assert found.rows["along"].to_pylist() == [{"a": {"x": 2}}]


def test_a_union_of_records_is_as_many_writers() -> None:
    """As Confluent's clients write several types into one topic: the root is a union of references."""
    schemas = SchemasInMemory()
    a = schemas.put(1, {"type": "record", "name": "a.A", "fields": [{"name": "id", "type": "int"}]})
    b = schemas.put(2, {"type": "record", "name": "a.B", "fields": [{"name": "name", "type": "string"}]})
    schemas.put(3, '["a.A", "null", "a.B"]', references=(a, b))
    head = b"\0\0\0\0\3"
    values = [head + b"\0\x0e", head + b"\x04\x02x", head + b"\x02", head + b"\x06", head, head + b"\0\x10"]
    found = typed(
        confluent_stream(column("id", Kind.INT), column("name", Kind.STRING)), *values, schemas=schemas
    )
    assert found.rows["id"].to_pylist() == [7, None, 8]
    assert found.rows["name"].to_pylist() == [None, "x", None]
    assert rules(found) == [("decode", "avro", "$")] * 3


def test_single_objects_name_the_file_by_its_fingerprint(tmp_path: Path) -> None:
    """C3 01, then the CRC-64-AVRO of the canonical form, little-endian, as `fastavro` computes it."""
    schema = {
        "type": "record",
        "name": "R",
        "namespace": "a.b",
        "doc": "x",
        "fields": [
            {"name": "id", "type": {"type": "long", "logicalType": "timestamp-millis"}, "default": 1},
            {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"], "aliases": ["F"]}},
            {"name": "f", "type": ["null", {"type": "fixed", "name": "c.F", "size": 2}, "E"]},
            {"name": "m", "type": {"type": "map", "values": {"type": "array", "items": "c.F"}}},
        ],
    }
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    mark = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    contract = avro_stream(tmp_path, schema, column("e", Kind.STRING), framing="single_object")
    payload = encoded(schema, {"id": 0, "e": "B", "f": None, "m": {}})
    good = b"\xc3\x01" + mark + payload
    found = typed(contract, good, b"\xc3\x01" + bytes(8) + payload, payload, b"\xc3\x01", good + b"\0")
    assert found.rows["e"].to_pylist() == ["B"]
    assert found.rows["_schema_id"].to_pylist() == [None]
    assert rules(found) == [
        ("framing", "unknown_schema", "$"),
        ("framing", "frame", "$"),
        ("framing", "frame", "$"),
        ("decode", "avro", "$"),
    ]


def test_single_objects_of_earlier_writers_stay_rows(tmp_path: Path) -> None:
    """Their schemas stand beside the contract's, with a name more."""
    new = record(id="int", name=["null", "string"])
    contract = avro_stream(tmp_path, new, *COLUMNS, framing="single_object")
    assert contract.schema_file is not None
    contract.schema_file.with_suffix(".1.avsc").write_text(json.dumps(ONE))
    values = []
    for schema, value in ((ONE, {"id": 1, "name": "x"}), (new, {"id": 2, "name": None})):
        canonical = fastavro.schema.to_parsing_canonical_form(schema)
        mark = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
        values.append(b"\xc3\x01" + mark + encoded(schema, value))
    found = typed(contract, *values)
    assert found.dead_letters == ()
    assert found.rows.select(["id", "name"]).to_pylist() == [{"id": 1, "name": "x"}, {"id": 2, "name": None}]


def test_without_frames_the_file_is_the_writers_schema(tmp_path: Path) -> None:
    """And the payload is consumed to its last byte."""
    contract = avro_stream(tmp_path, ONE, *COLUMNS)
    good = encoded(ONE, {"id": 1, "name": "x"})
    found = typed(contract, good, good[:-1], good + b"\0", b"", *[good] * 60)
    assert len(found.rows) == 61
    assert rules(found) == [("decode", "avro", "$.name"), ("decode", "avro", "$"), ("decode", "avro", "$.id")]


def test_records_that_make_up_for_each_other_are_not_mixed_up(tmp_path: Path) -> None:
    """One byte too many and one too few, side by side, would be two good records in one block."""
    schema = record(a="long", b="long")
    contract = avro_stream(tmp_path, schema, column("a", Kind.BIGINT), column("b", Kind.BIGINT))
    good = b"\x02\x04"
    found = typed(contract, *[good] * 30, b"\x02\x04\x06", b"\x08", *[good] * 30)
    assert found.rows["a"].to_pylist() == [1] * 60
    assert [letter.index for letter in found.dead_letters] == [30, 31]


def test_json_behind_frames_tells_its_schema() -> None:
    """The frame is taken off, the document judged by the contract alone; a frame of Avro is refused."""
    schemas = SchemasInMemory()
    schemas.put(9, '{"type":"object"}', schema_type="JSON", guid=GUID)
    schemas.put(1, ONE)
    contract = stream(*COLUMNS, framing="confluent")
    document = json.dumps({"id": 5, "name": "x"}).encode()
    values = [b"\0\0\0\0\x09" + document, document, b"\0\0\0\0\1" + document, document, b"\0\0\0\0\x09{"]
    headers: list[Any] = [None, [("__value_schema_id", b"\1" + GUID.bytes)], None, None, None]
    found = typed(contract, *values, schemas=schemas, headers=headers)
    assert found.rows["id"].to_pylist() == [5, 5]
    assert found.rows["_schema_id"].to_pylist() == [9, 9]
    assert rules(found) == [
        ("framing", "schema_type", "$"),
        ("framing", "frame", "$"),
        ("decode", "json_syntax", "$"),
    ]


def test_json_behind_frames_needs_no_registry() -> None:
    """The id is taken as it is; of a GUID no id is known."""
    contract = stream(*COLUMNS, framing="confluent")
    value = b'\0\0\0\0\x09{"id":5}'
    found = typed(contract, value, b"\1" + GUID.bytes + b'{"id":6}')
    assert found.rows["id"].to_pylist() == [5, 6]
    assert found.rows["_schema_id"].to_pylist() == [9, None]


def test_what_is_missing_is_said_before_any_record(tmp_path: Path) -> None:
    """A registry, the schema file, a schema of records."""
    with pytest.raises(ConfigError, match=r"declare \[registry.main\]"):
        decoder_for(confluent_stream(*COLUMNS))
    with pytest.raises(ContractError, match="custom property `schema`"):
        decoder_for(stream(*COLUMNS, format="avro", framing="none"))
    with pytest.raises(ContractError, match="neither a record nor a union of records"):
        decoder_for(avro_stream(tmp_path, "string", *COLUMNS))
