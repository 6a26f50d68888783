"""Results are written without loss."""

from __future__ import annotations

import io
import json

import duckdb
import pyarrow as pa
import pytest

from mesh_defs.query import write_result

QUERY = """
SELECT 1 AS i, 9007199254740993 AS big, sum(1) AS s, 1.50::DECIMAL(12,2) AS d, 'é "x"' AS t, NULL AS n,
  '\\x00\\xFFa'::BLOB AS b, TIMESTAMPTZ '2026-01-01 00:00:00.000001+00' AS at, DATE '2026-01-01' AS day,
  {'a': [1, NULL]} AS nested, MAP {'k': 1} AS m, 'nan'::DOUBLE AS nan, true AS yes
"""


def written(format_: str, query: str = QUERY) -> bytes:
    """Return what a format writes."""
    out = io.BytesIO()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        write_result(connection.sql(query), format_, out)
    return out.getvalue()


def test_json_is_one_array_of_objects_with_exact_values() -> None:
    """Decimals are numbers with their digits, instants RFC 3339, bytes as DuckDB casts them."""
    text = written("json").decode()
    (row,) = json.loads(text)
    assert '"d":1.50' in text
    assert row["big"] == 9007199254740993
    assert row["s"] == 1
    assert row["b"] == "\\x00\\xFFa"
    assert row["at"] == "2026-01-01T00:00:00.000001Z"
    assert row["day"] == "2026-01-01"
    assert row["nested"] == {"a": [1, None]}
    assert row["m"] == {"k": 1}
    assert (row["n"], row["nan"], row["yes"], row["t"]) == (None, "nan", True, 'é "x"')


@pytest.mark.parametrize(("format_", "empty"), [("json", b"[\n]\n"), ("csv", b"x\n")])
def test_no_rows(format_: str, empty: bytes) -> None:
    """An empty result is a result."""
    assert written(format_, "SELECT 1 AS x WHERE false") == empty


def test_csv_quotes_what_needs_it() -> None:
    """A null is empty."""
    assert written("csv", "SELECT 'a,b' AS x, NULL AS y, true AS z") == b'x,y,z\n"a,b",,true\n'


def test_dates_times_and_uuids_have_no_quotes() -> None:
    """In CSV and in a table they are what they are in SQL."""
    uuid = "6f5b4b0e-7b0c-5d57-9a53-0d3c9f0a2013"
    query = (
        f"SELECT DATE '2026-03-01' AS d, TIME '10:20:30' AS t, UUID '{uuid}' AS u, [DATE '2026-03-01'] AS l"
    )
    assert written("csv", query).decode().splitlines()[1] == f'2026-03-01,10:20:30,{uuid},"[""2026-03-01""]"'
    assert f"2026-03-01  10:20:30  {uuid}" in written("table", query).decode()


def test_arrow_is_an_ipc_stream() -> None:
    """With the types of DuckDB."""
    table = pa.ipc.open_stream(written("arrow", "SELECT 1::BIGINT AS x")).read_all()
    assert table.to_pylist() == [{"x": 1}]
    assert table.schema.field("x").type == pa.int64()


def test_the_table_ends_with_the_number_of_rows() -> None:
    """For people."""
    text = written("table", "SELECT * FROM range(3) t(n)").decode()
    assert text.rstrip().endswith("(3 rows)")
