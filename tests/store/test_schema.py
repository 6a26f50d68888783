"""Tables follow their contracts: every type exactly, new columns in place, everything else refused."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mesh_defs.contract.arrow import INSTANT, PLATFORM_COLUMNS, RAW_COLUMN
from mesh_defs.model.errors import SchemaConflictError, StoreError
from mesh_defs.store import DomainStore
from mesh_defs.store.schema import sql_type
from tests.store import kit

U = uuid.UUID("00112233-4455-6677-8899-aabbccddeeff")
V = uuid.UUID(int=2**128 - 1)
NOW = dt.datetime(2013, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001
INSTANT_NOW = NOW.replace(tzinfo=dt.UTC)


def element(type_: pa.DataType) -> pa.DataType:
    """Return a list type as contracts have it."""
    return pa.list_(pa.field("element", type_))


INNER = pa.struct([("q", pa.time64("us")), ("w", pa.decimal128(9, 3))])
OBJECT = pa.struct([("a", pa.string()), ("u", pa.uuid()), ("n", pa.struct([("x", pa.int64())]))])

EXACT: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bigint": (pa.int64(), [2**63 - 1, -(2**63)]),
    "int": (pa.int32(), [2**31 - 1, -(2**31)]),
    "smallint": (pa.int16(), [32767, -32768]),
    "double": (pa.float64(), [0.1, float("inf")]),
    "float": (pa.float32(), [0.5, -0.0]),
    "text": (pa.string(), ["é\x00z'", ""]),
    "bytes": (pa.binary(), [b"\x00\xff", b""]),
    "uuid": (pa.uuid(), [U, V]),
    "flag": (pa.bool_(), [True, False]),
    "day": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "clock": (pa.time64("us"), [dt.time(23, 59, 59, 999999), dt.time(0)]),
    "wall": (pa.timestamp("us"), [NOW, dt.datetime(9999, 12, 31, 23, 59, 59, 999999)]),  # noqa: DTZ001
    "instant": (INSTANT, [INSTANT_NOW, dt.datetime(1, 1, 2, tzinfo=dt.UTC)]),
    "money": (pa.decimal128(12, 2), [Decimal("-9999999999.99"), Decimal("0.01")]),
    "wide": (pa.decimal128(38, 10), [Decimal("1234567890123456789012345678.0123456789"), Decimal("0E-10")]),
    "narrow": (pa.decimal128(4, 1), [Decimal("999.9"), Decimal("0.0")]),
    "object": (OBJECT, [{"a": "x", "u": V, "n": {"x": 1}}, {"a": None, "u": None, "n": None}]),
    "texts": (element(pa.string()), [["a", None, ""], []]),
    "uuids": (element(pa.uuid()), [[U, None], []]),
    "objects": (element(INNER), [[{"q": dt.time(1, 2, 3), "w": Decimal("1.500")}, None], []]),
    "map": (pa.map_(pa.string(), pa.int64()), [{"k": 1, "z": None}, {}]),
    "uuid_map": (pa.map_(pa.uuid(), element(pa.int32())), [{U: [1, None]}, {}]),
}


def array(type_: pa.DataType, values: list[Any]) -> pa.Array[Any]:
    """Build an array of any of the types; Arrow itself cannot build nested UUIDs from Python objects."""
    if isinstance(type_, pa.UuidType):
        storage = pa.array([None if v is None else v.bytes for v in values], pa.binary(16))
        return pa.ExtensionArray.from_storage(type_, storage)
    if isinstance(type_, pa.StructType):
        fields = [array(f.type, [None if v is None else v[f.name] for v in values]) for f in type_]
        mask = pa.array([v is None for v in values], pa.bool_())
        return pa.StructArray.from_arrays(fields, fields=list(type_), mask=mask)
    if isinstance(type_, pa.MapType):
        pairs = [pair for v in values for pair in (v or {}).items()]
        keys, items = (
            array(type_.key_type, [k for k, _ in pairs]),
            array(type_.item_type, [i for _, i in pairs]),
        )
        return pa.MapArray.from_arrays(bounds(values), keys, items, type=type_)
    if isinstance(type_, pa.ListType):
        flat = array(type_.value_type, [item for v in values for item in v or []])
        return pa.ListArray.from_arrays(bounds(values), flat, type=type_)
    return pa.array(values, type_)


def bounds(values: list[Any]) -> pa.Array[Any]:
    """Return the offsets of a list or map array; null where the value is null."""
    ends = [0]
    for value in values:
        ends.append(ends[-1] + len(value or ()))
    return pa.array([None if v is None else e for v, e in zip([*values, ()], ends, strict=True)], pa.int32())


def schema_of(*names: str) -> pa.Schema:
    """Return a stream's schema with these of the typed columns."""
    return pa.schema([*[pa.field(n, EXACT[n][0]) for n in names], *PLATFORM_COLUMNS])


def rows_of(schema: pa.Schema) -> pa.Table:
    """Return three rows: two of values, one of nulls."""
    columns = [
        array(f.type, [*EXACT[f.name][1], None])
        if f.name in EXACT
        else pa.array([0, 1, 2], f.type)
        if f.name == "_offset"
        else pa.nulls(3, f.type)
        for f in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def store_rows(store: DomainStore, name: str, schema: pa.Schema) -> None:
    """Append the three rows to a table, as a commit registers them."""
    file = kit.stage(store, name, rows_of(schema))
    assert file is not None
    store.connection.execute(
        "CALL ducklake_add_data_files(?, ?, [?], allow_missing => true)", [kit.DOMAIN, name, str(file.path)]
    )


def read(store: DomainStore, name: str, column: str, where: str = "true") -> list[Any]:
    """Return a column's values in offset order."""
    query = f'SELECT "{column}" FROM {kit.DOMAIN}."{name}" WHERE {where} ORDER BY _offset'  # noqa: S608
    return [plain(row[0]) for row in store.connection.execute(query).fetchall()]


def plain(value: Any) -> Any:
    """Return an instant in Python's own UTC, and anything else as it is."""
    return value.astimezone(dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo else value


def test_every_type_reads_back_exactly(store: DomainStore) -> None:
    """Each value of each type comes back as it was written, before and after columns are added and files merged."""
    late = {"uuid", "clock", "uuids", "object", "uuid_map"}
    early_schema = schema_of(*[name for name in EXACT if name not in late])
    store.ensure_table("typed", early_schema)
    store_rows(store, "typed", early_schema)
    for name in early_schema.names[: -len(PLATFORM_COLUMNS)]:
        assert repr(read(store, "typed", name)) == repr([*EXACT[name][1], None]), name
    full_schema = schema_of(*EXACT)
    store.ensure_table("typed", full_schema)
    store_rows(store, "typed", full_schema)
    store_rows(store, "typed", full_schema)
    for merged in (False, True):
        if merged:
            store.connection.execute("CALL ducklake_merge_adjacent_files(?, 'typed')", [kit.DOMAIN])
        for name, (_, values) in EXACT.items():
            first = [None, None, None] if name in late else [*values, None]
            expected = [v for i in range(3) for v in (first[i], *[[*values, None][i]] * 2)]
            found = read(store, "typed", name)
            assert sorted(map(repr, found)) == sorted(map(repr, expected)), (name, merged)


def test_statistics_never_hide_a_row(store: DomainStore) -> None:
    """A filter on any value finds its rows: files are not pruned by statistics that leave NaN out."""
    schema = pa.schema([pa.field("double", pa.float64()), pa.field("text", pa.string()), *PLATFORM_COLUMNS])
    store.ensure_table("measured", schema)
    data = kit.table(schema, {"double": [1.0, float("nan")], "text": ["a\x00b", "é'"], "_offset": [0, 1]}, 2)
    file = kit.stage(store, "measured", data)
    assert file is not None
    store.connection.execute("CALL ducklake_add_data_files(?, 'measured', [?])", [kit.DOMAIN, str(file.path)])
    assert read(store, "measured", "_offset", "double > 5") == [1]
    assert read(store, "measured", "_offset", "isnan(double)") == [1]
    assert read(store, "measured", "_offset", "double = 1") == [0]
    assert read(store, "measured", "_offset", "text > 'a'") == [0, 1]


def test_a_payload_stays_out_of_the_catalog(store: DomainStore) -> None:
    """Keys, headers and unknown fields leave no minimum or maximum in a file's statistics."""
    data = kit.table(
        kit.SCHEMA, {"_key": [b"secret"], "_unknown": ['{"s":1}'], "_offset": [0], "name": ["x"]}, 1
    )
    file = kit.stage(store, kit.STREAM, data)
    assert file is not None
    group = pq.read_metadata(file.path).row_group(0)
    have = {group.column(i).path_in_schema for i in range(group.num_columns) if group.column(i).is_stats_set}
    assert {"id", "name", "_partition", "_offset", "_event_time"} <= have
    assert not {"_key", "_unknown", "_headers.list.element.name", "_headers.list.element.value"} & have


def test_nothing_happens_when_nothing_changed(store: DomainStore) -> None:
    """A pass that finds its table as it is makes no snapshot."""
    before = store.snapshot()
    store.ensure_table(kit.STREAM, kit.SCHEMA)
    assert store.snapshot() == before


def test_columns_are_unified_by_name(store: DomainStore) -> None:
    """A new column may stand anywhere in the contract; the table takes it, and the raw column may come and go."""
    fields = [pa.field("new", pa.uuid()), kit.SCHEMA.field("name"), kit.SCHEMA.field("id"), *PLATFORM_COLUMNS]
    store.ensure_table(kit.STREAM, pa.schema([*fields, RAW_COLUMN]))
    columns = store.connection.sql(f"FROM {kit.DOMAIN}.{kit.STREAM}").columns
    assert columns[-2:] == ["new", "_raw"]
    before = store.snapshot()
    store.ensure_table(kit.STREAM, pa.schema(fields))
    assert store.snapshot() == before


def test_fields_are_added_inside_objects(store: DomainStore) -> None:
    """A new optional field of an object, of a list's objects or of a map's is a new column too."""
    old = pa.struct([("a", pa.int64())])
    new = pa.struct([("z", pa.uuid()), ("a", pa.int64()), ("b", pa.struct([("c", pa.string())]))])
    types = {
        "o": lambda t: t,
        "l": element,
        "m": lambda t: pa.map_(pa.string(), t),
        "n": lambda t: element(pa.struct([("k", t)])),
    }
    schemas = [pa.schema([pa.field(n, make(t)) for n, make in types.items()]) for t in (old, new)]
    store.ensure_table("nested", schemas[0])
    file = kit.stage(
        store,
        "nested",
        pa.table({"o": array(old, [{"a": 1}])}, schema=schemas[0].empty_table().select(["o"]).schema),
    )
    assert file is not None
    store.connection.execute(
        "CALL ducklake_add_data_files(?, 'nested', [?], allow_missing => true)", [kit.DOMAIN, str(file.path)]
    )
    store.ensure_table("nested", schemas[1])
    before = store.snapshot()
    store.ensure_table("nested", schemas[1])
    assert store.snapshot() == before
    row = store.connection.execute(f"SELECT o FROM {kit.DOMAIN}.nested").fetchone()  # noqa: S608
    assert row == ({"a": 1, "z": None, "b": None},)


def test_every_mismatch_stands_in_one_error(store: DomainStore) -> None:
    """Removed, retyped and narrowed columns are told together, with both types; nothing is changed."""
    store.ensure_table("strict", schema_of("bigint", "money", "object", "texts", "text"))
    before = store.snapshot()
    fields = [
        pa.field("bigint", pa.int32()),
        pa.field("money", pa.decimal128(10, 2)),
        pa.field("object", pa.struct([("a", pa.int64()), ("u", pa.uuid())])),
        pa.field("texts", element(pa.int64())),
        pa.field("brand_new", pa.string()),
    ]
    with pytest.raises(SchemaConflictError) as caught:
        store.ensure_table("strict", pa.schema([*fields, *PLATFORM_COLUMNS]))
    lines = [" ".join(line.split()) for line in caught.value.why.splitlines()]
    assert lines[1:] == [
        "column stored as declared as problem",
        "bigint BIGINT INTEGER retyped",
        "money DECIMAL(12,2) DECIMAL(10,2) retyped",
        "object.a VARCHAR BIGINT retyped",
        "object.n STRUCT(x BIGINT) - removed",
        "texts.element VARCHAR BIGINT retyped",
        "text VARCHAR - removed",
    ]
    assert store.snapshot() == before


def test_a_type_that_no_contract_has_is_refused() -> None:
    """Only the types of contracts have a column type."""
    with pytest.raises(StoreError, match="none of the types"):
        sql_type(pa.float16())
