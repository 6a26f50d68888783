"""What is stored is what was decoded: through Parquet, and read by DuckDB."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from mesh_defs.contract.types import Column, ColumnType, Kind, Limits
from tests.decode.builders import batch, column, decoded, stream

_POINT = ColumnType(kind=Kind.OBJECT, fields=(column("x", Kind.BIGINT), column("s", Kind.STRING)))
_COLUMNS = (
    (column("big", Kind.BIGINT), "-9223372036854775808", "BIGINT"),
    (column("int", Kind.INT), "2147483647", "INTEGER"),
    (column("small", Kind.SMALLINT), "-32768", "SMALLINT"),
    (column("double", Kind.DOUBLE), "1.7976931348623157e308", "DOUBLE"),
    (column("single", Kind.FLOAT), "0.5", "FLOAT"),
    (column("money", Kind.DECIMAL, precision=38, scale=2), '"' + "9" * 36 + '.99"', "DECIMAL(38,2)"),
    (column("nul", Kind.STRING, limits=Limits(max_length=9)), '"a\\u0000b😀"', "VARCHAR"),
    (column("blob", Kind.BYTES), '"AP8="', "BLOB"),
    (column("uuid", Kind.UUID), '"f97f2df9-e2c3-4ac6-891c-19160ec8b1c2"', "UUID"),
    (column("flag", Kind.BOOLEAN), "true", "BOOLEAN"),
    (column("first", Kind.DATE), '"0001-01-01"', "DATE"),
    (column("last", Kind.DATE), '"9999-12-31"', "DATE"),
    (column("clock", Kind.TIME), '"23:59:59.999999"', "TIME"),
    (column("dawn", Kind.TIMESTAMP), '"0001-01-01T00:00:00Z"', "TIMESTAMP WITH TIME ZONE"),
    (column("dusk", Kind.TIMESTAMP), '"9999-12-31T23:59:59.999999Z"', "TIMESTAMP WITH TIME ZONE"),
    (column("wall", Kind.TIMESTAMP, timezone=False), '"2020-01-01T00:00:00.000001"', "TIMESTAMP"),
    (Column(name="point", type=_POINT), '{"x":1,"s":null}', "STRUCT(x BIGINT, s VARCHAR)"),
    (
        column("points", Kind.ARRAY, item=Column(name="element", type=_POINT)),
        '[{"x":1},null]',
        "STRUCT(x BIGINT, s VARCHAR)[]",
    ),
    (
        column("map", Kind.MAP, key=ColumnType(kind=Kind.STRING), value=ColumnType(kind=Kind.INT)),
        '{"":1,"b":null}',
        "MAP(VARCHAR, INTEGER)",
    ),
    (column("doc", Kind.JSON), '{"n":1.10}', "VARCHAR"),
)


def test_every_type_survives_parquet_and_duckdb(tmp_path: Path) -> None:
    """DuckDB sees the declared types and, cell for cell, the values that were decoded; nulls stay null."""
    document = ",".join(f'"{c.name}":{text}' for c, text, _ in _COLUMNS)
    contract = stream(*[c for c, _, _ in _COLUMNS])
    typed = decoded(contract, batch(f'{{{document},"more":1.0}}', "{}", None))
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_batches([typed.rows]), path)
    with duckdb.connect() as connection:
        relation = connection.read_parquet(str(path))
        types = dict(zip(relation.columns, map(str, relation.types), strict=True))
        assert {c.name: types[c.name] for c, _, _ in _COLUMNS} == {c.name: t for c, _, t in _COLUMNS}
        back = relation.to_arrow_table()
    # DuckDB hands UUIDs over as text.
    told = [row | {"uuid": row["uuid"] and str(row["uuid"])} for row in typed.rows.to_pylist()]
    assert back.to_pylist() == told
