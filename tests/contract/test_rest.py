"""The contract of data at rest: what it may say, and what it becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.choices import EventKind, LoadMode, OnError, OnUnknownField
from mesh_defs.contract.contract import COORDINATES, RestContract
from mesh_defs.contract.domain import load_domain
from mesh_defs.contract.load import load_contract, read_contract
from mesh_defs.model.findings import Severity
from tests.contract.documents import rest, write_domain, write_stream

AIRPORTS = """\
apiVersion: v3.1.0
kind: DataContract
id: network.airports
name: Airports
version: 1.0.0
status: active
domain: network
servers:
  - {server: files, type: local, path: rest/airports.csv, format: csv}
schema:
  - name: airports
    physicalName: airports
    physicalType: file
    properties:
      - {name: faa, logicalType: string, required: true, primaryKey: true}
      - {name: lat, logicalType: number}
customProperties:
  - {property: load, value: snapshot}
  - {property: nullText, value: [NA, "-"]}
"""


def load(tmp_path: Path, document: dict[str, Any] | str) -> RestContract:
    """Write and load a contract of data at rest."""
    contract = load_contract(write_stream(tmp_path, document))
    assert isinstance(contract, RestContract)
    return contract


def test_the_example_of_the_design_is_read_whole(tmp_path: Path) -> None:
    """What it says is there, what it does not say has its default."""
    contract = load(tmp_path, AIRPORTS.replace("domain: network", "domain: d"))
    assert (contract.source, contract.format, contract.load) == (
        "rest/airports.csv",
        "csv",
        LoadMode.SNAPSHOT,
    )
    assert contract.null_text == ("NA", "-")
    assert (contract.delimiter, contract.cursor, contract.event_kind) == (None, None, None)
    assert (contract.event_id, contract.on_error) == (COORDINATES, OnError.DEAD_LETTER)
    assert contract.primary_key == ("faa",)


def test_what_it_can_say_is_taken(tmp_path: Path) -> None:
    """Every custom property of data at rest is a field of the contract."""
    columns = [
        {"name": "id", "logicalType": "integer", "required": True, "primaryKey": True},
        {"name": "at", "logicalType": "timestamp"},
    ]
    document = rest(
        columns=columns,
        eventKind="state",
        load="append",
        cursor="id",
        delimiter=";",
        nullText="NA",
        eventTime="at",
        eventId="id",
        onError="fail",
        maxDeadLetterRatio=0.5,
        onUnknownField="dead_letter",
    )
    contract = load(tmp_path, document)
    assert (contract.load, contract.cursor, contract.delimiter) == (LoadMode.APPEND, "id", ";")
    assert (contract.event_kind, contract.null_text) == (EventKind.STATE, ("NA",))
    assert (contract.event_time, contract.event_id) == ("at", "id")
    assert (contract.on_error, contract.max_dead_letter_ratio) == (OnError.FAIL, 0.5)
    assert contract.on_unknown_field is OnUnknownField.DEAD_LETTER


def test_a_domain_knows_its_data_at_rest(tmp_path: Path) -> None:
    """It is neither a stream nor a product, and is brought in by the same pass."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, rest())
    domain = load_domain(folder)
    assert (domain.streams, domain.products) == ((), ())
    assert domain.input("s") == domain.inputs[0] == domain.ingested[0] == domain.table("s")
    assert domain.input("t") is None


@pytest.mark.parametrize(
    ("format_", "custom", "message"),
    [
        ("csv", {"loda": "append"}, "unknown custom property 'loda'; did you mean 'load'?"),
        ("csv", {"nulltext": "NA"}, "did you mean 'nullText'?"),
        ("csv", {"load": "apend"}, "load cannot be 'apend'; did you mean 'append'?"),
        ("csv", {"partitions": 2}, "partitions is of no use for data at rest, only for a stream"),
        ("csv", {"envelope": "none"}, "envelope is of no use for data at rest"),
        ("csv", {"history": "x"}, "history is of no use for data at rest"),
        ("csv", {"cursor": "id"}, "cursor is of no use for a snapshot"),
        (
            "csv",
            {"load": "append", "cursor": "idd"},
            "cursor names 'idd', which is no column; did you mean 'id'?",
        ),
        ("csv", {"load": "append", "cursor": "at"}, "cursor names 'at', which must be `required`"),
        ("csv", {"delimiter": "ab"}, "delimiter must be one character"),
        ("csv", {"delimiter": '"'}, "delimiter must be one character"),
        ("csv", {"delimiter": "array"}, "delimiter of csv must be one character"),
        ("json", {"delimiter": ";"}, "delimiter of json must be new_line or array"),
        ("parquet", {"delimiter": ";"}, "delimiter is of no use for parquet"),
        ("parquet", {"nullText": "NA"}, "nullText is of no use for parquet"),
        ("csv", {"nullText": ""}, "nullText must be text"),
        ("csv", {"nullText": ["NA", 1]}, "nullText must be text"),
        ("delta", {}, "format 'delta' is not supported; known: csv, json, parquet"),
        ("cvs", {}, "format 'cvs' is not supported; did you mean 'csv'?"),
        ("csv", {"eventTime": "id"}, "must be a timestamp or a date"),
        ("csv", {"eventId": "nid"}, "eventId names 'nid', which is no column"),
    ],
)
def test_what_it_cannot_say(tmp_path: Path, format_: str, custom: dict[str, Any], message: str) -> None:
    """Unknown, useless and wrong words are findings that say so."""
    findings = read_contract(write_stream(tmp_path, rest(format_, **custom))).findings
    assert any(message in f.message for f in findings if f.severity is Severity.ERROR), findings


@pytest.mark.parametrize("kind", ["state", "notification"])
def test_an_event_kind_must_fit(tmp_path: Path, kind: str) -> None:
    """A state needs a key; a notification is no data at rest."""
    findings = read_contract(write_stream(tmp_path, rest(eventKind=kind))).findings
    assert [f.rule for f in findings] == ["event-kind"]


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"path": " "}, "path must name a file"),
        ({"path": "s3://bucket/x.csv"}, "a file of this machine is meant"),
        ({"encoding": "UTF-16"}, "this encoding is not supported"),
        ({"customProperties": [{"property": "delimiter", "value": ";"}]}, "at the top of the file"),
        ({"delimiter": ";"}, "unknown key"),
    ],
)
def test_what_a_server_cannot_say(tmp_path: Path, server: dict[str, Any], message: str) -> None:
    """Its path names files of this machine, and CSV's details stand at the top of the contract."""
    document = rest()
    document["servers"][0] |= server
    findings = read_contract(write_stream(tmp_path, document)).findings
    assert any(message in f.message for f in findings), findings


def test_other_servers_and_types_are_told(tmp_path: Path) -> None:
    """One server, of type local; a file's physical type."""
    document = rest()
    document["servers"].append({"server": "s3", "type": "s3", "location": "s3://b/x.csv"})
    document["schema"][0]["physicalType"] = "table"
    messages = [f.message for f in read_contract(write_stream(tmp_path, document)).findings]
    assert "data at rest has one server; remove the others" in messages
    assert any("server type 's3' is not supported" in m for m in messages)
    assert any("that of files at rest is file" in m for m in messages)
