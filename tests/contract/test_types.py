"""`logicalType`, `physicalType` and `logicalTypeOptions` become column types, or findings."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.formats import STRING_FORMATS
from mesh_defs.contract.load import read_contract
from mesh_defs.contract.types import Column, ColumnType, Kind, Limits, TimeEncoding
from mesh_defs.decode.columns.formats import FORMATS
from tests.contract.documents import stream_of, write_stream

_STRING = ColumnType(kind=Kind.STRING)
_BIGINT = ColumnType(kind=Kind.BIGINT)


def _load(tmp_path: Path, *columns: dict[str, Any]) -> tuple[StreamContract | None, list[str]]:
    loaded = read_contract(write_stream(tmp_path, stream_of(*columns)))
    assert loaded.contract is None or isinstance(loaded.contract, StreamContract)
    return loaded.contract, [f"{f.where}: {f.message}" for f in loaded.findings]


def _types(tmp_path: Path, column: dict[str, Any]) -> ColumnType:
    contract, findings = _load(tmp_path, {"name": "c", **column})
    assert not findings
    assert contract is not None
    assert table_schema(contract).field("c").nullable
    return contract.columns[0].type


@pytest.mark.parametrize(
    ("logical", "physical", "expected"),
    [
        ("integer", None, _BIGINT),
        ("integer", "integer", _BIGINT),
        ("integer", "BIGINT", _BIGINT),
        ("integer", "int", ColumnType(kind=Kind.INT)),
        ("integer", "smallint", ColumnType(kind=Kind.SMALLINT)),
        ("integer", "decimal(38,0)", ColumnType(kind=Kind.DECIMAL, precision=38)),
        ("number", None, ColumnType(kind=Kind.DOUBLE)),
        ("number", "double", ColumnType(kind=Kind.DOUBLE)),
        ("number", "float", ColumnType(kind=Kind.FLOAT)),
        ("number", "int", ColumnType(kind=Kind.INT)),
        ("number", "decimal(12, 2)", ColumnType(kind=Kind.DECIMAL, precision=12, scale=2)),
        ("number", "NUMERIC(5,5)", ColumnType(kind=Kind.DECIMAL, precision=5, scale=5)),
        ("string", None, _STRING),
        ("string", "text", _STRING),
        ("string", "varchar(18)", ColumnType(kind=Kind.STRING, limits=Limits(max_length=18))),
        ("string", "bytes", ColumnType(kind=Kind.BYTES)),
        ("string", "uuid", ColumnType(kind=Kind.UUID)),
        ("boolean", "bool", ColumnType(kind=Kind.BOOLEAN)),
        ("date", None, ColumnType(kind=Kind.DATE)),
        ("time", None, ColumnType(kind=Kind.TIME)),
        ("timestamp", None, ColumnType(kind=Kind.TIMESTAMP)),
        ("timestamp", "epoch_ms", ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_MS)),
        ("timestamp", "epoch_s", ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_S)),
        ("timestamp", "epoch_us", ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_US)),
        ("timestamp", "epoch_ns", ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_NS)),
        ("date", "epoch_d", ColumnType(kind=Kind.DATE, encoding=TimeEncoding.EPOCH_D)),
        ("time", "time_us", ColumnType(kind=Kind.TIME, encoding=TimeEncoding.TIME_US)),
        (None, "epoch_d", ColumnType(kind=Kind.DATE, encoding=TimeEncoding.EPOCH_D)),
        ("object", None, ColumnType(kind=Kind.JSON)),
        ("object", "json", ColumnType(kind=Kind.JSON)),
        (
            "object",
            "map<string,int>",
            ColumnType(kind=Kind.MAP, key=_STRING, value=ColumnType(kind=Kind.INT)),
        ),
        (
            "object",
            "map< uuid , map<string, decimal(9,2)> >",
            ColumnType(
                kind=Kind.MAP,
                key=ColumnType(kind=Kind.UUID),
                value=ColumnType(
                    kind=Kind.MAP, key=_STRING, value=ColumnType(kind=Kind.DECIMAL, precision=9, scale=2)
                ),
            ),
        ),
        (None, "int", ColumnType(kind=Kind.INT)),
        (None, "decimal(4,1)", ColumnType(kind=Kind.DECIMAL, precision=4, scale=1)),
        (None, "epoch_ms", ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_MS)),
        (None, "map<string,string>", ColumnType(kind=Kind.MAP, key=_STRING, value=_STRING)),
    ],
)
def test_a_physical_type_narrows(
    tmp_path: Path, logical: str | None, physical: str | None, expected: ColumnType
) -> None:
    """Each word of the contract's types, and what is stored for it."""
    said = {"logicalType": logical, "physicalType": physical}
    assert _types(tmp_path, {key: value for key, value in said.items() if value is not None}) == expected


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            {"logicalType": "integer", "physicalType": "money"},
            "'money' is not supported: supported are int, ",
        ),
        ({"logicalType": "integer", "physicalType": "smalint"}, "did you mean 'smallint'?"),
        ({"logicalType": "number", "physicalType": "float(3,2)"}, "'float(3,2)' is not supported"),
        ({"logicalType": "number", "physicalType": "decimal"}, "needs both sizes"),
        ({"logicalType": "number", "physicalType": "decimal(39,2)"}, "1 to 38 digits"),
        ({"logicalType": "number", "physicalType": "decimal(4,5)"}, "1 to 38 digits"),
        ({"logicalType": "number", "physicalType": "decimal(x)"}, "cannot be read"),
        ({"logicalType": "integer", "physicalType": "decimal(4,1)"}, "goes with logicalType number"),
        ({"logicalType": "integer", "physicalType": "epoch_ms"}, "goes with logicalType timestamp"),
        ({"logicalType": "timestamp", "physicalType": "epoch_d"}, "goes with logicalType date"),
        ({"logicalType": "string", "physicalType": "decimal(4,1)"}, "goes with logicalType number"),
        ({"logicalType": "string", "physicalType": "map<string,int>"}, "goes with logicalType object"),
        ({"logicalType": "object", "physicalType": "map<string>"}, "needs both types"),
        ({"logicalType": "object", "physicalType": "map<double,int>"}, "not supported as a map's key"),
        ({"logicalType": "object", "physicalType": "map<string,array>"}, "not supported in a map"),
        ({"logicalType": "object", "physicalType": "map<string,struct>"}, "say `json`"),
        ({"logicalType": "object", "physicalType": "map<" * 20}, "cannot be read"),
        ({"logicalType": "object", "physicalType": "struct"}, "needs `properties`"),
        (
            {
                "logicalType": "object",
                "physicalType": "json",
                "properties": [{"name": "a", "logicalType": "date"}],
            },
            "contradicts `properties`",
        ),
        ({"logicalType": "array"}, "needs `items`"),
        ({"logicalType": "array", "physicalType": "set", "items": {"logicalType": "string"}}, "for an array"),
        (
            {"logicalType": "map", "physicalType": "variant", "map": {"key": {}, "value": {}}},
            "contradicts `map`",
        ),
        (
            {
                "logicalType": "object",
                "properties": [{"name": "opened", "logicalType": "date"}],
                "logicalTypeOptions": {"required": ["openned"]},
            },
            "required names 'openned', which is no property; did you mean 'opened'?",
        ),
        ({"logicalType": "vector", "logicalTypeOptions": {"dimensions": 3}}, "vector is not supported"),
        ({"logicalType": "map", "map": {"key": [], "value": {}}}, "a map needs `map`"),
        (
            {"logicalType": "map", "map": {"key": {"logicalType": "date"}, "value": {"logicalType": "date"}}},
            "map's key",
        ),
        ({"physicalType": "money"}, "logicalType must be said here"),
        ({}, "logicalType must be said here: nothing tells it"),
        ({"logicalType": "strng"}, "did you mean 'string'?"),
        ({"logicalType": "string", "items": {"logicalType": "string"}}, "no place here"),
        ({"logicalType": "array", "properties": [], "items": {"logicalType": "string"}}, "no place here"),
    ],
)
def test_a_type_that_cannot_be_stored_is_a_finding(
    tmp_path: Path, column: dict[str, Any], message: str
) -> None:
    """The finding says what is not supported, and what is."""
    contract, findings = _load(tmp_path, {"name": "c", **column})
    assert contract is None
    assert any(message in finding for finding in findings), findings


def test_objects_arrays_and_maps_nest(tmp_path: Path) -> None:
    """Types nest as deep as the contract nests them, nullability of elements included."""
    inner = {"name": "n", "logicalType": "integer", "physicalType": "smallint", "required": True}
    items = {"logicalType": "object", "required": True, "properties": [inner]}
    type_ = _types(tmp_path, {"logicalType": "array", "physicalType": "list", "items": items})
    assert type_.item is not None
    assert type_.item.required
    assert type_.item.name == "element"
    assert [(f.name, f.type.kind, f.required) for f in type_.item.type.fields] == [("n", Kind.SMALLINT, True)]


def test_the_map_of_odcs_3_2(tmp_path: Path) -> None:
    """The standard's newer word for a map gives the same type."""
    entry = {"key": {"logicalType": "string"}, "value": {"logicalType": "integer"}}
    assert _types(tmp_path, {"logicalType": "map", "map": entry}) == ColumnType(
        kind=Kind.MAP, key=_STRING, value=_BIGINT
    )


def test_deep_nesting_stays_cheap(tmp_path: Path) -> None:
    """The standard's schema alone would cost three times more with each level."""
    column: dict[str, Any] = {"name": "leaf", "logicalType": "string"}
    for _ in range(7):
        items = {
            "logicalType": "array",
            "items": {key: value for key, value in column.items() if key != "name"},
        }
        value = {"logicalType": "map", "map": {"key": {"logicalType": "string"}, "value": items}}
        column = {"name": "c", "logicalType": "object", "properties": [{"name": "m"} | value]}
    contract, findings = _load(tmp_path, column)
    assert contract is not None, findings


@pytest.mark.parametrize(
    ("column", "options", "expected"),
    [
        ("string", {"minLength": 1, "maxLength": 9}, Limits(min_length=1, max_length=9)),
        ("string", {"pattern": "^A[0-9]+$"}, Limits(pattern="^A[0-9]+$")),
        ("string", {"format": "uuid"}, Limits(format="uuid")),
        ("integer", {"minimum": 0, "exclusiveMaximum": 10.0}, Limits(minimum=0, exclusive_maximum=10)),
        ("integer", {"format": "i64"}, Limits()),
        ("integer", {"format": "i32"}, Limits(minimum=-(2**31), maximum=2**31 - 1)),
        ("integer", {"format": "u8", "minimum": 5}, Limits(minimum=5, maximum=255)),
        ("integer", {"format": "u8", "minimum": -5, "maximum": 900}, Limits(minimum=0, maximum=255)),
        ("number", {"multipleOf": 0.5, "maximum": 3}, Limits(multiple_of=0.5, maximum=3)),
        ("date", {"minimum": "2020-01-01"}, Limits(minimum=dt.date(2020, 1, 1))),
        ("date", {"format": "yyyy-MM-dd"}, Limits()),
        ("time", {"maximum": "23:59:59"}, Limits(maximum=dt.time(23, 59, 59))),
        (
            "timestamp",
            {"exclusiveMinimum": "2020-01-01T00:00:00+10:00"},
            Limits(exclusive_minimum=dt.datetime(2019, 12, 31, 14, tzinfo=dt.UTC)),
        ),
        ("object", {"required": ["a"], "maxProperties": 5}, Limits(required_keys=("a",), max_properties=5)),
    ],
)
def test_options_become_limits(
    tmp_path: Path, column: str, options: dict[str, Any], expected: Limits
) -> None:
    """What the options say is what is enforced."""
    assert _types(tmp_path, {"logicalType": column, "logicalTypeOptions": options}).limits == expected


def test_the_decoder_checks_every_format_that_a_contract_may_demand() -> None:
    """A format that nobody checks would be ignored in silence."""
    assert set(FORMATS) == STRING_FORMATS


def test_options_of_arrays(tmp_path: Path) -> None:
    """Counts of elements, and that they differ."""
    options = {"minItems": 1, "maxItems": 3, "uniqueItems": True}
    column = {"logicalType": "array", "items": {"logicalType": "string"}, "logicalTypeOptions": options}
    assert _types(tmp_path, column).limits == Limits(min_items=1, max_items=3, unique_items=True)


def test_a_wall_clock(tmp_path: Path) -> None:
    """`timezone: false` stores a timestamp without an offset, and its bounds have none."""
    options = {"timezone": False, "minimum": "2020-01-01T00:00:00"}
    type_ = _types(tmp_path, {"logicalType": "timestamp", "logicalTypeOptions": options})
    assert type_ == ColumnType(
        kind=Kind.TIMESTAMP,
        timezone=False,
        limits=Limits(minimum=dt.datetime(2020, 1, 1)),  # noqa: DTZ001
    )


def test_bounds_of_decimals_are_exact(tmp_path: Path) -> None:
    """A bound is read from its digits, not through a float."""
    text = "12345678901234567890.12"
    document = (tmp_path / "d" / "streams" / "s.odcs.yaml").as_posix()
    path = write_stream(
        tmp_path,
        stream_of({"name": "c", "logicalType": "number", "physicalType": "decimal(38,2)"}),
    )
    assert path.as_posix() == document
    column = '"decimal(38,2)"'
    path.write_text(
        path.read_text().replace(column, f'{column}, "logicalTypeOptions": {{"minimum": {text}}}')
    )
    contract = read_contract(path).contract
    assert contract is not None
    assert contract.columns[0].type.limits == Limits(minimum=Decimal(text))


def test_a_narrow_varchar_and_a_wide_option(tmp_path: Path) -> None:
    """The narrower of the two lengths holds."""
    column = {"logicalType": "string", "physicalType": "varchar(5)", "logicalTypeOptions": {"maxLength": 9}}
    assert _types(tmp_path, column).limits == Limits(max_length=5)


@pytest.mark.parametrize(
    ("column", "options", "message"),
    [
        ({"logicalType": "string"}, {"pattern": "["}, "no regular expression"),
        ({"logicalType": "string"}, {"pattern": "[[a]"}, "no regular expression"),
        ({"logicalType": "string"}, {"pattern": "\\p{L}"}, "no regular expression"),
        ({"logicalType": "string"}, {"format": "uid"}, "did you mean 'uuid'?"),
        ({"logicalType": "string"}, {"format": "byte"}, "physicalType bytes"),
        ({"logicalType": "string"}, {"maxLenght": 3}, "did you mean 'maxLength'?"),
        ({"logicalType": "string"}, {"minLength": 4, "maxLength": 3}, "no value can keep to this"),
        ({"logicalType": "string", "physicalType": "uuid"}, {"maxLength": 3}, "maxLength is not supported"),
        ({"logicalType": "string", "physicalType": "bytes"}, {"pattern": "a"}, "pattern is not supported"),
        ({"logicalType": "boolean"}, {"format": "yes"}, "format is not supported"),
        ({"logicalType": "integer"}, {"minimum": 1.5}, "must be a whole number"),
        ({"logicalType": "integer"}, {"minimum": 5, "maximum": 4}, "no value can keep to this"),
        ({"logicalType": "integer"}, {"format": "u64"}, "more than 64 bits"),
        (
            {"logicalType": "integer", "physicalType": "smallint"},
            {"format": "i32"},
            "wider than the physicalType",
        ),
        ({"logicalType": "number", "physicalType": "double"}, {"format": "f32"}, "contradicts"),
        ({"logicalType": "date"}, {"minimum": "01.01.2020"}, "no date"),
        ({"logicalType": "date"}, {"format": "dd.MM.yyyy"}, "'dd.MM.yyyy' is not supported"),
        ({"logicalType": "time"}, {"format": "HH:mm:ss"}, "'HH:mm:ss' is not supported"),
        ({"logicalType": "time"}, {"timezone": True}, "zone is not supported"),
        ({"logicalType": "timestamp"}, {"minimum": "2020-01-01 00:00:00"}, "with an offset"),
        (
            {"logicalType": "timestamp"},
            {"defaultTimezone": "Europe/Berlin"},
            "defaultTimezone is not supported",
        ),
        ({"logicalType": "timestamp", "physicalType": "epoch_s"}, {"timezone": False}, "contradicts it"),
        ({"logicalType": "timestamp", "physicalType": "timestamptz"}, {"timezone": False}, "contradicts it"),
    ],
)
def test_an_option_that_cannot_be_enforced_is_a_finding(
    tmp_path: Path, column: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    """Nothing is ignored in silence."""
    contract, findings = _load(tmp_path, {"name": "c", **column, "logicalTypeOptions": options})
    assert contract is None
    assert any(message in finding for finding in findings), findings


def test_the_enum_of_odcs_3_2_is_measured(tmp_path: Path) -> None:
    """The standard's newer word for valid values gives the rule that its older word gives."""
    column = {"name": "c", "logicalType": "string", "enum": [{"value": "a"}, {"value": "b"}]}
    contract, findings = _load(tmp_path, column)
    assert contract is not None, findings
    rule = {"metric": "invalidValues", "arguments": {"validValues": ["a", "b"]}, "mustBe": 0}
    assert [entry.rule for entry in contract.columns[0].quality] == [rule]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([{"name": "1a"}], "'1a' is no column name"),
        ([{"name": "a-b"}], "'a-b' is no column name"),
        ([{"name": "a" * 129}], "is no column name"),
        ([{"name": "_offset"}], "the platform's own"),
        ([{"name": "_Raw"}], "the platform's own"),
        ([{"name": "Id"}, {"name": "iD"}], "stands twice"),
        ([{"name": "a", "physicalName": "b"}], "physicalName 'b' is not supported"),
        (
            [{"name": "a", "primaryKey": True, "primaryKeyPosition": 1}, {"name": "b", "primaryKey": True}],
            "Position",
        ),
        (
            [{"name": "a", "customProperties": [{"property": "pii", "value": True}]}],
            "unknown custom property",
        ),
    ],
)
def test_names_and_keys_of_columns(tmp_path: Path, columns: list[dict[str, Any]], message: str) -> None:
    """Names are unique without regard to case, and none of the platform's own."""
    contract, findings = _load(tmp_path, *({"logicalType": "string"} | column for column in columns))
    assert contract is None
    assert any(message in finding for finding in findings), findings


def test_fields_of_objects_may_be_called_as_the_platform_calls_its_columns(tmp_path: Path) -> None:
    """Only the columns of the table can collide."""
    field = {"name": "_offset", "logicalType": "integer"}
    type_ = _types(tmp_path, {"logicalType": "object", "properties": [field]})
    assert [f.name for f in type_.fields] == ["_offset"]


def test_a_key_is_a_plain_column(tmp_path: Path) -> None:
    """Nested fields, and columns of nested types, are no keys."""
    field = {"name": "a", "logicalType": "string", "primaryKey": True}
    contract, findings = _load(tmp_path, {"name": "c", "logicalType": "object", "properties": [field]})
    assert contract is None
    assert any("primaryKey is not supported here" in finding for finding in findings)


def test_the_primary_key_follows_its_positions(tmp_path: Path) -> None:
    """`primaryKeyPosition` orders the key, not the order of columns."""
    contract, findings = _load(
        tmp_path,
        {"name": "a", "logicalType": "string", "primaryKey": True, "primaryKeyPosition": 2},
        {"name": "b", "logicalType": "string", "primaryKey": True, "primaryKeyPosition": 1},
        {"name": "c", "logicalType": "string", "primaryKey": False, "primaryKeyPosition": -1},
    )
    assert contract is not None, findings
    assert contract.primary_key == ("b", "a")
    assert contract.columns[2] == Column(name="c", type=_STRING, source=contract.columns[2].source)
