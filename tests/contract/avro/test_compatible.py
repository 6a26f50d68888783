"""Schema resolution: who can read whom, by the specification, and never wrongly by what `fastavro` can really read."""

from __future__ import annotations

import copy
import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mesh_defs.contract.avro.compatible import why_unreadable
from mesh_defs.contract.avro.schema import read_schema
from tests.avro_schemas import schemas


def why(reader: Any, writer: Any) -> tuple[str, ...]:
    """Return why a reader cannot read a writer."""
    texts = [json.dumps(schema) for schema in (reader, writer)]
    return why_unreadable(reader=read_schema(texts[0], "reader"), writer=read_schema(texts[1], "writer"))


def record(name: str = "R", **types: Any) -> dict[str, Any]:
    """Return a record; a tuple is a type with a default."""
    fields: list[dict[str, Any]] = [
        {"name": f, "type": t[0], "default": t[1]} if isinstance(t, tuple) else {"name": f, "type": t}
        for f, t in types.items()
    ]
    return {"type": "record", "name": name, "fields": fields}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    """Return an enum."""
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def fixed(size: int, **more: Any) -> dict[str, Any]:
    """Return a fixed."""
    return {"type": "fixed", "name": "F", "size": size, **more}


def decimal(precision: int, scale: int) -> dict[str, Any]:
    """Return a decimal in bytes."""
    return {"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale}


NODE = record("Node", v="int", next=["null", "Node"])


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        ("long", "int"),
        ("double", "long"),
        ("double", "float"),
        ("string", "bytes"),
        ("bytes", "string"),
        (["null", "long"], "int"),
        (["null", "long"], ["null", "int"]),
        ("int", ["int"]),
        ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
        ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}),
        (record(a="int"), record(a="int", b="int")),
        (record(a="int", b=("int", 0)), record(a="int")),
        (record(a="int", b=(["null", "int"], None)), record(a="int")),
        ({**record(b="int"), "aliases": ["S"]}, record("S", b="int")),
        ({**record(), "fields": [{"name": "b", "type": "int", "aliases": ["a"]}]}, record(a="int")),
        (record("x.R", a="int"), record("y.R", a="int")),
        (enum("A", "B"), enum("A")),
        (enum("A", default="A"), enum("A", "B")),
        (fixed(3), fixed(3)),
        (decimal(4, 2), decimal(4, 2)),
        ({"type": "long", "logicalType": "timestamp-millis"}, "long"),
        (NODE, NODE),
        ([], []),
    ],
)
def test_what_can_be_read(reader: Any, writer: Any) -> None:
    """The specification's rules, one by one."""
    assert why(reader, writer) == ()


@pytest.mark.parametrize(
    ("reader", "writer", "reason"),
    [
        ("int", "long", "$: the writer's long is no int"),
        ("int", "string", "$: the writer's string is no int"),
        ("int", ["null", "int"], "$: the writer's null is no int"),
        (["null", "int"], "string", "$: none of the reader's [null, int] takes the writer's string"),
        (record(a="int"), record(a="string"), "$.a: the writer's string is no int"),
        (record(a="int", b="int"), record(a="int"), "$.b: the writer does not know this field, and it has no default"),
        (record("R", a="int"), record("S", a="int"), "$: the writer's S has another name than the reader's R"),
        (record("F", a="int"), fixed(1), "$: the writer's F is no F"),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, "$[]: the writer's long is no int"),
        ({"type": "map", "values": "int"}, {"type": "map", "values": "long"}, "${}: the writer's long is no int"),
        ({"type": "map", "values": "int"}, {"type": "array", "items": "int"}, "$: the writer's array is no map"),
        (enum("A"), enum("A", "B", "C"), "$: the reader's enum lacks B, C, and has no default"),
        (fixed(3), fixed(4), "$: the writer's 4 bytes are not the reader's 3"),
        (decimal(6, 2), decimal(4, 2), "$: the writer's decimal(4,2) is not the reader's (6,2)"),
        (fixed(9, logicalType="decimal", precision=4), fixed(9, logicalType="decimal", precision=5),
         "$: the writer's decimal(5,0) is not the reader's (4,0)"),
        (record("Node", v="string", next=["null", "Node"]), NODE, "$.v: the writer's int is no string"),
    ],
)  # fmt: skip
def test_what_cannot_be_read(reader: Any, writer: Any, reason: str) -> None:
    """Each place has its reason."""
    assert why(reader, writer) == (reason,)


def test_all_places_are_told_at_once() -> None:
    """Nobody has to mend one place to hear of the next."""
    reasons = why(record(a="int", b="int", c="int"), record(a="string", b=["int", "string"]))
    assert [reason.partition(":")[0] for reason in reasons] == ["$.a", "$.b", "$.c"]


@settings(max_examples=100, deadline=None)
@given(schema=schemas())
def test_every_schema_reads_itself(schema: dict[str, Any]) -> None:
    """Compatibility is reflexive."""
    assert why(schema, schema) == ()


@settings(max_examples=150, deadline=None)
@given(data=st.data(), writer=schemas(depth=2))
def test_what_is_called_readable_is_read(data: st.DataObject, writer: dict[str, Any]) -> None:
    """`fastavro` resolves random records of the writer to a reader that differs in a few places."""
    reader = _changed(data, writer)
    assume(why(reader, writer) == ())
    parsed = fastavro.parse_schema(copy.deepcopy(writer))
    wanted = fastavro.parse_schema(copy.deepcopy(reader))
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, _value(writer))
    out.seek(0)
    assert isinstance(fastavro.schemaless_reader(out, parsed, wanted), dict)


def _changed(data: st.DataObject, writer: dict[str, Any]) -> dict[str, Any]:
    """Return a reader: fields of the outermost record removed, added, or of another primitive type."""
    reader = copy.deepcopy(writer)
    fields = []
    for field in reader["fields"]:
        # A type that is defined in a field may be used by a later one.
        free = '"name"' not in json.dumps(field["type"])
        match data.draw(st.sampled_from(["keep", "remove", "other"])) if free else "keep":
            case "keep":
                fields.append(field)
            case "other":
                kind = data.draw(st.sampled_from(["long", "double", "string", "bytes", ["null", "string"]]))
                fields.append({"name": field["name"], "type": kind})
    if data.draw(st.booleans()):
        fields.append({"name": "added_field", "type": "int", "default": 3})
    return {**reader, "fields": fields}


def _value(type_: Any) -> Any:
    """Return a value of a type; references, and what `fastavro` converts, are left to other tests."""
    if isinstance(type_, list):
        assume(type_)
        plain = [branch for branch in type_ if isinstance(branch, str) and branch in _SIMPLE]
        # By its name: `fastavro` takes a text for a date where it looks through the branches for one that fits.
        return (plain[0], _value(plain[0])) if plain else _value(type_[0])
    kind = type_ if isinstance(type_, str) else type_["type"]
    assume(kind in {*_SIMPLE, "record", "enum", "fixed", "array", "map"})
    assume(isinstance(type_, str) or "logicalType" not in type_)
    match kind:
        case "record":
            return {field["name"]: _value(field["type"]) for field in type_["fields"]}
        case "enum":
            return type_["symbols"][0]
        case "fixed":
            return bytes(type_["size"])
    return _SIMPLE.get(kind, [] if kind == "array" else {})


_SIMPLE: dict[str, Any] = {
    "null": None,
    "boolean": True,
    "int": 1,
    "long": 2,
    "float": 0.5,
    "double": 0.25,
    "bytes": b"b",
    "string": "s",
}


def test_a_branch_that_does_not_fit_hides_nothing_elsewhere() -> None:
    """A pair that was compared in vain within a union is compared anew at the next place."""
    old = record("R", x="int")
    branch = {**record("S", x="int"), "aliases": ["R"]}
    writer = record("W", u=old, v="R")
    reader = record("W", u=[record("R", x="string"), branch], v="R")
    assert why(reader, writer) == ("$.v.x: the writer's int is no string",)
