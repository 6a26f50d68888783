"""Parquet as documents: each value as its own type says."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.rest import parquet_records

ANY = {"c": ColumnType(kind=Kind.BIGINT)}


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([1, None], pa.int32()), [1, None]),
        (pa.array([2**63], pa.uint64()), [2**63]),
        (pa.array([1.0, 0.1, None]), [1.0, 0.1, None]),
        (pa.array([math.nan, math.inf]), ["nan", "inf"]),
        (pa.array([True, None]), [True, None]),
        (pa.array(["12", None, 'a"b']), ["12", None, 'a"b']),
        (pa.array(["x", None]).dictionary_encode(), ["x", None]),
        (pa.array([b"\x00\xff"]), ["AP8="]),
        (pa.array([dt.date(2013, 1, 31)]), ["2013-01-31"]),
        (pa.array([dt.time(1, 2, 3, 4)]), ["01:02:03.000004"]),
        (pa.array([1356998400000000], pa.timestamp("us")), ["2013-01-01T00:00:00.000000"]),
        (pa.array([0], pa.timestamp("ms", "America/New_York")), ["1970-01-01T00:00:00.000Z"]),
        (pa.array([1], pa.timestamp("ns", "UTC")), ["1970-01-01T00:00:00.000000001Z"]),
        (pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)], pa.binary(16))), [str(uuid.UUID(int=0))]),
        (pa.array([[1, None], None, []]), [[1, None], None, []]),
        (pa.array([[1, None], None, []]).slice(1), [None, []]),
        (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
        (pa.array([{"a": 1, "b": "x"}, None]), [{"a": 1, "b": "x"}, None]),
        (pa.array([{"a": [{"b": None}]}]), [{"a": [{"b": None}]}]),
        (pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())), [{"k": 1}, None, {}]),
        (pa.array([[(7, "x")]], pa.map_(pa.int32(), pa.string())).slice(0), [{"7": "x"}]),
        (pa.nulls(2), [None, None]),
    ],
)  # fmt: skip
def test_values_keep_their_type(array: pa.Array[Any], values: list[Any]) -> None:
    """A number is no text and a text no number; nothing becomes null that is a value."""
    batch = pa.RecordBatch.from_arrays([array], names=["c"])
    (records,) = parquet_records([batch], ANY)
    assert [json.loads(document) for document in records.values] == [{"c": v} for v in values]
    assert records.lines == list(range(1, len(values) + 1))


@pytest.mark.parametrize(
    ("kind", "values"), [(Kind.JSON, [{"a": 1}, None, "a"]), (Kind.STRING, ['{"a":1}', None, '"a"'])]
)
def test_parquets_json_is_a_document_or_its_text(kind: Kind, values: list[Any]) -> None:
    """As DuckDB writes a column of JSON; the contract's column decides."""
    array = pa.array(['{"a":1}', None, '"a"'], pa.json_())
    batch = pa.RecordBatch.from_arrays([array], names=["c"])
    (records,) = parquet_records([batch], {"c": ColumnType(kind=kind)})
    assert [json.loads(document) for document in records.values] == [{"c": v} for v in values]


@pytest.mark.parametrize(
    ("array", "documents"),
    [
        (pa.array([18_000, 3_000_000], pa.int32()).cast(pa.date32()), [b'"2019-04-14"', b"3000000"]),
        (pa.array([-(2**31)], pa.int32()).cast(pa.date32()), [b"-2147483648"]),
        (pa.array([-62135596800, -62135596801], pa.timestamp("s")), [b'"0001-01-01T00:00:00"', b"-62135596801"]),
        (pa.array([2**62], pa.timestamp("us")), [b"4611686018427387904"]),
        (pa.array([2**62], pa.timestamp("us", "UTC")), [b"4611686018427387904"]),
        (pa.array([b"ok", b"\xff\xfe", None]).cast(pa.string(), safe=False), [b'"ok"', b'"\xff\xfe"', b"null"]),
        (pa.array([[b"\xff"]]).cast(pa.list_(pa.string()), safe=False), [b'["\xff"]']),
    ],
)  # fmt: skip
def test_what_no_type_of_a_contract_takes_is_left_to_be_refused(
    array: pa.Array[Any], documents: list[bytes]
) -> None:
    """One value that is no date, or no UTF-8, concerns its row alone."""
    (records,) = parquet_records([pa.RecordBatch.from_arrays([array], names=["c"])], ANY)
    assert records.values == [b'{"c":%s}' % document for document in documents]


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_text_that_is_called_bytes_is_text_where_the_column_is(type_: Any) -> None:
    """As old writers leave it, which do not say that it is UTF-8."""
    batch = pa.RecordBatch.from_arrays([pa.array([b"abc", b"\xff", None], type_)], names=["c"])
    (records,) = parquet_records([batch], {"c": ColumnType(kind=Kind.STRING)})
    assert records.values == [b'{"c":"abc"}', b'{"c":"\xff"}', b'{"c":null}']


def test_list_views_are_lists() -> None:
    """Another layout of the same values."""
    array = pa.array([[1, 2], None, []], pa.list_view(pa.int64()))
    (records,) = parquet_records([pa.RecordBatch.from_arrays([array], names=["c"])], ANY)
    assert [json.loads(document)["c"] for document in records.values] == [[1, 2], None, []]


def test_decimals_keep_every_digit() -> None:
    """Their digits are written, not a float's."""
    value = Decimal("12345678901234567890.1234567890")
    (records,) = parquet_records([pa.RecordBatch.from_pydict({"c": [value, None]})], ANY)
    assert records.values == [f'{{"c":{value}}}'.encode(), b'{"c":null}']


def test_columns_beyond_the_contract_are_left_out_where_they_are_null() -> None:
    """They would make `_unknown` of every row."""
    batch = pa.RecordBatch.from_pydict({"x%s": [1, None], "c": [1, 2]})
    (records,) = parquet_records([batch], ANY)
    assert records.values == [b'{"c":1,"x%s":1}', b'{"c":2}']
    (others,) = parquet_records([batch], {})
    assert others.values == [b'{"x%s":1,"c":1}', b'{"c":2}']


def test_rows_are_counted_on_from_batch_to_batch() -> None:
    """The line of a row is its number in the file."""
    batch = pa.RecordBatch.from_pydict({"c": [1, 2]})
    assert [r.lines for r in parquet_records([batch, batch], ANY)] == [[1, 2], [3, 4]]
