"""CSV files as records and documents: RFC 4180, strictly, and one broken row spoils no other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.contract.types import ColumnType, Kind, TimeEncoding
from mesh_defs.decode.rest import CsvFile, MalformedFileError
from mesh_defs.decode.rest.text import Quoted, column

NULLS = frozenset(["", "NA"])


def chunked(data: bytes, size: int) -> list[bytes]:
    """Return the bytes in pieces, as a file is read."""
    return [data[i : i + size] for i in range(0, len(data), size)]


def rows(data: bytes, size: int = 1 << 20, delimiter: str = ",") -> list[tuple[int, bytes]]:
    """Return the rows below the header, with their lines."""
    batches = CsvFile(chunked(data, size), delimiter).batches()
    return [pair for b in batches for pair in zip(b.lines, b.values, strict=True)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_rows_are_told_apart_however_the_file_is_read(size: int, end: bytes) -> None:
    """Line feeds inside quotes belong to the field; blank lines are none; the last line needs no end."""
    data = end.join([b"\xef\xbb\xbfa,b", b"1,x", b'2,"y' + end + b'""z"""', b"", b"3,"])
    assert rows(data, size) == [(2, b"1,x"), (3, b'2,"y' + end + b'""z"""'), (6, b"3,")]
    assert CsvFile(chunked(data, size)).header == ("a", "b")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'a,b\n1,5" disk\n2,x\n3,y\n', [(2, b'1,5" disk'), (3, b"2,x"), (4, b"3,y")]),
        (b'a,b\n1,"open\n2,x\n3,y', [(2, b'1,"open'), (3, b"2,x"), (4, b"3,y")]),
        (b'a,b\n1,"open\n2,"x"\n3,"open too\n', [(2, b'1,"open'), (3, b'2,"x"'), (4, b'3,"open too')]),
        (b'a,b\n1,"x"y\n2,z\n', [(2, b'1,"x"y'), (3, b"2,z")]),
    ],
)
def test_a_broken_quote_breaks_one_line(data: bytes, found: list[tuple[int, bytes]]) -> None:
    """The line that does not come out even is a row by itself, and the next one begins anew."""
    assert rows(data) == found


def test_a_single_column_may_be_empty() -> None:
    """Where a line is one field, a blank line is a row without a value."""
    assert rows(b"a\n1\n\n3\n") == [(2, b"1"), (3, b""), (4, b"3")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"a,b,a\n1,2,3\n", "line 1: the header names a column twice"),
        (b'a,"b\n1,2\n', "line 1: the header cannot be read"),
        (b"\xff,b\n1,2\n", "line 1: the header cannot be read"),
        (b"a,b\r1,2\r", "line 1: lines end in a carriage return alone"),
    ],
)
def test_a_file_without_a_header_is_refused(data: bytes, message: str) -> None:
    """Without it nothing tells which field is which column."""
    with pytest.raises(MalformedFileError, match=message):
        CsvFile([data])


@given(st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), max_size=8), st.integers(1, 9))
def test_what_quotes_write_is_read(table: Sequence[Sequence[str]], size: int) -> None:
    """Whatever text the fields hold, quoted as RFC 4180 has it, comes back in rows of as many fields."""
    table = [[f.encode("utf-8", "replace").decode() for f in row] for row in table]
    quoted = [",".join('"' + f.replace('"', '""') + '"' for f in row) for row in table]
    csv = CsvFile(chunked("\r\n".join(["a,b", *quoted]).encode(), size))
    found = [csv._tokens.fields(v) for b in csv.batches() for v in b.values]
    assert found == table


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.BIGINT, "12", 12),
        (Kind.BIGINT, "-12", -12),
        (Kind.BIGINT, "+5", 5),
        (Kind.BIGINT, "007", 7),
        (Kind.BIGINT, "0", 0),
        (Kind.BIGINT, "1.5", "1.5"),
        (Kind.BIGINT, "1.0", "1.0"),
        (Kind.BIGINT, "1e3", "1e3"),
        (Kind.BIGINT, " 1", " 1"),
        (Kind.BIGINT, "1_000", "1_000"),
        (Kind.BIGINT, "\u0661", "\u0661"),
        (Kind.BIGINT, '1,"x":2', '1,"x":2'),
        (Kind.BIGINT, "true", "true"),
        (Kind.DOUBLE, "1.5", 1.5),
        (Kind.DOUBLE, ".5", 0.5),
        (Kind.DOUBLE, "5.", 5),
        (Kind.DOUBLE, "-007.50e2", -750.0),
        (Kind.DOUBLE, ".", "."),
        (Kind.DOUBLE, "+", "+"),
        (Kind.DOUBLE, "e5", "e5"),
        (Kind.DOUBLE, "NaN", "NaN"),
        (Kind.DOUBLE, "inf", "inf"),
        (Kind.DOUBLE, "1,5", "1,5"),
        (Kind.BOOLEAN, "TRUE", True),
        (Kind.BOOLEAN, "False", False),
        (Kind.BOOLEAN, "1", "1"),
        (Kind.TIMESTAMP, "2013-01-01 05:00:00Z", "2013-01-01T05:00:00Z"),
        (Kind.DATE, "2013-01-01", "2013-01-01"),
        (Kind.STRING, "12", "12"),
        (Kind.STRING, 'a"b\\\n', 'a"b\\\n'),
        (Kind.ARRAY, "[1, 2]", [1, 2]),
        (Kind.ARRAY, Quoted("[1, 2]"), [1, 2]),
        (Kind.ARRAY, "[1, 2", "[1, 2"),
        (Kind.OBJECT, '{"a": 1}', {"a": 1}),
        (Kind.OBJECT, '1}, {"b": 2', '1}, {"b": 2'),
        (Kind.BIGINT, "", None),
        (Kind.STRING, "", None),
        (Kind.STRING, "NA", None),
        (Kind.BIGINT, "NA", None),
        (Kind.STRING, "na", "na"),
        (Kind.STRING, Quoted(""), ""),
        (Kind.STRING, Quoted("NA"), "NA"),
        (Kind.BIGINT, Quoted(""), None),
        (Kind.BIGINT, Quoted("NA"), None),
        (Kind.BIGINT, Quoted("12"), 12),
    ],
)
def test_a_field_becomes_a_value_of_its_column_or_stays_text(kind: Kind, text: str, value: Any) -> None:
    """No text is taken for what it is not; an empty field is null, an empty text in quotes is a text."""
    (written,) = column(ColumnType(kind=kind), [text], NULLS)
    assert json.loads(written) == value
    assert type(json.loads(written)) is type(value)


def test_counts_are_integers_whatever_they_mean() -> None:
    """A timestamp that the wire writes as a count is a number in a text file too."""
    type_ = ColumnType(kind=Kind.TIMESTAMP, encoding=TimeEncoding.EPOCH_MS)
    assert column(type_, ["1700000000000", "x"], NULLS) == ["1700000000000", '"x"']


def test_a_column_that_nobody_declared_is_text() -> None:
    """It is kept as it is written, in `_unknown`."""
    assert column(None, ["12", "NA", Quoted("NA"), ""], NULLS) == ['"12"', "null", '"NA"', "null"]
