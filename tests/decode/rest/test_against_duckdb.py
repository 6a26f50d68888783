"""CSV of valid data is read as DuckDB reads it with the types said: two readers, one meaning."""

from __future__ import annotations

import io
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.contract.contract import RestContract
from mesh_defs.contract.types import Column, ColumnType, Kind
from mesh_defs.decode.decoder import Decoder
from mesh_defs.decode.json.codec import JsonCodec
from mesh_defs.decode.rest import CsvFile, CsvRows
from mesh_defs.model.records import RawBatch, TypedBatch

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)
_WHOLE = st.integers(-(2**63), 2**63 - 1)

COLUMNS: dict[str, tuple[ColumnType, str, st.SearchStrategy[Any]]] = {
    "i": (ColumnType(kind=Kind.BIGINT), "BIGINT", _WHOLE.map(str)),
    "s": (ColumnType(kind=Kind.SMALLINT), "SMALLINT", st.integers(-(2**15), 2**15 - 1).map(str)),
    "n": (
        ColumnType(kind=Kind.DOUBLE),
        "DOUBLE",
        st.floats(allow_nan=False, allow_infinity=False).map(repr)
        | st.decimals(-1000, 1000, places=3).map(str)
        | st.integers(0, 999).map("{:05}".format)
        | st.integers(0, 999).map(".{:03}".format),
    ),
    "d": (
        ColumnType(kind=Kind.DECIMAL, precision=18, scale=3),
        "DECIMAL(18,3)",
        st.decimals(Decimal("-999999999999999.999"), Decimal("999999999999999.999"), places=3).map(str),
    ),
    "b": (ColumnType(kind=Kind.BOOLEAN), "BOOLEAN", st.sampled_from(["true", "false", "TRUE", "False"])),
    "day": (ColumnType(kind=Kind.DATE), "DATE", st.dates().map(str)),
    "clock": (ColumnType(kind=Kind.TIME), "TIME", st.times().map(str)),
    "ts": (
        ColumnType(kind=Kind.TIMESTAMP, timezone=False),
        "TIMESTAMP",
        st.datetimes().map(str) | st.datetimes().map(lambda m: m.isoformat()),
    ),
    "u": (ColumnType(kind=Kind.UUID), "UUID", st.uuids().map(str)),
    "t": (ColumnType(kind=Kind.STRING), "VARCHAR", _TEXT),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str | None]]]:
    """Columns, and rows of valid fields or none."""
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=2, max_size=5, unique=True))
    row = st.tuples(*(st.none() | COLUMNS[name][2] for name in names)).map(list)
    return names, draw(st.lists(row, max_size=6))


def written(names: Sequence[str], rows: Sequence[Sequence[str | None]], *, quoted: bool) -> str:
    """Return the CSV file: no value is an empty field, an empty text stands in quotes."""
    out = io.StringIO()
    out.write(",".join(names) + "\n")
    for row in rows:
        out.write(",".join(_field(f, quoted=quoted) for f in row) + "\n")
    return out.getvalue()


def _field(field: str | None, *, quoted: bool) -> str:
    if field is None:
        return ""
    needs = quoted or not field or any(sign in field for sign in ',"\n')
    return '"' + field.replace('"', '""') + '"' if needs else field


def decoded(names: Sequence[str], text: str) -> list[tuple[Any, ...]]:
    """Return what the mesh reads; nothing may be refused."""
    contract = RestContract(
        domain="n",
        name="t",
        id="t",
        version="1.0.0",
        status="active",
        title="T",
        description="",
        columns=tuple(Column(name=name, type=COLUMNS[name][0]) for name in names),
        path=Path("t"),
        source="t.csv",
        format="csv",
    )
    file = CsvFile([text.encode()])
    decoder = Decoder(contract, CsvRows(contract, file.header), JsonCodec(contract))
    found: list[tuple[Any, ...]] = []
    for records in file.batches():
        count = len(records.values)
        raw = RawBatch(
            topic="t.csv",
            partition=0,
            offsets=range(count),
            timestamps=np.zeros(count, np.int64),
            keys=[None] * count,
            values=list(records.values),
            headers=[None] * count,
            lines=records.lines,
        )
        typed: TypedBatch = decoder.decode(raw, epoch=0, ingested_at=0)
        assert typed.dead_letters == ()
        found += [tuple(row[name] for name in names) for row in typed.rows.select(names).to_pylist()]
    return found


def by_duckdb(names: Sequence[str], path: Path) -> list[tuple[Any, ...]]:
    """Return what DuckDB reads with the types said."""
    types = ", ".join(f"'{name}': '{COLUMNS[name][1]}'" for name in names)
    relation = duckdb.sql(
        f"FROM read_csv('{path}', header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', "
        f"new_line = '\\n', columns = {{{types}}}, nullstr = '', allow_quoted_nulls = false, parallel = false)"
    )
    return relation.fetchall()


@given(table=tables(), quoted=st.booleans())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_valid_csv_is_read_alike(
    tmp_path: Path, table: tuple[list[str], list[list[str | None]]], *, quoted: bool
) -> None:
    """The same rows and values, whether fields stand in quotes or not."""
    names, rows = table
    text = written(names, rows, quoted=quoted)
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    assert decoded(names, text) == by_duckdb(names, path)


@pytest.mark.parametrize("field", ['""', '"a,""b"""', '"two\nlines"'])
def test_quoted_fields_are_read_alike(tmp_path: Path, field: str) -> None:
    """Empty text, quotes and line feeds inside quotes."""
    text = f"i,t\n1,{field}\n2,\n"
    path = tmp_path / "t.csv"
    path.write_text(text, newline="")
    assert decoded(["i", "t"], text) == by_duckdb(["i", "t"], path)
