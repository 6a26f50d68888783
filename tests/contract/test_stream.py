"""Streams: custom properties, servers, and what each kind of event demands."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.choices import Envelope, EventKind, StartFrom
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.load import load_contract, read_contract
from mesh_defs.model.findings import Finding, Severity
from tests.contract.documents import stream, stream_of, write_stream

_KEY = {"name": "id", "logicalType": "string", "required": True, "primaryKey": True}
_PERSONAL = {"name": "name", "logicalType": "string", "classification": "personal"}


def _load(tmp_path: Path, document: dict[str, Any]) -> StreamContract:
    contract = load_contract(write_stream(tmp_path, document))
    assert isinstance(contract, StreamContract)
    return contract


def _findings(tmp_path: Path, document: dict[str, Any]) -> tuple[Finding, ...]:
    return read_contract(write_stream(tmp_path, document)).findings


def _messages(tmp_path: Path, document: dict[str, Any]) -> list[str]:
    return [finding.message for finding in _findings(tmp_path, document)]


@pytest.mark.parametrize(
    ("custom", "field", "value"),
    [
        ({"startFrom": "latest"}, "start_from", StartFrom.LATEST),
        (
            {"startFrom": "2013-01-01T01:00:00+01:00"},
            "start_from",
            dt.datetime(2013, 1, 1, tzinfo=dt.UTC),
        ),
        ({"maxDeadLetterRatio": 1}, "max_dead_letter_ratio", 1.0),
        ({"retainRaw": True}, "retain_raw", True),
        ({"onError": "fail"}, "on_error", "fail"),
        ({"onLoss": "record"}, "on_loss", "record"),
        ({"onUnknownField": "dead_letter"}, "on_unknown_field", "dead_letter"),
        ({"envelope": "debezium"}, "envelope", Envelope.DEBEZIUM),
        ({"eventId": "coordinates"}, "event_id", "coordinates"),
        ({"eventKind": "notification", "reference": "x.y.z"}, "reference", "x.y.z"),
    ],
)
def test_custom_properties_are_carried(
    tmp_path: Path, custom: dict[str, Any], field: str, value: object
) -> None:
    """Each property in its own field."""
    assert getattr(_load(tmp_path, stream(**custom)), field) == value


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({"eventKnid": "delta"}, "unknown custom property 'eventKnid'; did you mean 'eventKind'?"),
        ({"event_kind": "delta"}, "did you mean 'eventKind'?"),
        ({"eventKind": "deltas"}, "eventKind cannot be 'deltas'; did you mean 'delta'?"),
        ({"eventKind": None}, "eventKind must be said: state, delta"),
        ({"eventKind": 3}, "eventKind must be one of"),
        ({"envelope": "cloudevent"}, "did you mean 'cloudevents'?"),
        ({"partitions": 0}, "partitions must be a whole number, 1 or more"),
        ({"partitions": True}, "partitions must be"),
        ({"partitions": "2"}, "partitions must be"),
        ({"partitions": 2.0}, "partitions must be"),
        ({"startFrom": "yesterday"}, "startFrom must be earliest, latest"),
        ({"startFrom": "2013-01-01T00:00:00"}, "startFrom must be"),
        ({"startFrom": 5}, "startFrom must be"),
        ({"allowedLateness": "26h"}, "is no ISO 8601 duration"),
        ({"allowedLateness": "P1M"}, "has no fixed length"),
        ({"allowedLateness": 26}, "must be an ISO 8601 duration"),
        ({"maxDeadLetterRatio": 1.1}, "must be a number from 0 to 1"),
        ({"maxDeadLetterRatio": -0.1}, "must be a number from 0 to 1"),
        ({"maxDeadLetterRatio": False}, "must be a number from 0 to 1"),
        ({"onError": "ignore"}, "onError cannot be 'ignore'; known: dead_letter, fail"),
        ({"onUnknownField": "drop"}, "onUnknownField cannot be 'drop'"),
        ({"retainRaw": "true"}, "retainRaw must be true or false, without quotes"),
        ({"eventTime": ["at"]}, "eventTime must be text"),
        ({"eventTime": "att"}, "eventTime names 'att', which is no column; did you mean 'at'?"),
        ({"eventTime": "id"}, "must be a timestamp or a date"),
        ({"eventId": "nid"}, "eventId names 'nid', which is no column"),
        ({"subjectKey": "nid"}, "subjectKey names 'nid', which is no column"),
        ({"eventKind": "notification"}, "a notification needs `reference`"),
        ({"eventKind": "notification", "reference": "a.b"}, "reference must be domain.table.column"),
        ({"reference": "a.b.c"}, "reference is of no use for a delta"),
        ({"eventKind": "state"}, "a state needs a key"),
        ({"incremental": "full"}, "incremental is of no use for a stream, only for a product"),
        ({"load": "snapshot"}, "load is of no use for a stream, only for data at rest"),
        ({"schema": "x.avsc"}, "schema is of no use for format json"),
        ({"eventType": "x"}, "eventType belongs to the schema object"),
        ({"history": "airports"}, "not supported yet: history"),
        (
            {"eventTypeFrom": "type"},
            "eventTypeFrom is of use only where schema objects say their `eventType`",
        ),
    ],
)
def test_what_a_stream_cannot_say(tmp_path: Path, custom: dict[str, Any], message: str) -> None:
    """Unknown, useless, wrong and not yet supported custom properties are findings that say so."""
    findings = _findings(tmp_path, stream(**custom))
    assert any(message in f.message for f in findings if f.severity is Severity.ERROR), findings


def test_a_repeated_custom_property_is_a_finding(tmp_path: Path) -> None:
    """The second one is not taken in silence."""
    document = stream()
    document["customProperties"] *= 2
    assert any("eventKind stands twice" in message for message in _messages(tmp_path, document))


def test_what_is_not_supported_yet_is_told_by_its_rule(tmp_path: Path) -> None:
    """Later parts of the design are told from mistakes."""
    document = stream()
    document["servers"] = [
        {
            "server": "erp",
            "type": "postgres",
            "host": "localhost",
            "port": 5432,
            "database": "e",
            "schema": "s",
        }
    ]
    findings = [f for f in _findings(tmp_path, document) if f.rule == "not-supported-yet"]
    assert [f.message for f in findings] == [
        "not supported yet: data at rest in a database (server type postgres)"
    ]


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"format": None}, "`format` must be said: json, avro, protobuf"),
        ({"format": "jsno"}, "format 'jsno' is not supported; did you mean 'json'?"),
        ({"encoding": "latin1"}, "this encoding is not supported"),
        (
            {"customProperties": [{"property": "partitions", "value": 1}]},
            "belongs to the customProperties at the top",
        ),
        ({"type": "azure", "location": "az://x", "format": "csv"}, "server type 'azure' is not supported"),
    ],
)
def test_servers(tmp_path: Path, server: dict[str, Any], message: str) -> None:
    """A stream's server is of type kafka and says its format."""
    document = stream()
    changed = document["servers"][0] | server
    document["servers"] = [{key: value for key, value in changed.items() if value is not None}]
    assert any(message in text for text in _messages(tmp_path, document))


@pytest.mark.parametrize(
    ("servers", "message"), [([], "needs a server of type kafka"), (2, "has one server")]
)
def test_a_stream_has_one_server(tmp_path: Path, servers: Any, message: str) -> None:
    """Neither none nor two."""
    document = stream()
    document["servers"] = document["servers"] * servers if servers else []
    assert any(message in text for text in _messages(tmp_path, document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"physicalName": None}, "`physicalName` must be said: the topic"),
        ({"physicalName": "a/b"}, "'a/b' is no topic name"),
        ({"physicalName": ".."}, "is no topic name"),
        ({"physicalType": "table"}, "physicalType 'table' is not supported: a stream's is topic"),
        ({"name": "Orders"}, "'Orders' is no table name"),
        ({"name": "ledger"}, "'ledger' is a table of the platform's own"),
        ({"name": "a" * 64}, "is no table name"),
        ({"properties": []}, "a table needs `properties`"),
        ({"properties": None}, "a table needs `properties`"),
    ],
)
def test_tables_and_topics(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """Names match the design's patterns, and none is the platform's own."""
    document = stream()
    changed = document["schema"][0] | change
    document["schema"] = [{key: value for key, value in changed.items() if value is not None}]
    assert any(message in text for text in _messages(tmp_path, document))


@pytest.mark.parametrize(
    ("format_", "framing"), [("avro", "confluent"), ("protobuf", "confluent"), ("json", "none")]
)
def test_framing_follows_the_format(tmp_path: Path, format_: str, framing: str) -> None:
    """Avro and Protobuf are framed as Confluent does, JSON not at all."""
    document = stream()
    document["servers"][0]["format"] = format_
    contract = _load(tmp_path, document)
    assert (contract.format, contract.framing) == (format_, framing)


def test_framing_and_schema_of_avro_are_carried(tmp_path: Path) -> None:
    """The schema's file must stand beside the contract."""
    document = stream(framing="single_object", schema="x.avsc")
    document["servers"][0]["format"] = "avro"
    assert any("x.avsc does not stand beside" in text for text in _messages(tmp_path, document))
    (tmp_path / "d" / "streams" / "x.avsc").write_text("{}")
    contract = _load(tmp_path, document)
    assert (contract.framing, contract.schema_file) == ("single_object", contract.path.parent / "x.avsc")


@pytest.mark.parametrize("name", ["../x.avsc", "x.proto", "/etc/x.avsc"])
def test_a_schema_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """Only a file beside the contract, of the format's own suffix."""
    document = stream(schema=name)
    document["servers"][0]["format"] = "avro"
    assert any("must be the name of a .avsc file" in text for text in _messages(tmp_path, document))


@pytest.mark.parametrize("kind", [EventKind.DELTA, EventKind.MEASUREMENT])
def test_events_need_no_key(tmp_path: Path, kind: EventKind) -> None:
    """Coordinates identify an event that says nothing else."""
    assert _load(tmp_path, stream(eventKind=str(kind))).event_kind is kind


def test_a_state_with_a_key(tmp_path: Path) -> None:
    """The key's columns are named by `primaryKey`."""
    assert _load(tmp_path, stream_of(_KEY, eventKind="state")).primary_key == ("id",)


def test_a_hybrid_without_a_key_is_doubtful(tmp_path: Path) -> None:
    """It gives events, but no state: a warning, which refuses nothing."""
    loaded = read_contract(write_stream(tmp_path, stream(eventKind="hybrid")))
    assert loaded.contract is not None
    assert [f.severity for f in loaded.findings] == [Severity.WARNING]


def test_an_event_id_that_may_be_absent_is_doubtful(tmp_path: Path) -> None:
    """Records without it have no identity."""
    document = stream_of({"name": "id", "logicalType": "string"}, eventId="id")
    assert [f.severity for f in _findings(tmp_path, document)] == [Severity.WARNING]


def test_an_event_time_without_an_offset_is_doubtful(tmp_path: Path) -> None:
    """It is read as UTC, which is told."""
    column = {"name": "at", "logicalType": "timestamp", "logicalTypeOptions": {"timezone": False}}
    findings = _findings(tmp_path, stream_of(column, eventTime="at"))
    assert [(f.severity, f.rule) for f in findings] == [(Severity.WARNING, "column")]


def test_an_event_id_is_a_plain_value(tmp_path: Path) -> None:
    """An object identifies nothing."""
    document = stream_of({"name": "id", "logicalType": "object"}, eventId="id")
    assert any("which is no identity" in text for text in _messages(tmp_path, document))


@pytest.mark.parametrize(
    "word", ["personal", "PII", "personal data", "sensitive-personal", "personally_identifiable"]
)
def test_personal_data_needs_a_subject_key(tmp_path: Path, word: str) -> None:
    """Whatever the organisation calls it."""
    document = stream_of(_KEY, _PERSONAL | {"classification": word})
    assert any("personal data needs" in text for text in _messages(tmp_path, document))
    named = stream_of(_KEY, _PERSONAL | {"classification": word}, subjectKey="id")
    assert _load(tmp_path, named).subject_key == "id"


@pytest.mark.parametrize("word", ["public", "non-personal", "not personal", "impersonal", "internal"])
def test_other_data_needs_no_subject_key(tmp_path: Path, word: str) -> None:
    """Only data about persons does."""
    assert _load(tmp_path, stream_of(_KEY, _PERSONAL | {"classification": word})).subject_key is None


def test_personal_data_in_an_object_needs_a_subject_key(tmp_path: Path) -> None:
    """Nested fields and elements count."""
    person = {
        "name": "p",
        "logicalType": "array",
        "items": {"logicalType": "object", "properties": [_PERSONAL]},
    }
    document = stream_of(_KEY, {"name": "o", "logicalType": "object", "properties": [person]})
    findings = [f for f in _findings(tmp_path, document) if f.rule == "subject-key"]
    assert [f.where for f in findings] == [
        "schema[0].properties[1].properties[0].items.properties[0].classification"
    ]


@pytest.mark.parametrize("status", ["proposed", "draft", "active", "deprecated", "retired"])
def test_the_lifecycle(tmp_path: Path, status: str) -> None:
    """Every status of the standard is carried."""
    assert _load(tmp_path, stream() | {"status": status}).status == status


@pytest.mark.parametrize(
    ("team", "owner", "severities"),
    [
        ({"name": "t", "members": [{"username": "a@b.org", "role": "Owner"}]}, "a@b.org", []),
        ([{"username": "team:ops", "role": "owner"}], "team:ops", []),
        ({"name": "t", "members": [{"username": "a@b.org", "role": "dpo"}]}, None, []),
        ({"name": "t", "members": [{"username": "jdoe", "role": "owner"}]}, None, [Severity.WARNING]),
    ],
)
def test_the_owner_of_the_team(
    tmp_path: Path, team: Any, owner: str | None, severities: list[Severity]
) -> None:
    """The member with the role `owner`, if others can reach it."""
    loaded = read_contract(write_stream(tmp_path, stream() | {"team": team}))
    assert loaded.contract is not None
    assert loaded.contract.owner == owner
    assert [f.severity for f in loaded.findings] == severities


def test_the_domain_of_a_file_elsewhere(tmp_path: Path) -> None:
    """Outside of a domain's folder the file's own word counts, and must be said."""
    path = tmp_path / "x.odcs.yaml"
    path.write_text(write_stream(tmp_path, stream()).read_text())
    assert load_contract(path).full_name == "d.s"
    path.write_text(path.read_text().replace('"domain": "d",', ""))
    assert [f.rule for f in read_contract(path).findings] == ["domain"]
