"""Several event types in one topic: the contract of the stream, of each table, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.contract.choices import TypeSource
from mesh_defs.contract.contract import COORDINATES, EventTypeFrom, StreamContract
from mesh_defs.contract.domain import load_domain, read_domain
from mesh_defs.contract.lint import lint_paths
from mesh_defs.contract.load import load_contract, read_contract
from mesh_defs.model.findings import Severity
from tests.contract.documents import (
    product,
    stream,
    stream_of_types,
    write_domain,
    write_product,
    write_stream,
)

_KEY = {"name": "id", "logicalType": "string", "required": True, "primaryKey": True}
Document = dict[str, Any]


def _load(tmp_path: Path, document: Document, name: str = "s") -> StreamContract:
    contract = load_contract(write_stream(tmp_path, document, name))
    assert isinstance(contract, StreamContract)
    return contract


def _errors(tmp_path: Path, document: Document, name: str = "s") -> list[str]:
    findings = read_contract(write_stream(tmp_path, document, name)).findings
    return [finding.message for finding in findings if finding.severity is Severity.ERROR]


def _say(table: Document, **custom: Any) -> None:
    table["customProperties"] += [{"property": name, "value": value} for name, value in custom.items()]


def test_each_type_is_a_table_of_one_stream(tmp_path: Path) -> None:
    """The stream is called as its file; its tables share topic and settings, and each knows its type."""
    document = stream_of_types("placed", "paid", onError="fail", eventTime="at", partitions=3)
    document["schema"][0]["description"] = "An order was placed."
    document["description"] = {"purpose": "What happens to orders."}
    contract = _load(tmp_path, document, "orders")
    assert (contract.full_name, contract.columns, contract.description) == (
        "d.orders",
        (),
        "What happens to orders.",
    )
    assert [(t.full_name, t.event_type, t.stream_name) for t in contract.tables] == [
        ("d.placed", "placed", "orders"),
        ("d.paid", "paid", "orders"),
    ]
    assert {(c.topic, c.on_error, c.partitions) for c in (contract, *contract.tables)} == {
        ("d.s.v1", "fail", 3)
    }
    assert [t.event_time for t in contract.tables] == ["at", "at"]
    assert contract.tables[0].description == "An order was placed."


def test_a_stream_of_one_type_is_its_own_table(tmp_path: Path) -> None:
    """Nothing changes where no schema object says `eventType`."""
    contract = _load(tmp_path, stream(), "called_otherwise")
    assert (contract.name, contract.stream_name, contract.tables) == ("s", "s", (contract,))


def test_one_schema_object_may_say_its_type(tmp_path: Path) -> None:
    """The topic holds others too, which are dead letters; a second type joins without a new name."""
    contract = _load(tmp_path, stream_of_types("placed"), "orders")
    assert (contract.name, [t.name for t in contract.tables]) == ("orders", ["placed"])


def test_a_type_says_its_own_event_time_identity_and_subject(tmp_path: Path) -> None:
    """What the schema object says goes before what the top says."""
    document = stream_of_types("placed", "paid", eventTime="at", eventId="id", subjectKey="id")
    columns = document["schema"][1]["properties"]
    columns += [{"name": "paid_at", "logicalType": "timestamp"}, {"name": "payer", "logicalType": "string"}]
    _say(document["schema"][1], eventTime="paid_at", eventId=COORDINATES, subjectKey="payer")
    placed, paid = _load(tmp_path, document).tables
    assert (placed.event_time, placed.event_id, placed.subject_key) == ("at", "id", "id")
    assert (paid.event_time, paid.event_id, paid.subject_key) == ("paid_at", COORDINATES, "payer")


@pytest.mark.parametrize(
    ("said", "custom", "resolved"),
    [
        ("header:kind", {}, EventTypeFrom(source=TypeSource.HEADER, name="kind")),
        ("header: kind", {}, EventTypeFrom(source=TypeSource.HEADER, name="kind")),
        ("header:id", {}, EventTypeFrom(source=TypeSource.HEADER, name="id")),
        ("field:meta.kind", {}, EventTypeFrom(source=TypeSource.FIELD, name="meta.kind")),
        ("id", {}, EventTypeFrom(source=TypeSource.FIELD, name="id")),
        ("id.kind", {}, EventTypeFrom(source=TypeSource.EITHER, name="id.kind")),
        ("event-type", {}, EventTypeFrom(source=TypeSource.EITHER, name="event-type")),
        ("schema", {}, EventTypeFrom(source=TypeSource.EITHER, name="schema")),
        (None, {"envelope": "cloudevents"}, EventTypeFrom(source=TypeSource.ENVELOPE)),
        ("type", {"envelope": "cloudevents"}, EventTypeFrom(source=TypeSource.ENVELOPE)),
        ("id", {"envelope": "cloudevents"}, EventTypeFrom(source=TypeSource.FIELD, name="id")),
    ],
)
def test_where_a_record_says_its_type(
    tmp_path: Path, said: str | None, custom: Document, resolved: EventTypeFrom
) -> None:
    """A declared column goes before a header; prefixes decide where a name could be both."""
    document = stream_of_types("placed", "paid", eventTypeFrom=said, **custom)
    assert _load(tmp_path, document).event_type_from == resolved


def test_a_whole_number_names_a_type_too(tmp_path: Path) -> None:
    """YAML reads `1` as a number; the type is its text."""
    document = stream_of_types("placed")
    document["schema"][0]["customProperties"] = [{"property": "eventType", "value": 1}]
    assert _load(tmp_path, document).tables[0].event_type == "1"


def _no_type(document: Document) -> None:
    del document["schema"][1]["customProperties"]


def _same_type(document: Document) -> None:
    document["schema"][1]["customProperties"][0]["value"] = "placed"


def _same_table(document: Document) -> None:
    document["schema"][1]["name"] = "placed"


def _other_topic(document: Document) -> None:
    document["schema"][1]["physicalName"] = "d.other.v1"


def _no_topic(document: Document) -> None:
    del document["schema"][1]["physicalName"]


def _no_column(document: Document) -> None:
    document["customProperties"].append({"property": "eventTime", "value": "at"})
    document["schema"][1]["properties"].pop()


def _kind_below(document: Document) -> None:
    _say(document["schema"][1], eventKind="delta")


def _misspelt_below(document: Document) -> None:
    _say(document["schema"][1], eventTim="at")


def _reserved_table(document: Document) -> None:
    document["schema"][1]["name"] = "ledger"


def _no_types(document: Document) -> None:
    _no_type(document)
    del document["schema"][0]["customProperties"]


def _empty_type(document: Document) -> None:
    document["schema"][1]["customProperties"][0]["value"] = " "


def _personal(document: Document) -> None:
    document["schema"][1]["properties"][0]["classification"] = "personal"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_no_type, "`eventType` must be said here: several schema objects are several event types"),
        (_no_types, "several objects under `schema` are the event types of one topic"),
        (_same_type, "the event type 'placed' has the table placed already"),
        (_same_table, "the table placed stands twice"),
        (_other_topic, "physicalName 'd.other.v1' is not 'd.s.v1', the topic of the first"),
        (_no_topic, "`physicalName` must be said: the topic"),
        (_no_column, "eventTime names 'at', which is no column of paid"),
        (_kind_below, "eventKind belongs to the customProperties at the top of the file"),
        (_misspelt_below, "unknown custom property 'eventTim'; did you mean 'eventTime'?"),
        (_reserved_table, "'ledger' is a table of the platform's own"),
        (_empty_type, "eventType must be text"),
        (_personal, "personal data needs the custom property subjectKey"),
    ],
)
def test_what_several_types_cannot_say(
    tmp_path: Path, change: Callable[[Document], None], message: str
) -> None:
    """One finding each, and no second one for the same fault."""
    document = stream_of_types("placed", "paid")
    change(document)
    found = _errors(tmp_path, document)
    assert [message in text for text in found] == [True], found


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        ({"eventTypeFrom": None}, "the custom property eventTypeFrom must be said"),
        ({"eventTypeFrom": None, "envelope": "debezium"}, "the custom property eventTypeFrom must be said"),
        ({"eventTypeFrom": "column:kind"}, "eventTypeFrom must be a name, header:NAME or field:NAME"),
        ({"eventTypeFrom": "header:"}, "eventTypeFrom must be a name, header:NAME or field:NAME"),
        ({"eventTypeFrom": 3}, "eventTypeFrom must be text"),
        ({"eventKind": "state"}, "a state needs a key: say `primaryKey: true` for its columns of placed"),
    ],
)
def test_what_the_top_of_several_types_cannot_say(tmp_path: Path, custom: Document, message: str) -> None:
    """Where a type comes from must be known, and each type keeps to the event's kind."""
    found = _errors(tmp_path, stream_of_types("placed", **custom))
    assert [message in text for text in found] == [True], found


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flight-events", "a stream of several event types is called as its file, but 'flight-events' is"),
        ("offsets", "'offsets' is a table of the platform's own; rename the file"),
    ],
)
def test_the_file_names_the_stream(tmp_path: Path, name: str, message: str) -> None:
    """So the file's name must be one."""
    assert any(message in text for text in _errors(tmp_path, stream_of_types("placed", "paid"), name))


def test_event_types_are_of_no_use_for_a_product(tmp_path: Path) -> None:
    """A product is one table."""
    document = product()
    document["schema"][0]["customProperties"] = [{"property": "eventType", "value": "a"}]
    findings = read_contract(write_product(tmp_path, document)).findings
    assert [f.message for f in findings] == [
        "eventType is of no use for a product, only for a stream; remove it"
    ]


def test_deletions_of_a_state_whose_type_is_a_field_are_warned_of(tmp_path: Path) -> None:
    """A null value has no field."""
    document = stream_of_types("placed", eventKind="state", eventTypeFrom="field:kind")
    document["schema"][0]["properties"][0] = _KEY
    findings = read_contract(write_stream(tmp_path, document)).findings
    assert [(f.severity, "deletions become dead letters" in f.message) for f in findings] == [
        (Severity.WARNING, True)
    ]


def _other_stream(root: Path) -> None:
    other = stream()
    other["schema"][0] |= {"name": "paid", "physicalName": "d.paid.v1"}
    write_stream(root, other, "paid")


def _called_as_the_stream(root: Path) -> None:
    other = stream()
    other["schema"][0] |= {"name": "orders", "physicalName": "d.other.v1"}
    write_stream(root, other, "other")


def _product_table(root: Path) -> None:
    other = product()
    other["schema"][0]["name"] = "paid"
    write_product(root, other, "paid")


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (_other_stream, "the table d.paid is declared in streams/orders.odcs.yaml too; rename one"),
        (_called_as_the_stream, "the table d.orders is declared in streams/"),
        (_product_table, "the table d.paid is declared in streams/orders.odcs.yaml too; rename one"),
    ],
)
def test_tables_of_a_domain_have_names_of_their_own(
    tmp_path: Path, declare: Callable[[Path], None], message: str
) -> None:
    """Tables of types, streams' names and products share one space of names."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, stream_of_types("placed", "paid"), "orders")
    declare(tmp_path)
    found = [f.message for f in read_domain(folder).findings if f.severity is Severity.ERROR]
    assert any(message in text or "the stream d.orders is declared" in text for text in found), found


def test_a_domain_knows_the_tables_of_its_streams(tmp_path: Path) -> None:
    """Streams by the file's name, tables by their own."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, stream_of_types("placed", "paid"), "orders")
    write_product(tmp_path, product())
    domain = load_domain(folder)
    assert [t.name for t in domain.tables] == ["placed", "paid", "p"]
    (contract,) = domain.streams
    assert (domain.stream("orders"), domain.stream("paid")) == (contract, None)
    assert (domain.table("paid"), domain.table("orders")) == (contract.tables[1], None)


def test_a_notification_points_to_the_table_of_a_type(tmp_path: Path) -> None:
    """A reference names a table, not a stream."""
    folder = write_domain(tmp_path)
    write_stream(tmp_path, stream_of_types("placed", "paid"), "orders")
    other = stream(eventKind="notification", reference="d.paid.id")
    other["schema"][0]["physicalName"] = "d.note.v1"
    write_stream(tmp_path, other)
    assert lint_paths([folder]) == ()
