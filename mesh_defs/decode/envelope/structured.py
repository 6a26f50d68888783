"""The structured content mode: the whole event, attributes and data, is one JSON document.

Source: CloudEvents, JSON Event Format 1.0.2, sections 2 and 3.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mesh_defs.decode.columns.scalars import unbase64
from mesh_defs.decode.envelope.attributes import (
    CONTENT_TYPE,
    PREFIX,
    REQUIRED,
    check_required,
    refusal,
    written,
)
from mesh_defs.decode.json.verdicts import REFUSED, verdict
from mesh_defs.model.records import Headers

_ENVELOPE: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_DATA: Final[tuple[str, ...]] = ("data", "data_base64")
_JSON: Final = b"application/json"
_NULL: Final = b"null"
_QUOTE: Final = ord('"')


def open_structured(value: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Return the event's data, and the headers that it would have had in binary mode.

    The header `content-type` gives way to the data's own, followed by the attributes as `ce_*` in the
    document's order; all other headers stay. Data without `datacontenttype` are `application/json`.

    Args:
        value: The record's value, of the JSON event format.
        headers: The record's, with exactly one `content-type`, of CloudEvents.

    Raises:
        Refusal: The document is no good event.
    """
    members = {name: bytes(member) for name, member in _members(value).items()}
    given = {name: members.pop(name) for name in _DATA if name in members}
    data = _data(given)
    if b"\\" in value:
        texts = {name: written(member, name) for name, member in members.items()}
    else:
        # Without escapes a string's characters are its own spelling.
        texts = {n: m[1:-1] if m[0] == _QUOTE else written(m, n) for n, m in members.items()}
    attributes = {name: text for name, text in texts.items() if text is not None}
    for name in REQUIRED:
        check_required(name, attributes.get(name), f".{name}")
    default = _JSON if "data" in given else None
    return data, _merged(headers, attributes, attributes.pop("datacontenttype", default))


def _members(value: bytes) -> dict[str, msgspec.Raw]:
    """Return the envelope's members, each as its own characters."""
    try:
        # The decoder skips members without looking at their encoding.
        value.decode()
        return _ENVELOPE.decode(value)
    except REFUSED as error:
        bad = verdict(error, value)
        raise refusal(bad.rule, bad.message, bad.path) from None


def _data(given: dict[str, bytes]) -> bytes:
    data, encoded = (given.get(name, _NULL) for name in _DATA)
    if data != _NULL != encoded:
        raise refusal("ce_data", "the event has both data and data_base64", ".data_base64")
    if data != _NULL:
        return data
    if encoded == _NULL:
        raise refusal("ce_data", "the event has no data", ".data")
    try:
        return unbase64(msgspec.json.decode(encoded, type=str))
    except (msgspec.DecodeError, ValueError):
        raise refusal("ce_data", "data_base64 is no base64 text", ".data_base64") from None


def _merged(headers: Headers, attributes: dict[str, bytes], content_type: bytes | None) -> Headers:
    described: Headers = [] if content_type is None else [(CONTENT_TYPE, content_type)]
    described += [(PREFIX + name, text) for name, text in attributes.items()]
    if len(headers) == 1:
        return described
    told = dict(described)
    merged: Headers = []
    for name, content in headers:
        if name.lower() == CONTENT_TYPE:
            merged += described
        elif name not in told or not name.startswith(PREFIX):
            merged.append((name, content))
        elif content != told[name]:
            message = "the attribute differs between the headers and the document"
            raise refusal("ce_duplicate", message, f".{name}")
    return merged
