"""The fast and the exact decoder read what `fastavro` reads, and refuse the same bytes."""

from __future__ import annotations

import json
from typing import Any, Final
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import Array, AvroSchema, Map, Primitive, Record, Union, name_of
from mesh_defs.decode.avro import blocks as fast_decoder
from mesh_defs.decode.avro.blocks import Blocks
from mesh_defs.decode.avro.nodes import Node, node_of
from mesh_defs.decode.avro.reader import Reader
from mesh_defs.decode.avro.writers import RecordType
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.errors import ContractError
from tests.avro_schemas import schemas
from tests.avro_values import decimal, encoded, parsed, plain, read, said_by, same, values

_TIMES = 6
"""Nine payloads, so many times: enough for the fast decoder to look first."""

_MANY_STEPS: Final = 1_000_000
"""The fast decoder leaves arrays in arrays to the exact one where they are slow; here it has to read them too."""

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
    with patch.object(fast_decoder, "_FEWEST_STEPS", _MANY_STEPS):
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
    ] * _TIMES
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


NULLABLE = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "n", "type": ["null", "long"]},
        {"name": "x", "type": ["double", "null"]},
        {"name": "fix", "type": {"type": "fixed", "name": "F", "size": 3}},
        {"name": "s", "type": ["string", "null"]},
        {"name": "days", "type": {"type": "array", "items": ["null", {"type": "array", "items": "string"}]}},
        {
            "name": "in",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "In",
                    "fields": [{"name": "b", "type": "boolean"}, {"name": "y", "type": ["null", "int"]}],
                },
            ],
        },
        {"name": "tail", "type": "bytes"},
    ],
}


@pytest.mark.fault(20, 21)
@settings(_CALM, max_examples=100)
@given(st.data())
def test_an_index_of_no_branch_is_refused_whoever_reads(data: st.DataObject) -> None:
    """Each byte of a payload is made such an index in turn."""
    schema, record = of(NULLABLE)
    writer = plain(schema, record)
    drawn = data.draw(st.lists(values(schema, record), min_size=9, max_size=9))
    good = [encoded(writer, value) for value in drawn] * _TIMES
    assert Blocks(node_of(schema, record)).read(good) is not None
    chosen = data.draw(st.sampled_from(good))
    place = data.draw(st.integers(0, len(chosen) - 1))
    bad = chosen[:place] + bytes([data.draw(st.sampled_from([1, 4, 0x7F]))]) + chosen[place + 1 :]
    type_ = RecordType(schema, record)
    alone: dict[int, Refusal] = {}
    among: dict[int, Refusal] = {}
    one = type_.read([bad], alone)
    many = type_.read([*good, bad], among)
    assert [(r.rule, r.message, r.path) for r in among.values()] == [
        (r.rule, r.message, r.path) for r in alone.values()
    ]
    if not alone:
        assert [str(column[0]) for column in one] == [str(column[-1]) for column in many]


def test_a_union_of_nothing_may_stand_in_an_empty_array() -> None:
    """Avro allows it; no value is of it, but an array of such values may be empty."""
    inner = {"type": "record", "name": "In", "fields": [{"name": "none", "type": []}]}
    fields = [{"name": "all", "type": {"type": "array", "items": inner}}]
    type_ = RecordType(*of({"type": "record", "name": "R", "fields": fields}))
    refused: dict[int, Refusal] = {}
    (column,) = type_.read([b"\0"] * 60, refused)
    assert (column.to_pylist(), refused) == ([[]] * 60, {})


def test_long_texts_and_long_arrays_are_read_at_once() -> None:
    """Lengths of several bytes stand before unions; an array of more than a thousand elements is read by the other."""
    schema, record = of(NULLABLE)
    writer = plain(schema, record)
    blocks = Blocks(node_of(schema, record))
    value = {"n": -(2**63), "x": 0.5, "fix": b"abc", "s": "y" * 20_000, "in": {"b": True, "y": 2**31 - 1}}
    for count, possible in ((80, True), (1_001, False)):
        days = [("array", ["z" * 100, ""])] * count
        payload = encoded(writer, value | {"days": days, "tail": b"t" * 70})
        found = blocks.read([payload] * 9)
        assert (found is not None) is possible
        assert Reader(schema, record).read(payload)["days"] == [["z" * 100, ""]] * count


def test_numbers_of_every_length_are_read_at_once() -> None:
    """Longs of one to ten bytes, and decimals of one to sixteen, however many of them only repeat the sign."""
    decimal38 = {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 5}
    fields = [{"name": "n", "type": "long"}, {"name": "d", "type": decimal38}, {"name": "i", "type": "int"}]
    schema, record = of({"type": "record", "name": "R", "fields": fields})
    longs = [n for k in range(63) for n in (2**k, 2**k - 1, -(2**k), -(2**k) - 1)] + [2**63 - 1, -(2**63)]
    digits = [n for k in range(38) for n in (10**k, -(10**k), 10 ** (k + 1) - 1)]
    written = [
        n.to_bytes(size, "big", signed=True) for n in digits for size in range(n.bit_length() // 8 + 1, 17)
    ]
    count = max(len(longs), len(written))
    payloads = [
        long_of(longs[i % len(longs)])
        + long_of(len(written[i % len(written)]))
        + written[i % len(written)]
        + long_of(longs[i % len(longs)] >> 32)
        for i in range(count)
    ]
    fast = Blocks(node_of(schema, record)).read(payloads)
    refused: dict[int, Refusal] = {}
    exact = RecordType(schema, record)._read_each(payloads, refused)
    assert not refused
    assert fast is not None
    assert all(one.equals(other) for one, other in zip(fast, exact, strict=True))


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"\xff" * 10 + b"\1", id="a number of eleven bytes"),
        pytest.param(b"\2", id="an odd end"),
        pytest.param(b"\4\2a\2b\2a\2c\0", id="two entries of one key"),
        pytest.param(b"\2\2a\4\xed\xa0\0", id="no text"),
        pytest.param(b"\2\2a\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\0", id="a text as long as the sea"),
    ],
)
def test_what_the_fast_decoder_doubts_the_exact_one_decides(bad: bytes) -> None:
    """Here maps: of equal keys the last wins; all else is refused."""
    fields = [{"name": "m", "type": {"type": "map", "values": "string"}}]
    schema, record = of({"type": "record", "name": "R", "fields": fields})
    good = encoded(plain(schema, record), {"m": {"k": "v", "": "w"}})
    type_ = RecordType(schema, record)
    assert Blocks(type_.node).read([good] * 60) is not None
    assert Blocks(type_.node).read([*[good] * 60, bad]) is None
    alone: dict[int, Refusal] = {}
    among: dict[int, Refusal] = {}
    one = type_.read([bad], alone)[0].to_pylist()
    many = type_.read([*[good] * 60, bad], among)[0].to_pylist()
    assert [r.message for r in among.values()] == [r.message for r in alone.values()]
    assert many == type_.read([good] * 60, {})[0].to_pylist() + one


def test_blocks_of_arrays_may_tell_their_size() -> None:
    """As Go's writers do: a negative count, then a size in bytes, which is for readers that skip."""
    fields = [{"name": "a", "type": {"type": "array", "items": ["null", "int"]}}]
    type_ = RecordType(*of({"type": "record", "name": "R", "fields": fields}))
    payloads = [b"\3\10\2\2\2\5\4\0\2\4\0", b"\0", b"\2\0\1\2\0\0"] * 40
    fast = type_._blocks.read(payloads)
    refused: dict[int, Refusal] = {}
    (exact,) = type_._read_each(payloads, refused)
    assert fast is not None
    assert fast[0].equals(exact)
    assert (exact[:3].to_pylist(), refused) == ([[1, -3, None, 2], [], [None, None]], {})


@pytest.mark.parametrize("levels", [15, 30, 127, 128, 135])
def test_types_inside_of_each_other_are_refused_by_depth_alone(levels: int) -> None:
    """However many payloads are read at once."""
    inner: Any = {"type": "record", "name": f"R{levels}", "fields": [{"name": "n", "type": "int"}]}
    fields = [{"name": f"f{levels}", "type": inner}]
    for level in range(levels - 1, 0, -1):
        # Defined beside each other and meant by name: JSON has a depth of its own.
        inner = {"type": "record", "name": f"R{level}", "fields": [{"name": "r", "type": f"R{level + 1}"}]}
        fields.append({"name": f"f{level}", "type": inner})
    type_ = RecordType(*of({"type": "record", "name": "R", "fields": fields}))
    verdicts = []
    for count in (1, 60):
        refused: dict[int, Refusal] = {}
        type_.read([b"\2" * levels] * count, refused)
        verdicts.append({refusal.rule for refusal in refused.values()})
        assert len(refused) in {0, count}
    assert verdicts == [{"depth"} if levels > 127 else set()] * 2


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**63 - 1, 2**64])
def test_a_fixed_of_any_size_ends_nothing(size: int) -> None:
    """What no payload can hold is a dead letter; what Avro cannot say is no schema."""
    schema = {
        "type": "record",
        "name": "R",
        "fields": [{"name": "f", "type": {"type": "fixed", "name": "F"}}],
    }
    schema["fields"][0]["type"]["size"] = size  # type: ignore[index]
    if size >= 2**31:
        with pytest.raises(ContractError, match="from 0 to 2147483647"):
            of(schema)
        return
    refused: dict[int, Refusal] = {}
    RecordType(*of(schema)).read([b"\2"] * 60, refused)
    assert {refusal.rule for refusal in refused.values()} == {"avro"}
    assert len(refused) == 60


def test_a_few_long_arrays_do_not_hold_up_the_others() -> None:
    """They are left to the exact decoder before a step is taken."""
    fields = [{"name": "a", "type": {"type": "array", "items": {"type": "array", "items": "int"}}}]
    type_ = RecordType(*of({"type": "record", "name": "R", "fields": fields}))
    one = long_of(900) + (long_of(900) + b"\2" * 900 + b"\0") * 900 + b"\0"
    assert type_._blocks.read([b"\0"] * 60) is not None
    assert type_._blocks.read([b"\0"] * 60 + [one]) is None
    assert type_._blocks._steps._left > -2_000
    assert type_.read([b"\0"] * 60 + [one], {})[0][-1].as_py() == [[1] * 900] * 900


def long_of(number: int) -> bytes:
    """Return a number as Avro writes it."""
    left = ((number << 1) ^ (number >> 63)) & (2**64 - 1)
    written = bytearray()
    while left > 0x7F:
        written.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*written, left])


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
