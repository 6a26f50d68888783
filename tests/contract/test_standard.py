"""A contract against the official JSON Schema: every finding at its line, with a suggestion."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.load import load_contract, read_contract
from mesh_defs.model.errors import ContractError
from mesh_defs.model.findings import Finding, Severity
from tests.contract.documents import FLIGHT_EVENTS, stream, stream_of, write_stream


def _messages(tmp_path: Path, document: dict[str, Any]) -> list[str]:
    loaded = read_contract(write_stream(tmp_path, document))
    return [f"{f.where}: {f.message}" for f in loaded.findings]


def test_an_unknown_key_names_its_line_and_the_key_that_was_meant(tmp_path: Path) -> None:
    """The finding stands at the key, not at the value or the mapping."""
    path = write_stream(
        tmp_path, FLIGHT_EVENTS.replace("required: true}", "requird: true}", 1), domain="operations"
    )
    findings = read_contract(path).findings
    assert findings[0] == (
        Finding(
            path=path,
            line=20,
            column=83,
            severity=Severity.ERROR,
            where="schema[0].properties[0].requird",
            rule="unknown-key",
            message="unknown key; did you mean 'required'?",
        )
    )


def test_everything_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Findings of the standard, of types, of names and of custom properties stand in one error, by line."""
    text = (
        FLIGHT_EVENTS.replace("status: active", "status: activ")
        .replace("kind: DataContract", "kind: Contract")
        .replace("name: flight_id", "name: _key")
        .replace("partitions, value: 2", "partitions, value: 0")
        .replace("decimal(12,2)", "decimal(12)")
        .replace("format: json", "format: xml")
    )
    path = write_stream(tmp_path, text, domain="operations")
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert [(f.line, f.rule) for f in caught.value.findings] == [
        (2, "standard"),
        (6, "value"),
        (14, "not-supported"),
        (21, "name"),
        (31, "type"),
        (49, "value"),
        (56, "column"),
    ]
    assert all(f"{path}:{f.line}:" in str(caught.value) for f in caught.value.findings)


def test_the_error_survives_a_process_boundary(tmp_path: Path) -> None:
    """Findings travel with the pickled error."""
    path = write_stream(tmp_path, stream(eventKind=None))
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert copy.findings == caught.value.findings
    assert str(copy) == str(caught.value)


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        ("", "statuss", "active", "statuss: unknown key; did you mean 'status'?"),
        ("", "version", 1.0, "version: must be text"),
        ("", "apiVersion", "v9.0.0", "is none of the allowed values"),
        ("", "apiVersion", "v2.2.2", "'v2.2.2' is not supported"),
        ("", "version", "1", "must be MAJOR.MINOR.PATCH"),
        ("", "status", "activ", "did you mean 'active'?"),
        ("", "status", None, "status: must be text"),
        ("", "description", "text", "description: must be a mapping"),
        ("", "team", "text", "team: must be a list or a mapping"),
        ("", "team", {"nmae": "a"}, "team.nmae: unknown key; did you mean 'name'?"),
        ("", "team", [{"user": "a"}], "'username' must be said here"),
        ("", "domain", "other", "domain 'other' is not that of the folder, 'd'"),
        ("", "customProperties", {"eventKind": "delta"}, "customProperties: must be a list"),
        ("", "slaProperties", [{"property": "latency"}], "'value' must be said here"),
        ("servers.0", "hots", "x", "hots: unknown key; did you mean 'host'?"),
        ("servers.0", "type", "kafak", "did you mean 'kafka'?"),
        ("servers.0", "host", None, "host: must be text"),
        ("schema.0", "physicalNmae", "x", "unknown key; did you mean 'physicalName'?"),
        ("schema.0", "properties", {"a": "string"}, "properties: must be a list"),
        ("schema.0.properties.0", "required", "yes", "required: must be true or false"),
        ("schema.0.properties.0", "Required", True, "did you mean 'required'?"),
        ("schema.0.properties.0", "quality", [{"metric": "nullValues"}], "one of these must be said: mustBe"),
        (
            "schema.0.properties.0",
            "quality",
            [{"metric": "nullValues", "mustBe": 0, "mustNotBe": 1}],
            "only one of these may be said: mustBe",
        ),
        (
            "schema.0.properties.0",
            "quality",
            [{"metric": "nulValues", "mustBe": 0}],
            "did you mean 'nullValues'?",
        ),
    ],
)
def test_what_the_standard_refuses(tmp_path: Path, place: str, key: str, value: Any, message: str) -> None:
    """In words, at the place, with the word that was meant."""
    document = stream()
    target: Any = document
    for step in filter(None, place.split(".")):
        target = target[int(step) if step.isdigit() else step]
    target[key] = value
    found = _messages(tmp_path, document)
    assert any(message in text for text in found), found


@pytest.mark.parametrize("key", ["version", "apiVersion", "kind", "id", "status"])
def test_what_must_be_said(tmp_path: Path, key: str) -> None:
    """The keys without which there is no contract."""
    document = stream()
    del document[key]
    assert any(f"'{key}'" in text and "must be said here" in text for text in _messages(tmp_path, document))


def test_one_typing_error_is_one_finding(tmp_path: Path) -> None:
    """An error below a key does not make the keys beside it unknown."""
    document = stream_of({"name": "a", "logicalType": "strng", "required": True, "description": "x"})
    assert len(_messages(tmp_path, document)) == 1


def test_a_list_is_no_contract(tmp_path: Path) -> None:
    """The document itself must be a mapping."""
    path = write_stream(tmp_path, "- a\n")
    assert [f.message for f in read_contract(path).findings] == [
        "a contract is a mapping: `apiVersion: v3.1.0` and so on"
    ]


def test_what_the_mesh_does_not_read_may_be_said(tmp_path: Path) -> None:
    """Everything of the standard that only people read: roles, support, price, relationships."""
    document = stream()
    document |= {
        "tags": ["a", "b"],
        "roles": [{"role": "r", "access": "read", "customProperties": [{"property": "x", "value": 1}]}],
        "support": [{"channel": "#help", "url": "https://example.org"}],
        "price": {"priceAmount": 1.5, "priceCurrency": "EUR"},
        "authoritativeDefinitions": [{"url": "https://example.org", "type": "definition"}],
        "customProperties": [
            *document["customProperties"],
            {"property": "shape", "value": {"a": [1]}, "vendor": "another"},
        ],
    }
    document["schema"][0]["relationships"] = [{"from": "s.id", "to": "t.id"}]
    contract = load_contract(write_stream(tmp_path, document))
    assert contract.tags == ("a", "b")


def test_findings_are_plain_data(tmp_path: Path) -> None:
    """A finding can be printed as JSON for programs."""
    finding = read_contract(write_stream(tmp_path, stream(eventKind=None))).findings[0]
    assert json.dumps({"line": finding.line, "severity": finding.severity}) == (
        f'{{"line": {finding.line}, "severity": "error"}}'
    )
