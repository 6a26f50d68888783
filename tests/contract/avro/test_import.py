"""Contracts from Avro schemas: each type's column, what is refused, and that any schema gives a contract that loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from mesh_defs.contract.arrow import arrow_type, table_schema
from mesh_defs.contract.avro.draft import Wanted, draft_contract
from mesh_defs.contract.avro.files import write_import
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avsc import read_avsc
from mesh_defs.contract.choices import Envelope, EventKind
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.load import load_contract, read_contract
from mesh_defs.contract.types import Kind
from mesh_defs.model.errors import ConfigError, ContractError
from tests.avro_schemas import schemas

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "avro"


def wanted(stream: str = "s", kind: EventKind = EventKind.DELTA, **more: Any) -> Wanted:
    """Return what a person says for most of the tests."""
    return Wanted(domain="d", stream=stream, topic="d.s.v1", event_kind=kind, source="s.avsc", **more)


def imported(folder: Path, schema: Any, **more: Any) -> StreamContract:
    """Import a schema into a domain's folder and load the contract."""
    text = json.dumps(schema)
    want = wanted(**more)
    domain = folder / "d"
    domain.mkdir(exist_ok=True)
    path, _ = write_import(domain, want, draft_contract(read_schema(text, "s.avsc"), want), text)
    contract = load_contract(path)
    assert isinstance(contract, StreamContract)
    return contract


def record(*types: Any, **more: Any) -> dict[str, Any]:
    """Return a record with a field of each type: `f0`, `f1` and so on."""
    fields = [{"name": f"f{i}", "type": type_} for i, type_ in enumerate(types)]
    return {"type": "record", "name": "R", "fields": fields, **more}


def fields(name: str, **types: Any) -> dict[str, Any]:
    """Return a record with these fields."""
    return {"type": "record", "name": name, "fields": [{"name": f, "type": t} for f, t in types.items()]}


def fixed(size: int, **more: Any) -> dict[str, Any]:
    """Return a fixed."""
    return {"type": "fixed", "name": "F", "size": size, **more}


def annotated(type_: str, logical: str, **more: Any) -> dict[str, Any]:
    """Return a primitive type with a logical one."""
    return {"type": type_, "logicalType": logical, **more}


def test_a_field_with_a_default_is_not_required(tmp_path: Path) -> None:
    """What was written before the field was added lacks it, and is no worse for it; a key is required all the same."""
    schema = fields("users", id="long", tier="string", inner=fields("Inner", x="int", y="int"))
    schema["fields"][0]["default"] = 0
    schema["fields"][1]["default"] = "nobody"
    schema["fields"][2]["type"]["fields"][0]["default"] = 7
    found = imported(tmp_path, schema, kind=EventKind.STATE)
    assert [(c.name, c.required, c.primary_key) for c in found.columns] == [
        ("id", True, True),
        ("tier", False, False),
        ("inner", True, False),
    ]
    assert [(c.name, c.required) for c in found.columns[2].type.fields] == [("x", False), ("y", True)]


@pytest.mark.parametrize(
    ("type_", "stored"),
    [
        ("boolean", "bool"),
        ("int", "int32"),
        ("long", "int64"),
        ("float", "float"),
        ("double", "double"),
        ("bytes", "binary"),
        ("string", "string"),
        ("null", "json"),
        (fixed(5), "binary"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "string"),
        (annotated("bytes", "decimal", precision=9, scale=2), "decimal128(9, 2)"),
        (annotated("bytes", "decimal", precision=9), "decimal128(9, 0)"),
        (fixed(4, logicalType="decimal", precision=9, scale=2), "decimal128(9, 2)"),
        (annotated("bytes", "decimal", precision=39, scale=2), "json"),
        # Invalid logical types are ignored, as the specification demands.
        (annotated("bytes", "decimal", precision=2, scale=3), "binary"),
        (annotated("bytes", "decimal"), "binary"),
        (fixed(1, logicalType="decimal", precision=3), "binary"),
        (annotated("int", "timestamp-millis"), "int32"),
        (annotated("string", "mine"), "string"),
        (annotated("string", "uuid"), "extension<arrow.uuid>"),
        (fixed(16, logicalType="uuid"), "extension<arrow.uuid>"),
        (fixed(15, logicalType="uuid"), "binary"),
        (annotated("int", "date"), "date32[day]"),
        (annotated("int", "time-millis"), "time64[us]"),
        (annotated("long", "time-micros"), "time64[us]"),
        (annotated("long", "timestamp-millis"), "timestamp[us, tz=UTC]"),
        (annotated("long", "timestamp-micros"), "timestamp[us, tz=UTC]"),
        (annotated("long", "timestamp-nanos"), "int64"),
        (annotated("long", "local-timestamp-millis"), "timestamp[us]"),
        (annotated("long", "local-timestamp-micros"), "timestamp[us]"),
        (annotated("long", "local-timestamp-nanos"), "int64"),
        (fixed(12, logicalType="duration"), "binary"),
        (["null", "int"], "int32"),
        (["int"], "int32"),
        (["int", "string"], "json"),
        (["null", "int", "string"], "json"),
        (["null"], "json"),
        ([], "json"),
        ({"type": "array", "items": "long"}, "list<element: int64>"),
        ({"type": "array", "items": ["null", "long"]}, "list<element: int64>"),
        ({"type": "map", "values": "long"}, "map<string, int64>"),
        ({"type": "map", "values": annotated("bytes", "decimal", precision=4)}, "map<string, decimal128(4, 0)>"),
        ({"type": "map", "values": ["int", "string"]}, "map<string, string>"),
        ({"type": "map", "values": {"type": "array", "items": "int"}}, "map<string, list<element: int32>>"),
        ({"type": "map", "values": {"type": "map", "values": "int"}}, "map<string, map<string, int32>>"),
        ({"type": "map", "values": annotated("long", "local-timestamp-micros")}, "map<string, timestamp[us]>"),
        (record("int", ["null", "string"], name="S"), "struct<f0: int32, f1: string>"),
        ({"type": "map", "values": record("int", name="S")}, "map<string, struct<f0: int32>>"),
        (["null", record("int", name="S")], "struct<f0: int32>"),
        ({"type": "record", "name": "S", "fields": []}, "json"),
        (["null", "R"], "json"),
        ({"type": "array", "items": "R"}, "list<element: string>"),
        (
            {"type": "record", "name": "S", "fields": [{"name": "x", "type": "int"}, {"name": "X", "type": "int"}]},
            "json",
        ),
    ],
)  # fmt: skip
def test_each_type_has_its_column(tmp_path: Path, type_: Any, stored: str) -> None:
    """The table of the documentation, line by line."""
    column = imported(tmp_path, record(type_)).columns[0].type
    assert (stored == "json") == (column.kind is Kind.JSON)
    assert str(arrow_type(column)).replace(" ('element')", "") == ("string" if stored == "json" else stored)


def test_only_what_may_be_null_is_not_required(tmp_path: Path) -> None:
    """Top-level columns, fields of objects, and elements of arrays."""
    inner = record("int", ["null", "int"], name="S")
    arrays = [{"type": "array", "items": item} for item in ("int", ["int", "null"])]
    contract = imported(
        tmp_path, record("int", ["int", "null"], ["int", "string"], "null", [], inner, *arrays)
    )
    assert [column.required for column in contract.columns] == [
        True,
        False,
        True,
        False,
        False,
        True,
        True,
        True,
    ]
    assert [field.required for field in contract.columns[5].type.fields] == [True, False]
    items = [column.type.item for column in contract.columns[6:]]
    assert [item is not None and item.required for item in items] == [True, False]


def test_a_recursive_record_is_json_where_it_meets_itself(tmp_path: Path) -> None:
    """Down to there its fields are columns, so that SQL sees what is there."""
    tree = fields("Tree", v="int", left=["null", "Tree"])
    contract = imported(tmp_path, record(["null", tree], "Tree"))
    for column in contract.columns:
        assert [(field.name, field.type.kind) for field in column.type.fields] == [
            ("v", Kind.INT),
            ("left", Kind.JSON),
        ]


def test_a_deep_type_ends_in_json(tmp_path: Path) -> None:
    """However deep a schema is, the contract can be checked."""
    deep: Any = "int"
    for level in range(30):
        deep = record(deep, name=f"L{level}")
    contract = imported(tmp_path, deep)
    column, depth = contract.columns[0], 1
    while column.type.kind is Kind.OBJECT:
        column, depth = column.type.fields[0], depth + 1
    assert (column.type.kind, depth) == (Kind.JSON, 9)


def test_names_that_no_column_can_have_stay_in_unknown(tmp_path: Path) -> None:
    """Nothing is lost and nothing renamed: the note names each such field."""
    names = ["id", "ID", "_offset", "_Op", "x" * 129]
    schema = {"type": "record", "name": "R", "fields": [{"name": name, "type": "int"} for name in names]}
    draft = draft_contract(read_schema(json.dumps(schema), "s.avsc"), wanted())
    assert draft.notes == (
        "the field 'ID' differs from 'id' only in case: its values are kept in `_unknown`",
        "the field '_offset' has the name of a column of the platform's own: its values are kept in `_unknown`",
        "the field '_Op' has the name of a column of the platform's own: its values are kept in `_unknown`",
        f"the field '{'x' * 129}' has a name of more than 128 characters: its values are kept in `_unknown`",
    )
    assert [column.name for column in imported(tmp_path, schema).columns] == ["id"]


def test_the_words_of_the_schema_are_kept(tmp_path: Path) -> None:
    """`doc` describes, an enum's symbols are the valid values, a fixed has its length."""
    enum = {"type": "enum", "name": "E", "symbols": ["on", "off"]}
    schema = {"type": "record", "name": "R", "doc": 'What "happened":\n it\ud800.', "fields": [
        {"name": "e", "type": ["null", enum], "doc": "On: or off\u0085?"}, {"name": "f", "type": fixed(3)},
    ]}  # fmt: skip
    contract = imported(tmp_path, schema)
    assert contract.description == 'What "happened": it .'
    first, second = contract.columns
    assert first.description == "On: or off ?"
    assert first.quality[0].rule["arguments"] == {"validValues": ["on", "off"]}
    assert (second.type.limits.min_length, second.type.limits.max_length) == (3, 3)
    text = contract.path.read_text(encoding="utf-8")
    assert yaml.safe_load(text)["schema"][0]["properties"][0]["quality"][0]["arguments"]["validValues"] == [
        "on",
        "off",
    ]


def test_a_record_that_may_be_null(tmp_path: Path) -> None:
    """As Kafka Connect writes the values of a topic that has tombstones."""
    contract = imported(tmp_path, ["null", fields("R", id="int", text="string")])
    assert [column.name for column in contract.columns] == ["id", "text"]


@pytest.mark.parametrize(
    ("schema", "more", "why"),
    [
        ("string", {}, "s.avsc is no record but 'string'"),
        ({"type": "array", "items": "int"}, {}, "s.avsc is no record but 'array'"),
        (["null", "string"], {}, "s.avsc is a union of 0 records"),
        ([fields("A", id="int"), fields("B", id="int")], {}, "s.avsc is a union of 2 records"),
        (record(), {}, "the record R has no field that can be a column"),
        (record("int"), {"kind": EventKind.STATE}, "a state needs a key, and the schema does not tell it"),
        (
            fields("R", id="double", r=["null", "int"]),
            {"kind": EventKind.STATE},
            "a state needs a key, and the schema",
        ),
        (record("int"), {"primary_key": ("x",)}, "'x' is no column with a plain value"),
        (record(["int", "string"]), {"primary_key": ("f0",)}, "'f0' is no column with a plain value"),
        (record("int"), {"envelope": Envelope.DEBEZIUM}, "s.avsc is no envelope of Debezium"),
        (record("int"), {"stream": "No"}, "that is no stream's name"),
    ],
)
def test_what_cannot_be_imported_says_why(
    tmp_path: Path, schema: Any, more: dict[str, Any], why: str
) -> None:
    """And leaves nothing behind."""
    with pytest.raises(ConfigError) as caught:
        imported(tmp_path, schema, **more)
    assert str(caught.value).startswith(f"cannot import the contract of d.{more.get('stream', 's')}: {why}")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_contract_that_its_kind_refuses_leaves_nothing(tmp_path: Path) -> None:
    """A notification without a reference is refused by the lints, with their words."""
    with pytest.raises(ContractError, match="a notification needs `reference`"):
        imported(tmp_path, record("int"), kind=EventKind.NOTIFICATION)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    contract = imported(tmp_path, record("int"), kind=EventKind.NOTIFICATION, reference="a.b.c")
    assert contract.reference == "a.b.c"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """Neither the contract, nor a schema that somebody put there."""
    path = imported(tmp_path, record("int")).path
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"s\.odcs\.yaml is there, and nothing is overwritten"):
        imported(tmp_path, record("long"))
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(ConfigError, match=r"s\.avsc is there, and nothing is overwritten"):
        imported(tmp_path, record("long"))


@pytest.mark.parametrize("name", ["id", "user_id", "UserId", "usersid", "key", "user"])
def test_a_state_is_keyed_by_the_field_that_is_named_so(tmp_path: Path, name: str) -> None:
    """The note asks to look; `--primary-key` says it."""
    schema = fields("a.Users", **{"at": "long", name: "long"})
    contract = imported(tmp_path, schema, kind=EventKind.STATE)
    assert contract.primary_key == (name,)
    said = imported(tmp_path, schema, kind=EventKind.STATE, stream="t", primary_key=(name, "at"))
    assert said.primary_key == (name, "at")


def test_a_debezium_envelope_gives_the_columns_of_its_rows(tmp_path: Path) -> None:
    """`after` says what a row is; without the option a note tells of it."""
    row = fields("Value", id="int", v=["null", "string"])
    schema = {"type": "record", "name": "Envelope", "fields": [
        {"name": "before", "type": ["null", row], "default": None},
        {"name": "after", "type": ["null", "Value"], "default": None},
        {"name": "source", "type": record("long", name="Source")},
        {"name": "op", "type": "string"},
    ]}  # fmt: skip
    contract = imported(tmp_path, schema, envelope=Envelope.DEBEZIUM)
    assert [(c.name, c.required) for c in contract.columns] == [("id", True), ("v", False)]
    assert contract.envelope is Envelope.DEBEZIUM
    plain = draft_contract(read_schema(json.dumps(schema), "s.avsc"), wanted())
    assert "--envelope debezium" in plain.notes[0]


@pytest.mark.slow
def test_the_shared_schemas_pass_the_reference_tool(tmp_path: Path) -> None:
    """Each one lints clean here, and in the standard's own tool."""
    files = sorted(FOLDER.glob("*.avsc"))
    assert len(files) >= 13, f"{FOLDER} lacks schemas"
    (tmp_path / "d").mkdir()
    for file in files:
        want = wanted(file.stem)
        text = read_avsc(file)
        path, schema = write_import(tmp_path / "d", want, draft_contract(read_schema(text, file), want), text)
        assert read_contract(path).findings == ()
        assert schema.read_bytes() == file.read_bytes()
        _accepts(path)


def test_typed_maps_pass_the_reference_tool(tmp_path: Path) -> None:
    """Maps of objects need 3.2 of the standard, and the contract says so."""
    inner = {"type": "map", "values": record("int", name="S")}
    contract = imported(
        tmp_path, record({"type": "array", "items": inner}, {"type": "enum", "name": "E", "symbols": ["A"]})
    )
    assert yaml.safe_load(contract.path.read_text())["apiVersion"] == "v3.2.0"
    _accepts(contract.path)


def _accepts(path: Path) -> None:
    tool = Path(sys.executable).with_name("datacontract")
    done = subprocess.run([tool, "lint", str(path)], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stdout


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(schema=schemas())
def test_any_schema_gives_a_contract_that_loads(
    tmp_path_factory: pytest.TempPathFactory, schema: dict[str, Any]
) -> None:
    """Without a finding, and with a table; other tools' YAML reads the same as ours."""
    folder = tmp_path_factory.mktemp("any")
    try:
        contract = imported(folder, schema)
    except ConfigError as error:
        assert "has no field that can be a column" in str(error)  # noqa: PT017 - the only reason
        return
    assert read_contract(contract.path).findings == ()
    assert len(table_schema(contract)) > 0
    read = yaml.safe_load(contract.path.read_text(encoding="utf-8"))
    names = [column["name"] for column in read["schema"][0]["properties"]]
    assert names == [column.name for column in contract.columns]
