"""Documents as a whole: syntax, encoding, depth, duplicate keys, and what is no object."""

from __future__ import annotations

import pytest

from mesh_defs.contract.types import Kind
from mesh_defs.model.records import Stage
from tests.decode.builders import batch, column, decoded, letter, rows, stream

_CONTRACT = stream(column("class", Kind.BIGINT, required=True), column("f0", Kind.STRING))


@pytest.mark.fault(20)
@pytest.mark.parametrize(
    ("value", "stage", "rule"),
    [
        (b"", Stage.DECODE, "json_syntax"),
        (b" ", Stage.DECODE, "json_syntax"),
        (b'{"class":1', Stage.DECODE, "json_syntax"),
        (b'{"class":1} x', Stage.DECODE, "json_syntax"),
        (b'{"class":1}{"class":1}', Stage.DECODE, "json_syntax"),
        (b'{"class":1,}', Stage.DECODE, "json_syntax"),
        (b"{'class':1}", Stage.DECODE, "json_syntax"),
        (b'{"class":01}', Stage.DECODE, "json_syntax"),
        (b'\xef\xbb\xbf{"class":1}', Stage.DECODE, "json_syntax"),
        ('{"class":1}'.encode("utf-16"), Stage.DECODE, "json_syntax"),
        (b'\x00\x00\x00\x00\x01{"class":1}', Stage.DECODE, "json_syntax"),
        (b'{"class":1,"f0":"\xff"}', Stage.DECODE, "utf8"),
        (b'{"class":1,"f0":"\xed\xa0\x80"}', Stage.DECODE, "utf8"),
        (b'{"class":1,"more":"\xff"}', Stage.DECODE, "utf8"),
        (b'{"class":1,"more":"\\ud800"}', Stage.DECODE, "json_syntax"),
        (b'{"class":1,"n":' + b"7" * 5_000 + b',"more":"\xff"}', Stage.DECODE, "utf8"),
        (b'{"class":1,"more":NaN}', Stage.DECODE, "json_syntax"),
        (b'{"class":1,"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}", Stage.DECODE, "depth"),
        (b'{"class":1,"more":' + b"[" * 256 + b"]" * 256 + b"}", Stage.DECODE, "depth"),
        (b"null", Stage.VALIDATE, "type"),
        (b"[]", Stage.VALIDATE, "type"),
        (b'"{}"', Stage.VALIDATE, "type"),
        (b"1", Stage.VALIDATE, "type"),
    ],
)
def test_no_document(value: bytes, stage: Stage, rule: str) -> None:
    """Zero bytes, bad syntax, another encoding, anything but an object: a dead letter."""
    found = letter(_CONTRACT, value)
    assert (found.stage, found.rule, found.path) == (stage, rule, "$")
    assert found.value == value


def test_depth_ends_at_a_fixed_level() -> None:
    """Nesting is kept up to a fixed level, brackets in strings not counted."""
    inner = "[" * 255 + "]" * 255
    (row,) = rows(_CONTRACT, f'{{"class":1,"more":{inner}}}')
    assert row["_unknown"] == f'{{"more":{inner}}}'
    text = '[\\"{' * 300
    (row,) = rows(_CONTRACT, f'{{"class":1,"more":"{text}"}}')
    assert row["_unknown"] == f'{{"more":"{text}"}}'


def test_the_last_of_duplicate_keys_wins() -> None:
    """The last counts, in columns and in what is unknown; each must be a value of its type."""
    assert rows(_CONTRACT, '{"class":1,"class":2}')[0]["class"] == 2
    assert rows(_CONTRACT, '{"class":1,"cl\\u0061ss":2}')[0]["class"] == 2
    assert rows(_CONTRACT, '{"class":1,"x":1,"x":2}')[0]["_unknown"] == '{"x":2}'
    assert letter(_CONTRACT, '{"class":"1","class":2}').rule == "type"


def test_names_of_pythons_own_are_columns() -> None:
    """A column may be called as a keyword, or as the decoder's own attributes are."""
    (row,) = rows(_CONTRACT, '{"f0":"a","class":1}')
    assert (row["class"], row["f0"]) == (1, "a")


def test_names_are_exact() -> None:
    """A name that differs in case is another field."""
    assert letter(_CONTRACT, '{"Class":1}').rule == "required"
    assert rows(_CONTRACT, '{"class":1,"Class":2}')[0]["_unknown"] == '{"Class":2}'


def test_bad_records_leave_the_good_ones() -> None:
    """Between bad records of every sort the good ones become rows, in order."""
    good = [f'{{"class":{i}}}' for i in range(20)]
    bad = ["", "{}", '{"class":true}', '{"class":18446744073709551616}', '{"class":1,"x":"\\ud800"}']
    mixed = [value for i, g in enumerate(good) for value in (g, bad[i % len(bad)])]
    typed = decoded(_CONTRACT, batch(*mixed))
    assert typed.rows["class"].to_pylist() == list(range(20))
    assert [x.index for x in typed.dead_letters] == list(range(1, 40, 2))


def test_an_empty_batch_is_an_empty_table() -> None:
    """No records give no rows, under the same schema."""
    assert decoded(_CONTRACT, batch()).rows.num_rows == 0


def test_messages_name_types_and_path() -> None:
    """A dead letter says in words what was expected and where."""
    found = letter(_CONTRACT, '{"class":"secret"}')
    assert (found.message, found.path) == ("expected integer, got string", "$.class")
    assert letter(_CONTRACT, "{}").message == "the field is required, but absent"
    assert letter(_CONTRACT, '{"class":1,"f0":2}').message == "expected string, got integer"
    assert "byte 10" in letter(_CONTRACT, '{"class":1;}').message
