"""Fields that the contract does not name."""

from __future__ import annotations

import pytest

from mesh_defs.contract.choices import OnUnknownField
from mesh_defs.contract.types import Column, Kind
from tests.decode.builders import batch, column, decoded, letter, rows, stream

_POINT = column("point", Kind.OBJECT, fields=(column("x", Kind.BIGINT),))
_COLUMNS = (
    column("id", Kind.BIGINT, required=True),
    _POINT,
    column("points", Kind.ARRAY, item=Column(name="element", type=_POINT.type)),
    column("by_name", Kind.MAP, key=column("k", Kind.STRING).type, value=_POINT.type),
    column("free", Kind.JSON),
)


@pytest.mark.parametrize(
    ("members", "unknown"),
    [
        ("", None),
        (',"a":1', '{"a":1}'),
        (',"a": null', '{"a":null}'),
        (',"a":{ }, "b":[ ]', '{"a":{},"b":[]}'),
        (',"n":123456789012345678901234567890.50', '{"n":123456789012345678901234567890.50}'),
        (',"n":1e400', '{"n":1e400}'),
        (',"n":' + "7" * 5_000, '{"n":' + "7" * 5_000 + "}"),
        (',"point":{"x":1,"y":2}', '{"point":{"y":2}}'),
        (',"point":null', None),
        (',"points":[{"x":1},{"x":2,"y":3}]', '{"points":[{"x":1},{"x":2,"y":3}]}'),
        (',"points":[{"x":1},null]', None),
        (',"by_name":{"p":{"x":1},"q":{"y":{"z":1.0}}}', '{"by_name":{"q":{"y":{"z":1.0}}}}'),
        (',"free":{"anything":1}', None),
        (',"point":{"y":1},"point":{}', None),
    ],
)
def test_the_document_minus_the_contract_is_kept(members: str, unknown: str | None) -> None:
    """`_unknown` has the document's nesting and its digits; an array with unknown content is kept whole."""
    (row,) = rows(stream(*_COLUMNS), f'{{"id":1{members}}}')
    assert row["_unknown"] == unknown
    assert row["id"] == 1


def test_unknown_fields_are_counted_by_path() -> None:
    """Each path tells how many records carried it; a name that may be data is not told."""
    values = ['{"id":1,"a":1}', '{"id":2,"a":2,"point":{"b":1}}', '{"id":3,"points":[{"c":1},{"c":2}]}']
    typed = decoded(stream(*_COLUMNS), batch(*values, '{"id":4,"jo@example.org":1}', '{"id":5}'))
    assert typed.unknown_fields == {"$.a": 2, "$.point.b": 1, "$.points[*].c": 1, "$.*": 1}


@pytest.mark.parametrize("policy", [OnUnknownField.DEAD_LETTER, OnUnknownField.FAIL])
def test_unknown_fields_can_be_refused(policy: OnUnknownField) -> None:
    """Under the other policies such a record is a dead letter with a rule of its own."""
    contract = stream(*_COLUMNS, on_unknown_field=policy)
    found = letter(contract, '{"id":1,"point":{"y":2}}')
    assert (found.rule, found.path) == ("unknown_field", "$.point.y")
    assert letter(contract, '{"id":1,"jo@example.org":2}').path == "$.*"
    assert rows(contract, '{"id":1,"free":{"y":2}}')[0]["_unknown"] is None


def test_a_record_that_breaks_the_contract_is_told_its_error_first() -> None:
    """Unknown fields excuse nothing."""
    found = letter(stream(*_COLUMNS), '{"more":1,"id":"x"}')
    assert (found.rule, found.path) == ("type", "$.id")
