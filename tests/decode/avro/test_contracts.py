"""From a writer's schema to a table: what the contract made of the schema stores, value by value."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.contract.avro.compatible import why_unreadable
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Map,
    Primitive,
    Record,
    Union,
    name_of,
)
from mesh_defs.contract.avsc import parse_avsc
from mesh_defs.contract.types import Column, ColumnType, Kind
from mesh_defs.model.errors import ConfigError
from tests.avro_schemas import schemas
from tests.avro_values import decimal, encoded, moment, parsed, plain, read, said_by, same, values
from tests.decode.avro.streams import SchemasInMemory, framed, imported, record, typed

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "avro"

_CALM = settings(deadline=None, suppress_health_check=list(HealthCheck))


def stored(schema: AvroSchema, type_: AvroType, column: ColumnType, mine: Any, theirs: Any) -> bool:  # noqa: PLR0911
    """Return whether a stored value is what `fastavro` read without logical types."""
    if mine is None or theirs is None:
        return mine is None and theirs is None
    found = schema.resolved(type_)
    if isinstance(found, Union) and column.kind is not Kind.JSON:
        ((_, other),) = ((name_of(b), b) for b in found.branches if name_of(b) != "null")
        return stored(schema, other, column, mine, theirs)
    match column.kind, found:
        case Kind.JSON, _:
            return said_by(schema, type_, parsed(mine), theirs)
        case Kind.OBJECT, Record():
            fields = {field.name: field.type for field in found.fields}
            return all(_member(schema, fields, c, mine[c.name], theirs[c.name]) for c in column.fields)
        case Kind.ARRAY, Array():
            assert column.item is not None
            pairs = zip(mine, theirs, strict=True)
            return all(stored(schema, found.items, column.item.type, m, t) for m, t in pairs)
        case Kind.MAP, Map():
            assert column.value is not None
            assert [key for key, _ in mine] == list(theirs)
            return all(stored(schema, found.values, column.value, m, theirs[key]) for key, m in mine)
        case _, Enum():
            return bool(mine == theirs)
        case _, Primitive() | Fixed():
            return _scalar(found, column, mine, theirs)
    return False


def _member(schema: AvroSchema, fields: dict[str, AvroType], column: Column, mine: Any, theirs: Any) -> bool:
    return stored(schema, fields[column.name], column.type, mine, theirs)


def _scalar(type_: Primitive | Fixed, column: ColumnType, mine: Any, theirs: Any) -> bool:
    logical = type_.logical.name if type_.logical is not None else ""
    if column.kind is Kind.DECIMAL:
        return bool(mine == decimal(type_, theirs))
    if column.kind is Kind.UUID:
        return bool(mine.bytes == theirs) if isinstance(theirs, bytes) else str(mine) == theirs
    if column.kind in (Kind.DATE, Kind.TIME, Kind.TIMESTAMP):
        return bool(mine == moment(logical, theirs))
    return same(mine, theirs)


@settings(_CALM, max_examples=50)
@given(data=st.data())
def test_an_imported_contract_keeps_every_value(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Of any schema and any values that have a column type; what has no column stands in `_unknown`."""
    schema_json = data.draw(schemas())
    try:
        contract = imported(tmp_path_factory.mktemp("any"), json.dumps(schema_json))
    except ConfigError:
        return
    schema = read_schema(json.dumps(schema_json), "a test")
    record = schema.resolved(schema.root)
    assert isinstance(record, Record)
    writer = plain(schema, record)
    drawn = data.draw(st.lists(values(schema, record), min_size=1, max_size=12))
    payloads = [encoded(writer, value) for value in drawn]
    found = typed(contract, *payloads)
    assert found.dead_letters == ()
    types = {field.name: field.type for field in record.fields}
    columns = {column.name: column.type for column in contract.columns}
    for row, payload in zip(found.rows.to_pylist(), payloads, strict=True):
        value = read(writer, payload)
        assert all(stored(schema, types[n], c, row[n], value[n]) for n, c in columns.items())
        rest = {} if row["_unknown"] is None else parsed(row["_unknown"])
        assert set(rest) == set(types) - set(columns)
        assert all(said_by(schema, types[name], rest[name], value[name]) for name in rest)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.avsc")), ids=lambda path: path.stem)
def test_the_schemas_of_the_shared_data_need_no_edit(tmp_path: Path, path: Path) -> None:
    """From the file to a contract to a table, random values compared with what `fastavro` reads."""
    text = path.read_text(encoding="utf-8")
    contract = imported(tmp_path, text, "events")
    writer = fastavro.parse_schema(parse_avsc(text, path))
    if path.stem == "purchase":
        made = [
            {"id": i, "item_type": "boots", "quantity": 1, "price_per_unit": Decimal(i * 7 - 99) / 100}
            for i in range(50)
        ]
    else:
        made = list(generate_many(writer, 50))
    payloads = [encoded(writer, value) for value in made]
    found = typed(contract, *payloads)
    assert found.dead_letters == ()
    names = [column.name for column in contract.columns]
    rows = [{name: row[name] for name in names} for row in found.rows.to_pylist()]
    expected = [read(writer, payload) for payload in payloads]
    for row, value in zip(rows, expected, strict=True):
        assert {n: dict(v) if n == "contactinfo" else v for n, v in row.items()} == value


def test_an_imported_contract_reads_what_older_schemas_wrote(tmp_path: Path) -> None:
    """Of compatible versions every record is a row: promoted types, new fields, another order."""
    old = record(id="int", score="int", text="bytes", raw="string", gone="string")
    new = record(
        raw="bytes",
        text="string",
        score="double",
        id="long",
        tier="string",
        tags={"type": "map", "values": "long"},
    )
    new["fields"][4]["default"] = "basic"
    new["fields"][5]["default"] = {}
    assert (
        why_unreadable(reader=read_schema(json.dumps(new), "new"), writer=read_schema(json.dumps(old), "old"))
        == ()
    )
    contract = replace(imported(tmp_path, json.dumps(new)), framing="confluent")
    schemas = SchemasInMemory()
    schemas.put(1, old)
    schemas.put(2, new)
    before = {"id": 1, "score": 3, "text": "ä".encode(), "raw": "ä", "gone": "x"}
    after = {"id": 2**40, "score": 0.5, "text": "ß", "raw": b"\xff", "tier": "gold", "tags": {"a": 1}}
    values = [framed(1, old, before), framed(2, new, after)] * 60
    found = typed(contract, *values, schemas=schemas)
    assert found.dead_letters == ()
    names = ("id", "score", "text", "raw", "tier", "tags", "_unknown", "_schema_id")
    rows = [tuple(row[name] for name in names) for row in found.rows.to_pylist()]
    assert (
        rows
        == [
            (1, 3.0, "ä", "ä".encode(), None, None, '{"gone":"x"}', 1),
            (2**40, 0.5, "ß", b"\xff", "gold", [("a", 1)], None, 2),
        ]
        * 60
    )


def test_the_shared_data_is_there() -> None:
    """A test over no files would prove nothing."""
    assert len(list(FOLDER.glob("*.avsc"))) == 13
