"""The text of an `.avsc`: JSON with comments, read strictly, refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.contract.avsc import MAX_BYTES, avsc_tree, parse_avsc, read_avsc
from mesh_defs.model.errors import ContractError

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "avro"

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
_COMMENTS = st.sampled_from(["", " ", "\n", '// a "comment" /*\n', "/* two\n lines // */", "/**/", "\t\r\n"])


@given(value=_JSON, indent=st.sampled_from([None, 0, 3]))
def test_json_is_read_as_json(value: Any, indent: int | None) -> None:
    """What the standard library writes is read back as it was."""
    assert parse_avsc(json.dumps(value, indent=indent), "a test") == value


@given(data=st.data(), value=_JSON)
def test_comments_stand_between_any_two_tokens(data: st.DataObject, value: Any) -> None:
    """A comment anywhere outside of a text changes nothing."""

    def written(value: Any) -> str:
        gap = lambda: data.draw(_COMMENTS)  # noqa: E731 - drawn anew each time
        if isinstance(value, list):
            return "[" + ",".join(gap() + written(v) + gap() for v in value) + gap() + "]"
        if isinstance(value, dict):
            pairs = (f"{gap()}{json.dumps(k)}{gap()}:{gap()}{written(v)}{gap()}" for k, v in value.items())
            return "{" + ",".join(pairs) + gap() + "}"
        return json.dumps(value)

    assert parse_avsc(f"{data.draw(_COMMENTS)}{written(value)}{data.draw(_COMMENTS)}", "a test") == value


def test_a_comment_sign_in_a_text_is_text() -> None:
    """`//` and `/*` within quotes belong to the text."""
    assert parse_avsc('{"a": "http://b", "/*": "*/ // "}', "a test") == {"a": "http://b", "/*": "*/ // "}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("// nothing\n", "it is empty"),
        ('{"a": 1,\n "b": 2,\n\n "a": 3}', "line 4: the key 'a' stands twice, first in line 1"),
        ('{"a": {"b": 1, "b": 1}}', "line 1: the key 'b' stands twice, first in line 1"),
        ('{"a": 1\n "b": 2}', "line 2: `,` or `}` is expected here"),
        ('{"a": 1,\n}', "line 2: a key in double quotes is expected here"),
        ("[1,\n\n]", "line 3: a value is expected here"),
        ('{"a"\n 1}', "line 2: `:` behind the key is expected here"),
        ("{'a': 1}", "line 1: a key in double quotes is expected here"),
        ("{a: 1}", "line 1: a key in double quotes is expected here"),
        ("# a comment\n{}", "line 1: a value is expected here"),
        ("\n/* a comment\n{}", "line 2: a comment that does not end"),
        ('{"a": 1} {}', "line 1: something stands behind the end of the schema"),
        ('{"a":', "line 1: the text ends too early"),
        ('["a\nb"]', "line 1: a text that does not end in its line, or has an unknown escape"),
        (r'["\x"]', "line 1: a text that does not end in its line, or has an unknown escape"),
        ("[NaN]", "line 1: 'NaN' is no JSON; a text stands in double quotes"),
        ("string", "line 1: 'string' is no JSON; a text stands in double quotes"),
        ("[01]", "line 1: '01' is no JSON; a text stands in double quotes"),
        ("[+1]", "line 1: '+1' is no JSON; a text stands in double quotes"),
        ("[1e999]", "line 1: a number that no double holds"),
        (f"[{'1' * 5000}]", "line 1: a number of more than 400 characters"),
        ("[" * 5000, "line 1: nested deeper than 128 levels"),
    ],
)
def test_what_is_no_json_is_refused_in_one_line(text: str, why: str) -> None:
    """The message names the line, and nothing but one clear line is said."""
    with pytest.raises(ContractError) as caught:
        parse_avsc(text, "the subject orders-value")
    assert (
        str(caught.value) == f"cannot read the Avro schema the subject orders-value: {why}; mend the schema"
    )


def test_every_node_knows_its_line() -> None:
    """Lines and columns count from 1, comments included."""
    tree = avsc_tree('// one\n{\n  /* three\n four */ "fields": [\n    {"name": "a"}]}')
    assert (tree.line, tree.column) == (2, 1)
    name = tree.entries()["fields"].elements()[0].entries()["name"]
    assert (name.line, name.column, name.where, name.key) == (5, 14, "fields[0].name", (5, 6))


def test_the_shared_schemas_are_read() -> None:
    """Schemas that nobody here wrote, one of them with comments in the middle of an array."""
    files = sorted(FOLDER.glob("*.avsc"))
    assert len(files) >= 13, f"{FOLDER} lacks schemas"
    for path in files:
        assert parse_avsc(read_avsc(path), path)["type"] == "record"


def test_a_file_that_cannot_be_a_schema(tmp_path: Path) -> None:
    """A missing, a large, and a file that is no text each say so."""
    path = tmp_path / "a.avsc"
    with pytest.raises(ContractError, match=r"a\.avsc: No such file or directory; mend"):
        read_avsc(path)
    path.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(ContractError, match="larger than 1,048,576 bytes"):
        read_avsc(path)
    path.write_bytes(b'{\n"a": "\xff"}')
    with pytest.raises(ContractError, match="line 2: it is not UTF-8 from here on"):
        read_avsc(path)
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_avsc(path) == "{}"
