"""Avro schemas by the specification's rules: what is valid, what is refused, and schemas that use others."""

from __future__ import annotations

import json
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings

from mesh_defs.contract.avro.inline import inlined
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import Record, Reference
from mesh_defs.model.errors import ContractError
from tests.avro_schemas import schemas

SIZES = "from 0 to 2147483647"


def text_of(schema: Any) -> str:
    """Return a schema's text, one key a line."""
    return json.dumps(schema, indent=0)


def refusal(schema: Any) -> str:
    """Return why a schema is refused."""
    with pytest.raises(ContractError) as caught:
        read_schema(schema if isinstance(schema, str) else json.dumps(schema), "s.avsc")
    assert "\n" not in str(caught.value)
    assert caught.value.cannot == "read the Avro schema s.avsc"
    return caught.value.why


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ("1", "a type is a name, an object or an array of types"),
        ("{}", "a type lacks the key 'type'"),
        ('"strin"', "the type 'strin' is not known here; did you mean 'string'?"),
        ('{"type": "recrod"}', "the type 'recrod' is not known here; did you mean 'record'?"),
        ('{"type": "record", "fields": []}', "record lacks the key 'name'"),
        ('{"type": "record", "name": "R"}', "R lacks the key 'fields'"),
        ('{"type": "record", "name": "R", "fields": {}}', "'fields' must be an array"),
        ('{"type": "record", "name": "R", "fields": [1]}', "a field of R is no object"),
        ('{"type": "record", "name": "1R", "fields": []}', "'1R' is no name of a record"),
        ('{"type": "enum", "name": "a-b", "symbols": []}', "'a-b' is no name of an enum"),
        ('{"type": "record", "name": "R", "namespace": "a b", "fields": []}', "'a b' is no namespace"),
        ('{"type": "record", "name": "int", "fields": []}', "'int' is the name of a primitive type"),
        ('{"type": "error", "name": "R", "fields": [{"name": "é"}]}', "'é' is no name of a field"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "a lacks the key 'type'"),
        ('{"type": "array"}', "array lacks the key 'items'"),
        ('{"type": "map"}', "map lacks the key 'values'"),
        ('["int", ["string"]]', "a union holds a union"),
        ('["int", {"type": "int", "logicalType": "date"}]', "a union holds 'int' twice"),
        ('{"type": "enum", "name": "E", "symbols": ["a b"]}', "'a b' is no symbol of an enum"),
        ('{"type": "enum", "name": "E", "symbols": ["A", "A"]}', "a symbol of the enum E stands twice"),
        ('{"type": "enum", "name": "E", "symbols": "A"}', "'symbols' must be an array of texts"),
        ('{"type": "enum", "name": "E", "symbols": [], "default": "B"}', "the default 'B' is no symbol of the enum E"),
        ('{"type": "fixed", "name": "F", "size": -1}', f"the size of the fixed F must be a whole number {SIZES}"),
        ('{"type": "fixed", "name": "F"}', f"the size of the fixed F must be a whole number {SIZES}"),
    ],
)  # fmt: skip
def test_what_the_specification_forbids(schema: str, why: str) -> None:
    """One line, that begins with the line of the text."""
    assert refusal(schema) == f"line 1: {why}"


def test_an_error_names_its_line() -> None:
    """Names that are defined twice, and fields that stand twice, are told with their lines."""
    twice = '{"type": "record", "name": "R", "fields": [\n{"name": "a", "type": "int"},\n{"name": "a", "type": "int"}]}'
    assert refusal(twice) == "line 3: the field 'a' of R stands twice, first in line 2"
    again = '[{"type": "fixed", "name": "F", "size": 1},\n{"type": "record", "name": "F", "fields": []}]'
    assert refusal(again) == "line 2: the type 'F' is defined twice"


def test_namespaces_are_what_avros_own_parser_takes() -> None:
    """A connector names them after servers and tables, whose names have hyphens; names of types remain strict."""
    for said in (
        {"name": "Value", "namespace": "my-server.shop.order-items"},
        {"name": "my-server.shop.order-items.Value"},
    ):
        text = json.dumps({"type": "record", **said, "fields": [{"name": "next", "type": ["null", "Value"]}]})
        assert set(read_schema(text, "a test").names) == {"my-server.shop.order-items.Value"}
    with pytest.raises(ContractError, match="is no name of a record"):
        read_schema('{"type": "record", "name": "a-b.c-d", "fields": []}', "a test")


def test_namespaces_are_inherited_as_the_specification_says() -> None:
    """A name with dots has its own, an empty one is none, and what stands within inherits."""
    inner = {
        "type": "record",
        "name": "I",
        "fields": [{"name": "e", "type": {"type": "fixed", "name": "F", "size": 1}}],
    }
    outer = {"type": "record", "name": "a.b.R", "namespace": "ignored", "fields": [
        {"name": "i", "type": inner},
        {"name": "n", "type": {"type": "fixed", "name": "N", "namespace": "", "size": 1}},
        {"name": "f", "type": ["null", "F", "a.b.I", {"type": "map", "values": "R"}]},
    ]}  # fmt: skip
    schema = read_schema(json.dumps(outer), "s.avsc")
    assert set(schema.names) == {"a.b.R", "a.b.I", "a.b.F", "N"}


@settings(max_examples=100, deadline=None)
@given(schema=schemas())
def test_what_is_valid_here_is_valid_for_the_reference(schema: dict[str, Any]) -> None:
    """`fastavro` parses each schema that the strategy draws and this module accepts."""
    read = read_schema(json.dumps(schema), "drawn")
    assert isinstance(read.root, Record)
    fastavro.parse_schema(schema)


def test_names_of_other_schemas_are_known() -> None:
    """A schema that uses others is read with them, and becomes one that needs none."""
    money = {"type": "record", "name": "Money", "namespace": "m", "fields": [
        {"name": "unit", "type": {"type": "enum", "name": "Unit", "symbols": ["EUR"]}},
        {"name": "more", "type": ["null", "Money"]},
    ]}  # fmt: skip
    line = {"type": "record", "name": "Line", "fields": [{"name": "price", "type": "m.Money"}]}
    order = {"type": "record", "name": "o.Order", "fields": [
        {"name": "unit", "type": "m.Unit"},
        {"name": "total", "type": ["null", "m.Money"]},
        {"name": "tax", "type": {"type": "array", "items": "m.Money"}},
        {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 2}},
        {"name": "other", "type": "Id"},
    ]}  # fmt: skip
    with pytest.raises(ContractError, match=r"line 1: the type 'm.Unit' is not known here"):
        read_schema(json.dumps(order), "s.avsc")
    references = [json.dumps(money), json.dumps(line)]
    read = read_schema(json.dumps(order), "s.avsc", references)
    assert isinstance(read.root, Record)
    assert read.root.fields[0].type == Reference(name="m.Unit")
    alone = json.loads(inlined(json.dumps(order), references))
    row = {
        "unit": "EUR",
        "total": {"unit": "EUR", "more": {"unit": "EUR", "more": None}},
        "tax": [{"unit": "EUR", "more": None}],
        "id": b"12",
        "other": b"34",
    }
    assert fastavro.validate(row, fastavro.parse_schema(alone))
    assert set(read_schema(json.dumps(alone), "s.avsc").names) == {"m.Money", "m.Unit", "o.Order", "o.Id"}


@settings(max_examples=100, deadline=None)
@given(schema=schemas())
def test_inlining_keeps_the_meaning(schema: dict[str, Any]) -> None:
    """Whatever stands in a referenced schema, written at its first use it is the same type."""
    name = f"{schema['namespace']}.{schema['name']}" if schema["namespace"] else schema["name"]
    user = {
        "type": "record",
        "name": "User",
        "fields": [{"name": "a", "type": name}, {"name": "b", "type": ["null", name]}],
    }
    alone = inlined(json.dumps(user), [json.dumps(schema)])
    found = read_schema(alone, "inlined")
    expected = read_schema(json.dumps(user), "user", [json.dumps(schema)])
    assert set(found.names) == set(expected.names)
    for full, type_ in expected.names.items():
        assert type(found.names[full]) is type(type_)
    assert found.resolved(expected.names["User"].fields[0].type) is not None
    fastavro.parse_schema(json.loads(alone))


def test_a_namespace_that_is_null_is_none() -> None:
    """As Avro's own parser takes it: the name is in the namespace around it."""
    inner = {"type": "fixed", "name": "F", "namespace": None, "size": 1}
    schema = {"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "a", "type": inner}]}
    assert set(read_schema(json.dumps(schema), "a test").names) == {"n.R", "n.F"}
