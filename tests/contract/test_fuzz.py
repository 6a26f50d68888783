"""Whatever stands in a file, loading it gives a contract or a `ContractError`."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mesh_defs.contract.contract import ProductContract, StreamContract
from mesh_defs.contract.load import load_contract
from mesh_defs.contract.report import Report
from mesh_defs.model.errors import ContractError
from tests.contract.documents import DELAY_BY_HOUR, FLIGHT_EVENTS, write_product, write_stream

_MANY_TYPES = """\
apiVersion: v3.2.0
kind: DataContract
id: x
version: 1.0.0
status: active
servers: [{server: main, type: kafka, host: h, format: avro}]
schema:
  - name: s
    physicalName: t
    quality: [{metric: rowCount, mustBeGreaterThan: 0}]
    properties:
      - {name: a, logicalType: string, logicalTypeOptions: {pattern: "^a", minLength: 1, format: email}}
      - {name: b, logicalType: timestamp, logicalTypeOptions: {minimum: "2020-01-01T00:00:00Z", timezone: true}}
      - {name: c, logicalType: object, physicalType: "map<string,map<int,decimal(9,2)>>"}
      - {name: d, logicalType: map, map: {key: {logicalType: string}, value: {logicalType: integer}}}
      - {name: e, logicalType: array, items: {logicalType: object, properties: [{name: x, logicalType: date}]}}
      - {name: f, logicalType: integer, enum: [{value: 1}], logicalTypeOptions: {format: u8, multipleOf: 2}}
      - {name: g, physicalType: "decimal(3,1)", primaryKey: true, primaryKeyPosition: 1, classification: pii}
slaProperties: [{property: latency, value: 1, unit: s}]
team: [{username: a@b.org, role: owner}]
customProperties:
  - {property: eventKind, value: notification}
  - {property: reference, value: d.t.c}
  - {property: subjectKey, value: a}
  - {property: startFrom, value: "2020-01-01T00:00:00Z"}
"""

_BASES = [YAML(typ="safe", pure=True).load(text) for text in (FLIGHT_EVENTS, DELAY_BY_HOUR, _MANY_TYPES)]

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            "object",
            "array",
            "map",
            "string",
            "integer",
            "kafka",
            "decimal(,)",
            "map<,>",
            "P1D",
            "1e400",
            "*",
            "a b",
        ]
    ),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def _paths(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield from _paths(child, (*path, key))


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    document = copy.deepcopy(draw(st.sampled_from(_BASES)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from([p for p in _paths(document) if p] or [()]))
        if not path:
            break
        target = document
        for step in path[:-1]:
            target = target[step]
        match draw(st.sampled_from(["drop", "replace", "add", "rename", "swap"])):
            case "drop":
                del target[path[-1]]
            case "replace":
                target[path[-1]] = draw(_VALUES)
            case "add" if isinstance(target[path[-1]], dict):
                target[path[-1]][draw(st.text(max_size=8))] = draw(_VALUES)
            case "add" if isinstance(target[path[-1]], list):
                target[path[-1]].append(draw(_VALUES))
            case "rename" if isinstance(target, dict):
                target[draw(st.sampled_from(["properties", "items", "name", "value", "x"]))] = target.pop(
                    path[-1]
                )
            case _:
                target[path[-1]] = copy.deepcopy(draw(st.sampled_from(_BASES))["schema"])
    return document


def _load(path: Path) -> None:
    refused: ContractError | None = None
    contract: StreamContract | ProductContract | None = None
    try:
        contract = load_contract(path)
    except ContractError as error:
        refused = error
    assert contract is not None or (refused is not None and refused.findings and str(refused))


@settings(max_examples=150, deadline=None)
@given(_mutated())
def test_a_mutated_contract_is_loaded_or_refused(document: Any) -> None:
    """Nodes dropped, replaced, renamed, added and moved at random."""
    with tempfile.TemporaryDirectory() as folder:
        for write in (write_stream, write_product):
            _load(write(Path(folder), json.dumps(document)))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_contract_with_broken_text_is_loaded_or_refused(data: st.DataObject) -> None:
    """Characters cut out of the file, and others put in."""
    text = data.draw(st.sampled_from([FLIGHT_EVENTS, DELAY_BY_HOUR, _MANY_TYPES]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 30)))
        text = (
            text[:start]
            + data.draw(st.text(max_size=5) | st.sampled_from(list("&*!|>'\"%@`{}[]:-#?,")))
            + text[end:]
        )
    with tempfile.TemporaryDirectory() as folder:
        path = write_stream(Path(folder), "")
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        _load(path)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    """Bytes that are no contract never get further than a refusal."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_stream(Path(folder), "")
        path.write_bytes(content)
        with pytest.raises(ContractError):
            load_contract(path)


def test_a_report_tells_a_finding_once(tmp_path: Path) -> None:
    """The same finding at the same place, found in two ways, stands once."""
    report = Report(tmp_path)
    report.at(1, 1, "", "rule", "message")
    report.at(1, 1, "", "rule", "message")
    assert len(report.findings) == 1
