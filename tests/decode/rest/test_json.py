"""JSON files as records: a document a line, or the elements of one array."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.decode.rest import MalformedFileError, Records, json_array, json_lines, looks_like_array
from tests.strategies import json_text, json_values

Reader = Callable[[Iterable[bytes]], Iterator[Records]]


def read(reader: Reader, data: bytes, size: int = 1 << 20) -> list[tuple[int, bytes]]:
    """Return all records of a file that is read in pieces, with their lines."""
    batches = reader(data[i : i + size] for i in range(0, len(data), size))
    return [pair for b in batches for pair in zip(b.lines, b.values, strict=True)]


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_a_document_a_line(size: int) -> None:
    """Blank lines are none, and a byte-order mark is no part of the first document."""
    data = b'\xef\xbb\xbf{"a":1}\r\n\n  {"a":\n[]\n'
    assert read(json_lines, data, size) == [(1, b'{"a":1}'), (3, b'{"a":'), (4, b"[]")]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1 << 20])
def test_the_elements_of_an_array(size: int) -> None:
    """Brackets and commas inside texts are text; each element knows its line; what is no object is one too."""
    data = b'\xef\xbb\xbf \n[ {"a": "]},\\""},\n\n  {"b": [1, {"c": "\\\\"}]},3,"x" ,\nnull]\n '
    assert read(json_array, data, size) == [
        (2, b'{"a": "]},\\""}'),
        (4, b'{"b": [1, {"c": "\\\\"}]}'),
        (4, b"3"),
        (4, b'"x"'),
        (5, b"null"),
    ]


@pytest.mark.parametrize(("data", "found"), [(b"[]", []), (b" [ ] ", []), (b"[1,]", [b"1", b""])])
def test_small_arrays(data: bytes, found: list[bytes]) -> None:
    """An empty array holds nothing; a comma too many is an element that is none."""
    assert [value for _, value in read(json_array, data)] == found


def test_a_broken_element_spoils_no_other() -> None:
    """As long as the brackets come out even, the elements around it are found."""
    assert [v for _, v in read(json_array, b'[{"a":1},{"a":nope},{"a":2}]')] == [
        b'{"a":1}',
        b'{"a":nope}',
        b'{"a":2}',
    ]


@pytest.mark.parametrize("size", [1, 1 << 20])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no JSON array"),
        (b'\n{"a":1}', "line 2: the file is no JSON array"),
        (b'[{"a":1}', "the array does not end"),
        (b'[{"a":"x]', "the array does not end"),
        (b"[1}\n]", "closes what was not opened"),
        (b"[1]\n[2]", "something stands behind the end"),
    ],
)
def test_an_array_that_is_none_is_refused(data: bytes, size: int, message: str) -> None:
    """Where elements end cannot be told then."""
    with pytest.raises(MalformedFileError, match=message):
        read(json_array, data, size)


@given(st.lists(json_values(), max_size=6), st.integers(1, 40), st.sampled_from([None, 1]))
def test_any_array_is_split_into_its_elements(values: list[Any], size: int, indent: int | None) -> None:
    """However it is written and read, each element is what a whole parser finds."""
    plain = [json.loads(json_text(value)) for value in values]
    found = read(json_array, json.dumps(plain, indent=indent).encode(), size)
    assert [json.loads(text) for _, text in found] == plain


@pytest.mark.parametrize(
    ("head", "array"), [(b"", False), (b'{"a"', False), (b" \n[", True), (b"\xef\xbb\xbf[1", True)]
)
def test_the_first_sign_tells_which_it_is(head: bytes, *, array: bool) -> None:
    """A document a line begins with a document."""
    assert looks_like_array(head) is array
