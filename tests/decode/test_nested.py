"""Objects, arrays, maps, and their mixtures."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from mesh_defs.contract.types import Column, ColumnType, Kind
from tests.decode.builders import column, letter, rows, stream

_ROUTE = column(
    "route",
    Kind.OBJECT,
    fields=(column("origin", Kind.STRING, required=True), column("at", Kind.TIMESTAMP)),
)
_CODES = column("codes", Kind.ARRAY, item=column("element", Kind.INT))
_STOPS = column("stops", Kind.ARRAY, item=Column(name="element", type=_ROUTE.type, required=True))
_GRID = column("grid", Kind.ARRAY, item=Column(name="element", type=_CODES.type))


def _map(key: Kind, value: ColumnType) -> Column:
    return column("m", Kind.MAP, key=ColumnType(kind=key), value=value)


def test_objects_and_arrays() -> None:
    """Nested values are structs and lists; null, empty and absent stay apart where they differ."""
    contract = stream(_ROUTE, _CODES, _STOPS, _GRID)
    names = ["route", "codes", "stops", "grid"]
    found = rows(
        contract,
        '{"route":{"origin":"JFK","at":"2020-01-01T00:00:00Z"},"codes":[1,null],"stops":[{"origin":"A"}],"grid":[[1],[],null]}',
        '{"route":null,"codes":[],"stops":[],"grid":[]}',
        "{}",
        '{"route":{"origin":""},"codes":null}',
    )
    at = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert [[row[name] for name in names] for row in found] == [
        [{"origin": "JFK", "at": at}, [1, None], [{"origin": "A", "at": None}], [[1], [], None]],
        [None, [], [], []],
        [None, None, None, None],
        [{"origin": "", "at": None}, None, None, None],
    ]


@pytest.mark.parametrize(
    ("text", "rule", "path"),
    [
        ('{"route":{"origin":null}}', "required", "$.route.origin"),
        ('{"route":{}}', "required", "$.route.origin"),
        ('{"route":{"origin":"A","at":"noon"}}', "format", "$.route.at"),
        ('{"route":[]}', "type", "$.route"),
        ('{"codes":{}}', "type", "$.codes"),
        ('{"codes":[1,"2"]}', "type", "$.codes[1]"),
        ('{"codes":[1,2,3000000000]}', "range", "$.codes[2]"),
        ('{"stops":[null]}', "required", "$.stops[0]"),
        ('{"stops":[{"origin":"A"},{"origin":"B","at":"noon"}]}', "format", "$.stops[1].at"),
        ('{"grid":[[1],[2,3000000000]]}', "range", "$.grid[1][1]"),
    ],
)
def test_a_bad_part_is_named_by_its_path(text: str, rule: str, path: str) -> None:
    """The path leads to the part that breaks the contract."""
    found = letter(stream(_ROUTE, _CODES, _STOPS, _GRID), text)
    assert (found.rule, found.path) == (rule, path)


def test_maps() -> None:
    """A JSON object becomes a map; keys of other types are read strictly."""
    day = ColumnType(kind=Kind.DATE)
    found = rows(stream(_map(Kind.INT, day)), '{"m":{"1":"2020-01-01","-2":null}}', '{"m":{}}', '{"m":null}')
    assert [row["m"] for row in found] == [[(1, dt.date(2020, 1, 1)), (-2, None)], [], None]
    key = "197F2DF9-E2C3-4AC6-891C-19160EC8B1C2"
    (row,) = rows(stream(_map(Kind.UUID, day)), f'{{"m":{{"{key}":null}}}}')
    assert row["m"] == [(uuid.UUID(key), None)]
    (row,) = rows(stream(_map(Kind.STRING, day)), '{"m":{"":null}}')
    assert row["m"] == [("", None)]


@pytest.mark.parametrize(
    ("key", "text", "rule"),
    [
        (Kind.INT, '{"01":1}', "format"),
        (Kind.INT, '{"+1":1}', "format"),
        (Kind.INT, '{" 1":1}', "format"),
        (Kind.INT, '{"-0":1}', "format"),
        (Kind.INT, '{"1.0":1}', "format"),
        (Kind.INT, '{"2147483648":1}', "range"),
        (Kind.UUID, '{"x":1}', "format"),
        (
            Kind.UUID,
            '{"197F2DF9-E2C3-4AC6-891C-19160EC8B1C2":1,"197f2df9-e2c3-4ac6-891c-19160ec8b1c2":1}',
            "duplicate_key",
        ),
        (Kind.STRING, '{"secret":"1"}', "type"),
        (Kind.STRING, '{"secret":3000000000}', "range"),
    ],
)
def test_a_maps_keys_are_no_part_of_path_or_message(key: Kind, text: str, rule: str) -> None:
    """What stands in a map is refused like anything else; its keys are data and are not told."""
    found = letter(stream(_map(key, ColumnType(kind=Kind.INT))), f'{{"m":{text}}}')
    assert found.rule == rule
    assert found.path in ("$.m", "$.m[...]")
    assert "secret" not in found.message


def test_json_text_is_compact_and_exact() -> None:
    """An object without declared fields is kept as text: no digit lost, no space kept."""
    contract = stream(column("doc", Kind.JSON))
    digits = "1" * 5_000
    (row,) = rows(contract, f'{{"doc": {{"a" : 1.10, "b": [-0.0, {digits}, 1E+5], "c": "\\u00e9" }} }}')
    assert row["doc"] == f'{{"a":1.10,"b":[-0.0,{digits},1E+5],"c":"é"}}'
