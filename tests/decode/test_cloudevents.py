"""CloudEvents 1.0 in both content modes."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_defs.contract.choices import Envelope
from mesh_defs.contract.types import Kind
from mesh_defs.model.records import DeadLetter, Headers, Stage
from tests.decode.builders import FIRST_OFFSET, batch, column, decoded, letter, rows, stream

_CONTRACT = stream(
    column("id", Kind.BIGINT, required=True), column("note", Kind.STRING), envelope=Envelope.CLOUDEVENTS
)
_ATTRIBUTES = {"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed"}
_STRUCTURED = ("content-type", b"application/cloudevents+json; charset=UTF-8")
_JSON = ("content-type", b"application/json")


def _binary(*more: tuple[str, bytes | None], **changes: Any) -> Headers:
    """Return the headers of an event in binary mode; a change to None leaves the attribute out."""
    attributes = {k: v for k, v in (_ATTRIBUTES | changes).items() if v is not None}
    return [
        _JSON,
        *((f"ce_{k}", v if isinstance(v, bytes) else v.encode()) for k, v in attributes.items()),
        *more,
    ]


def _event(**members: Any) -> str:
    return json.dumps(_ATTRIBUTES | members)


def _row(value: str | None, headers: Headers | None) -> dict[str, Any]:
    (row,) = rows(_CONTRACT, value, headers=[headers])
    row["_headers"] = [(h["name"], h["value"]) for h in row["_headers"] or []]
    return row


def _letter(value: str, headers: Headers | None) -> DeadLetter:
    return letter(_CONTRACT, value, headers=[headers])


def test_both_modes_give_the_same_row() -> None:
    """The same event, in either mode, is the same row, headers included."""
    more: Headers = [("trace", b"\xff"), ("trace", None)]
    attributes = {"time": "2020-01-01T00:00:00.123456789Z", "subject": "é", "flag": "true", "count": "-7"}
    binary = _row('{"id":1,"more":1.50}', _binary(*more, **attributes))
    text = _event(**attributes | {"flag": True, "count": -7}, datacontenttype="application/json", data=None)
    structured = _row(text.replace('"data": null', '"data": {"id":1,"more":1.50}'), [_STRUCTURED, *more])
    assert binary == structured
    assert binary["_unknown"] == '{"more":1.50}'
    assert binary["_event_time"] == dt.datetime(2020, 1, 1, 0, 0, 0, 123_456, dt.UTC)
    assert ("ce_time", b"2020-01-01T00:00:00.123456789Z") in binary["_headers"]


_TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
            lambda name: name not in {*_ATTRIBUTES, "data", "time", "datacontenttype"}
        ),
        _TEXTS | st.booleans() | st.integers(-(2**31), 2**31 - 1),
        max_size=4,
    ),
    st.booleans(),
)
def test_any_extension_is_the_same_in_both_modes(extensions: dict[str, Any], escaped: bool) -> None:  # noqa: FBT001
    """Strings, integers and booleans become their canonical text, whatever JSON's spelling was."""
    written = {k: str(v).lower() if isinstance(v, bool) else str(v) for k, v in extensions.items()}
    event = json.dumps(_ATTRIBUTES | extensions | {"data": {"id": 1}}, ensure_ascii=escaped)
    assert _row(event, [_STRUCTURED]) == _row('{"id":1}', _binary(**written))


def test_an_event_in_a_kafka_record_may_repeat_its_attributes_as_headers() -> None:
    """In structured mode the binary mode's headers are allowed, as long as they agree."""
    told: Headers = [("ce_id", b"e-1"), ("ce_tenant", b"x"), ("other", b"1")]
    row = _row(_event(data={"id": 1}), [*told, _STRUCTURED])
    assert row["_headers"].count(("ce_id", b"e-1")) == 1
    assert ("ce_tenant", b"x") in row["_headers"]
    found = _letter(_event(data={"id": 1}), [_STRUCTURED, ("ce_id", b"e-2")])
    assert (found.rule, found.path) == ("ce_duplicate", "$.ce_id")


def test_data_in_base64() -> None:
    """`data_base64` holds the same bytes."""
    row = _row(_event(data_base64="eyJpZCI6MX0="), [_STRUCTURED])
    assert row["id"] == 1
    assert "content-type" not in dict(row["_headers"])


def test_data_are_judged_by_the_strict_decoder() -> None:
    """The path of what is wrong in the data begins at the data."""
    found = _letter(_event(data={"id": "1"}), [_STRUCTURED])
    assert (found.stage, found.rule, found.path) == (Stage.VALIDATE, "type", "$.id")
    text = _event(data=0).replace('"data": 0', '"data": {"id":1,"note":"\\ud800"}')
    assert _letter(text, [_STRUCTURED]).rule == "json_syntax"
    assert _letter(_event(data='{"id":1}'), [_STRUCTURED]).rule == "type"
    (row,) = rows(
        _CONTRACT,
        _event(data={"id": 1}).replace("1}", '1,"n":12345678901234567890.0}'),
        headers=[[_STRUCTURED]],
    )
    assert row["_unknown"] == '{"n":12345678901234567890.0}'


@pytest.mark.parametrize(
    ("headers", "rule", "path"),
    [
        (None, "ce_mode", "$"),
        ([("content-type", b"application/json")], "ce_mode", "$"),
        (_binary(id=None), "ce_required", "$.ce_id"),
        (_binary(source=""), "ce_required", "$.ce_source"),
        (_binary(("ce_type", None), type=None), "ce_required", "$.ce_type"),
        (_binary(specversion=None), "ce_required", "$.ce_specversion"),
        (_binary(specversion="0.3"), "ce_specversion", "$.ce_specversion"),
        (_binary(id=b"\xff"), "ce_attribute", "$.ce_id"),
        (_binary(("ce_id", b"e-2")), "ce_duplicate", "$.ce_id"),
        (_binary(("Content-Type", b"application/json")), "ce_duplicate", "$"),
        (_binary(time="yesterday"), "ce_attribute", "$.ce_time"),
        (_binary(time=b""), "ce_attribute", "$.ce_time"),
        (_binary(time=b"\xff"), "ce_attribute", "$.ce_time"),
        (_binary(time="0000-01-01T00:00:00Z"), "ce_attribute", "$.ce_time"),
        (_binary(time="2020-01-01T00:00:00"), "ce_attribute", "$.ce_time"),
        ([("content-type", b"application/cloudevents-batch+json")], "ce_batch", "$"),
        ([("content-type", b"application/cloudevents+avro")], "ce_format", "$"),
        ([("content-type", b"Application/CloudEvents")], "ce_format", "$"),
    ],
)
def test_headers_that_are_no_event(headers: Headers | None, rule: str, path: str) -> None:
    """A record whose headers make no event is a dead letter of the envelope, alone or among good ones."""
    found = _letter('{"id":1}', headers)
    assert (found.stage, found.rule, found.path) == (Stage.ENVELOPE, rule, path)
    assert found.headers == headers
    typed = decoded(_CONTRACT, batch(*['{"id":1}'] * 3, headers=[_binary(), headers, _binary()]))
    assert typed.rows["_offset"].to_pylist() == [FIRST_OFFSET, FIRST_OFFSET + 2]


@pytest.mark.parametrize(
    ("value", "rule", "path"),
    [
        ("", "json_syntax", "$"),
        ("[]", "type", "$"),
        ("null", "type", "$"),
        (_event(), "ce_data", "$.data"),
        (_event(data=None), "ce_data", "$.data"),
        (_event(data={"id": 1}, data_base64="eyJpZCI6MX0="), "ce_data", "$.data_base64"),
        (_event(data_base64="eyJpZCI6MX0"), "ce_data", "$.data_base64"),
        (_event(data_base64=1), "ce_data", "$.data_base64"),
        (_event(data={"id": 1}, id=None), "ce_required", "$.id"),
        (_event(data={"id": 1}, source=""), "ce_required", "$.source"),
        (_event(data={"id": 1}, specversion="1.1"), "ce_specversion", "$.specversion"),
        (_event(data={"id": 1}, count=1.5), "ce_attribute", "$.count"),
        (_event(data={"id": 1}, count=2**31), "ce_attribute", "$.count"),
        (_event(data={"id": 1}, nested={}), "ce_attribute", "$.nested"),
        (_event(data={"id": 1}, time="noon"), "ce_attribute", "$.ce_time"),
    ],
)
def test_documents_that_are_no_event(value: str, rule: str, path: str) -> None:
    """A structured event must be one: well-formed, complete, with data."""
    found = _letter(value, [_STRUCTURED])
    assert (found.stage, found.rule, found.path) == (Stage.ENVELOPE, rule, path)


def test_the_content_type_decides_about_the_mode() -> None:
    """A document that looks like an event is none without its content type; the type's case is free."""
    assert _letter(_event(data={"id": 1}), None).rule == "ce_mode"
    header = ("Content-Type", b"APPLICATION/CloudEvents+JSON")
    assert _row(_event(data={"id": 1}), [header])["id"] == 1


@pytest.mark.parametrize("headers", [None, _binary(), _binary(id=None), _binary(time="noon"), [_STRUCTURED]])
def test_a_null_value_is_a_tombstone_whatever_its_headers(headers: Headers | None) -> None:
    """A deletion is never lost to a bad envelope; its headers stay as they are."""
    row = _row(None, headers)
    assert (row["_tombstone"], row["id"], row["_headers"]) == (True, None, headers or [])
    assert row["_event_time"] == dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC)


def test_event_time_prefers_column_then_attribute_then_record() -> None:
    """`eventTime` names the column; without it the attribute `time` counts, then the record's timestamp."""
    with_time = _binary(time="2020-01-01T00:00:00Z")
    typed = decoded(_CONTRACT, batch(*['{"id":1}'] * 2, headers=[with_time, _binary()]))
    assert [t.year for t in typed.rows["_event_time"].to_pylist()] == [2020, 1970]
    contract = stream(column("at", Kind.DATE), envelope=Envelope.CLOUDEVENTS, event_time="at")
    (row,) = rows(contract, '{"at":"2021-01-01"}', headers=[with_time])
    assert row["_event_time"].year == 2021


def test_an_events_raw_value_is_the_records() -> None:
    """`retainRaw` keeps what Kafka held, envelope included."""
    contract = stream(*_CONTRACT.columns, envelope=Envelope.CLOUDEVENTS, retain_raw=True)
    value = _event(data={"id": 1})
    (row,) = rows(contract, value, headers=[[_STRUCTURED]])
    assert row["_raw"] == value.encode()
