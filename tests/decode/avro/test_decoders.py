"""The fast and the exact decoder read what `fastavro` reads, and refuse the same bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import Array, AvroSchema, Map, Primitive, Record, Union, name_of
from mesh_defs.decode.avro.blocks import Blocks
from mesh_defs.decode.avro.nodes import Node, node_of
from mesh_defs.decode.avro.reader import Reader
from mesh_defs.decode.avro.writers import RecordType
from mesh_defs.decode.refusal import Refusal
from tests.avro_schemas import schemas
from tests.avro_values import decimal, encoded, parsed, plain, read, said_by, same, values

_CALM = settings(deadline=None, suppress_health_check=list(HealthCheck))


def of(schema: dict[str, Any]) -> tuple[AvroSchema, Record]:
    """Return a schema and its record."""
    found = read_schema(json.dumps(schema), "a test")
    record = found.resolved(found.root)
    assert isinstance(record, Record)
    return found, record


def agrees(schema: AvroSchema, node: Node, mine: Any, theirs: Any) -> bool:  # noqa: PLR0911
    """Return whether a value of a node is what `fastavro` read without logical types."""
    if mine is None or theirs is None:
        return mine is None and theirs is None
    if node.cut:
        return said_by(schema, node.type, parsed(mine), theirs)
    match node.type:
        case Record():
            return all(
                agrees(schema, p, mine[n], theirs[n]) for n, p in zip(node.names, node.parts, strict=True)
            )
        case Array():
            pairs = zip(mine, theirs, strict=True)
            return len(mine) == len(theirs) and all(agrees(schema, node.parts[0], m, t) for m, t in pairs)
        case Map():
            entries = {entry["key"]: entry["value"] for entry in mine}
            return list(entries) == list(theirs) and all(
                agrees(schema, node.parts[0], entries[key], theirs[key]) for key in theirs
            )
        case Union():
            ((name, member),) = ((n, m) for n, m in mine.items() if m is not None)
            return agrees(schema, node.parts[node.names.index(name)], member, theirs)
        case Primitive() as scalar if scalar.logical is not None and scalar.logical.name == "decimal":
            return decimal(scalar, theirs) == parsed_decimal(mine)
        case scalar:
            if node.logical is not None and node.logical.name == "decimal":
                return decimal(scalar, theirs) == parsed_decimal(mine)
            return same(mine, theirs)


def parsed_decimal(value: Any) -> Any:
    """Return a decimal, which has more than 38 digits where it is text."""
    return parsed(value) if isinstance(value, str) else value


@settings(_CALM, max_examples=100)
@given(st.data())
def test_every_value_is_the_one_that_fastavro_reads(data: st.DataObject) -> None:
    """Of any schema and any values, whichever decoder read them."""
    schema, record = of(data.draw(schemas()))
    writer = plain(schema, record)
    drawn = data.draw(st.lists(values(schema, record), min_size=1, max_size=6))
    payloads = [encoded(writer, value) for value in drawn]
    theirs = [read(writer, payload) for payload in payloads]
    node = node_of(schema, record)
    exact = Reader(schema, record)
    mine = [exact.read(payload) for payload in payloads]
    assert all(agrees(schema, node, m, t) for m, t in zip(mine, theirs, strict=True))
    blocks = Blocks(node)
    fast = blocks.read(payloads)
    assert (fast is not None) is blocks.possible
    refused: dict[int, Refusal] = {}
    slow = RecordType(schema, record)._read_each(payloads, refused)
    assert not refused
    for column, part in zip(slow if fast is None else fast, node.parts, strict=True):
        column.validate(full=True)
        assert column.type == part.arrow
    rows = zip(*(slow if fast is None else fast), strict=True)
    for row, value in zip(rows, theirs, strict=True):
        found = {name: cell.as_py() for name, cell in zip(node.names, row, strict=True)}
        assert agrees(schema, node, found, value)
    if fast is not None:
        assert all(one.equals(other) or _has_nan(one) for one, other in zip(fast, slow, strict=True))


def _has_nan(array: Any) -> bool:
    return "nan" in str(array.to_pylist())


@pytest.mark.fault(20, 21)
@settings(_CALM, max_examples=100)
@given(st.data())
def test_a_damaged_payload_meets_one_verdict(data: st.DataObject) -> None:
    """Alone or among good ones, whichever decoder looks first; what is taken is what `fastavro` reads."""
    schema, record = of(data.draw(schemas(depth=1)))
    writer = plain(schema, record)
    good = [
        encoded(writer, value)
        for value in data.draw(st.lists(values(schema, record), min_size=9, max_size=9))
    ]
    bad = data.draw(st.sampled_from(good).flatmap(damaged))
    place = data.draw(st.integers(0, len(good)))
    together = [*good[:place], bad, *good[place:]]
    type_ = RecordType(schema, record)
    alone: dict[int, Refusal] = {}
    among: dict[int, Refusal] = {}
    one = type_.read([bad], alone)
    many = type_.read(together, among)
    assert [(i, r.rule, r.message, r.path) for i, r in among.items()] == [
        (place, r.rule, r.message, r.path) for r in alone.values()
    ]
    if alone:
        return
    assert [str(column[0]) for column in one] == [str(column[place]) for column in many]
    value = {name: column[0].as_py() for name, column in zip(type_.node.names, one, strict=True)}
    assert agrees(schema, type_.node, value, read(writer, bad))


def damaged(payload: bytes) -> st.SearchStrategy[bytes]:
    """The payload with some bytes changed, cut off, or too many."""
    size = len(payload)
    changed = st.tuples(st.integers(0, max(size - 1, 0)), st.binary(min_size=1, max_size=2)).map(
        lambda found: payload[: found[0]] + found[1] + payload[found[0] + len(found[1]) :]
    )
    cut = st.integers(0, size).map(lambda end: payload[:end])
    return changed | cut | st.binary(max_size=3).map(lambda more: payload + more)


def test_names_of_branches_are_avros() -> None:
    """A branch of a named type has its full name, as in Avro's own JSON encoding."""
    named = {"type": "enum", "name": "E", "namespace": "a.b", "symbols": ["X"]}
    schema, record = of({"type": "record", "name": "R", "fields": [{"name": "u", "type": [named, "int"]}]})
    assert node_of(schema, record).parts[0].names == tuple(map(name_of, record.fields[0].type.branches))  # type: ignore[union-attr]
    assert node_of(schema, record).parts[0].names == ("a.b.E", "int")


def test_a_bad_payload_among_thousands_is_the_only_one_refused() -> None:
    """The others are rows in their order, whichever decoder read them."""
    schema, record = of({"type": "record", "name": "R", "fields": [{"name": "n", "type": "long"}]})
    payloads = [encoded(plain(schema, record), {"n": number}) for number in range(3_000)]
    payloads[1_500:1_500] = [b"", b"\x02\x02"]
    refused: dict[int, Refusal] = {}
    (column,) = RecordType(schema, record).read(payloads, refused)
    assert sorted(refused) == [1_500, 1_501]
    assert column.to_pylist() == list(range(3_000))
