"""What a writer says beyond its contract, and fields that the contract calls otherwise."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path

import pytest

from mesh_defs.contract.choices import OnUnknownField
from mesh_defs.contract.types import ColumnType, Kind
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
from tests.decode.builders import column

POINT = {
    "type": "record",
    "name": "P",
    "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": "int"}],
}


@pytest.mark.parametrize("policy", [OnUnknownField.DEAD_LETTER, OnUnknownField.FAIL])
def test_unknown_fields_follow_the_policy(tmp_path: Path, policy: OnUnknownField) -> None:
    """A field that only the writer has is refused in every record, also where it is null."""
    schema = record(id="int", more=["null", "int"])
    contract = avro_stream(tmp_path, schema, column("id", Kind.INT), on_unknown_field=policy)
    found = typed(contract, b"\x02\0", b"\x02\x02\x02")
    assert rules(found) == [("validate", "unknown_field", "$.more")] * 2
    assert found.unknown_fields == {"$.more": 2}


def test_what_is_unknown_keeps_its_place_and_its_spelling(tmp_path: Path) -> None:
    """Nested as it was; an array with unknown content whole; text as documents spell the types."""
    item = {
        "type": "record",
        "name": "I",
        "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "bytes"}],
    }
    schema = record(
        o={
            "type": "record",
            "name": "O",
            "fields": [{"name": "i", "type": item}, {"name": "n", "type": "double"}],
        },
        items={"type": "array", "items": "I"},
        named={"type": "map", "values": "I"},
        either=["string", "I", "null"],
        at={"type": "long", "logicalType": "timestamp-millis"},
        price={"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
        nothing=["null", "int"],
    )
    inner = (column("a", Kind.INT),)
    contract = avro_stream(
        tmp_path,
        schema,
        column("o", Kind.OBJECT, fields=(column("i", Kind.OBJECT, fields=inner),)),
        column("items", Kind.ARRAY, item=column("element", Kind.OBJECT, fields=inner)),
        column(
            "named",
            Kind.MAP,
            key=ColumnType(kind=Kind.STRING),
            value=ColumnType(kind=Kind.OBJECT, fields=inner),
        ),
        column("either", Kind.OBJECT, fields=(column("I", Kind.OBJECT, fields=inner),)),
    )
    one = {"a": 1, "b": b"\0"}
    value = {
        "o": {"i": one, "n": math.inf},
        "items": [one, one],
        "named": {"k": one},
        "either": one,
        "at": dt.datetime(2024, 1, 1, tzinfo=dt.UTC),
        "price": Decimal("1.50"),
        "nothing": None,
    }
    found = typed(
        contract, *[encoded(schema, value)] * 3, encoded(schema, value | {"either": "x", "items": []})
    )
    assert found.dead_letters == ()
    assert found.rows["either"].to_pylist() == [{"I": {"a": 1}}] * 3 + [{"I": None}]
    head = '{"o":{"i":{"b":"AA=="},"n":"Infinity"},'
    middle = '"named":{"k":{"b":"AA=="}},"either":'
    tail = ',"at":"2024-01-01T00:00:00Z","price":1.50,"nothing":null}'
    whole = '{"a":1,"b":"AA=="}'
    assert found.rows["_unknown"].to_pylist() == [
        *[f'{head}"items":[{whole},{whole}],{middle}{{"I":{{"b":"AA=="}}}}{tail}'] * 3,
        f'{head}{middle}{{"string":"x"}}{tail}',
    ]
    assert set(found.unknown_fields) == {
        "$.o.i.b",
        "$.o.n",
        "$.items[*].b",
        "$.named[...].b",
        "$.either.I.b",
        "$.either.string",
        "$.at",
        "$.price",
        "$.nothing",
    }


@pytest.mark.parametrize("namespace", [{}, {"namespace": "other"}])
def test_aliases_of_the_contracts_file_find_renamed_fields(tmp_path: Path, namespace: dict[str, str]) -> None:
    """The file beside a contract is the reader's schema where frames name the writers': its aliases hold.

    Records match by their unqualified names.
    """
    schemas = SchemasInMemory()
    old = record(nr="int", p={**POINT, "namespace": ""}) | namespace
    schemas.put(1, old)
    renamed = {
        "type": "record",
        "name": "Q",
        "aliases": ["P"],
        "fields": [{"name": "east", "aliases": ["x"], "type": "int"}],
    }
    reader = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "id", "aliases": ["nr"], "type": "int"}, {"name": "p", "type": renamed}],
    }
    file = avro_stream(tmp_path, reader).schema_file
    contract = confluent_stream(
        column("id", Kind.INT), column("p", Kind.OBJECT, fields=(column("east", Kind.INT),)), schema_file=file
    )
    found = typed(contract, framed(1, old, {"nr": 5, "p": {"x": 1, "y": 2}}), schemas=schemas)
    assert found.rows["id"].to_pylist() == [5]
    assert found.rows["p"].to_pylist() == [{"east": 1}]
    assert found.rows["_unknown"].to_pylist() == ['{"p":{"y":2}}']
