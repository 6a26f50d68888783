"""A change event as a JSON document: plain, or in Kafka Connect's wrapper of schema and payload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from mesh_defs.decode.debezium.refusals import refusal
from mesh_defs.decode.debezium.rules import check_envelope, check_operation
from mesh_defs.decode.debezium.source import Source
from mesh_defs.decode.json.verdicts import REFUSED, verdict

_NOTHING: Final = msgspec.Raw()
_NULL: Final = b"null"


class _Envelope(msgspec.Struct, gc=False):
    op: str | None = None
    before: msgspec.Raw = _NOTHING
    after: msgspec.Raw = _NOTHING
    source: Source | None = None
    message: msgspec.Raw = _NOTHING
    schema: msgspec.Raw = _NOTHING
    payload: msgspec.Raw = _NOTHING


@dataclass(slots=True, kw_only=True)
class Message:
    """A change event, taken apart.

    Attributes:
        path: Where in the record its envelope stands: empty, or `.payload`.
        before: JSON of the row as it was, or None.
        after: JSON of the row as it is, or None.
        message: JSON of a logical message, or None.
        schema: JSON of Kafka Connect's schema of the envelope, or None.
    """

    op: str
    path: str
    source: Source
    before: bytes | None
    after: bytes | None
    message: bytes | None
    schema: bytes | None


_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def read_message(value: bytes) -> Message:
    """Return a change event without its wrapper.

    Raises:
        Refusal: It is none, or contradicts itself.
    """
    found = _read(value, "")
    wrapped = bytes(found.payload)
    if found.op is not None or not (wrapped.startswith(b"{") or (wrapped and found.schema)):
        return _message(found, value, "", None)
    return _message(_read(wrapped, ".payload"), wrapped, ".payload", _present(found.schema))


def _read(document: bytes, path: str) -> _Envelope:
    try:
        # The decoder skips members without looking at their encoding.
        document.decode()
        return _envelope(document)
    except REFUSED as error:
        bad = verdict(error, document)
    if bad.rule in ("type", "range"):
        _check_marks(document, path)
    raise refusal(bad.rule, bad.message, path + bad.path)


def _message(found: _Envelope, document: bytes, path: str, schema: bytes | None) -> Message:
    if found.op is None:
        _check_marks(document, path)
    after = _present(found.after)
    return Message(
        op=check_operation(found.op, path, has_after=after is not None),
        path=path,
        source=found.source or Source(),
        before=_image(found.before, f"{path}.before"),
        after=None if after is None else _image(found.after, f"{path}.after"),
        message=_present(found.message),
        schema=schema,
    )


def _check_marks(document: bytes, path: str) -> None:
    """Refuse what is no envelope at all.

    Raises:
        Refusal: It is none.
    """
    try:
        members = _members(document)
    except REFUSED:
        return
    check_envelope(members.keys(), path)


def _present(raw: msgspec.Raw) -> bytes | None:
    text = bytes(raw)
    return None if not text or text == _NULL else text


def _image(raw: msgspec.Raw, path: str) -> bytes | None:
    """Return the JSON of an image; MongoDB's connector writes it as text within a string."""
    text = _present(raw)
    if text is None or text.startswith(b"{"):
        return text
    if not text.startswith(b'"'):
        raise refusal("type", "expected object", path)
    try:
        return msgspec.json.decode(text, type=str).encode()
    except REFUSED as error:
        bad = verdict(error, text)
        raise refusal(bad.rule, bad.message, path) from None
