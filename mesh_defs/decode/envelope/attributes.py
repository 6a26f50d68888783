"""CloudEvents' context attributes: which there must be, and how they are written."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import msgspec

from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers, Stage

PREFIX: Final = "ce_"
CONTENT_TYPE: Final = "content-type"
SPEC_VERSION: Final = b"1.0"

REQUIRED: Final = ("specversion", "id", "source", "type")
"""CloudEvents 1.0, section "Required attributes": present, and no empty strings."""

_SINGLE: Final = frozenset(PREFIX + name for name in (*REQUIRED, "time", "subject", "dataschema"))
_MEDIA_TYPE: Final = b"application/cloudevents"
_INTEGER: Final = re.compile(rb"-?(?:0|[1-9][0-9]{0,9})")
_INTEGERS: Final = range(-(1 << 31), 1 << 31)
"""CloudEvents 1.0, section "Type system": 32 bits."""


@lru_cache(maxsize=256)
def is_structured(content_type: bytes | None) -> bool:
    """Return whether a content type announces the structured mode, of whatever event format."""
    return content_type is not None and content_type[: len(_MEDIA_TYPE)].lower() == _MEDIA_TYPE


def check_format(content_type: bytes | None) -> None:
    """Refuse an event format other than JSON.

    Raises:
        Refusal: It is one, or a batch of events.
    """
    media_type = (content_type or b"").split(b";", 1)[0].strip().lower()
    if media_type == _MEDIA_TYPE + b"+json":
        return
    if media_type.startswith(_MEDIA_TYPE + b"-batch"):
        raise refusal("ce_batch", "a batch of events in one record: the Kafka binding has no batched mode")
    raise refusal("ce_format", "an event format other than application/cloudevents+json is not supported")


def check_binary(headers: Headers) -> None:
    """Refuse headers that are not those of one good event in binary mode.

    Raises:
        Refusal: A required attribute is missing, doubled, or badly written.
    """
    names = [name for name, _ in headers if name.startswith(PREFIX)]
    if not names:
        message = (
            "the record is no CloudEvent: it has neither ce_ headers nor the content-type "
            "application/cloudevents+json"
        )
        raise refusal("ce_mode", message)
    for name in _SINGLE.intersection(names):
        if names.count(name) > 1:
            raise refusal("ce_duplicate", "the attribute stands in several headers", f".{name}")
    table = dict(headers)
    for name in REQUIRED:
        check_required(name, table.get(PREFIX + name), f".{PREFIX}{name}")


def check_required(name: str, value: bytes | None, path: str) -> None:
    """Refuse a required attribute that is absent, empty or impossible.

    Raises:
        Refusal: It is.
    """
    if not value:
        raise refusal("ce_required", f"the attribute {name} is required, but absent or empty", path)
    if not value.isascii() and not _is_utf8(value):
        raise refusal("ce_attribute", f"the attribute {name} is no UTF-8", path)
    if name == "specversion" and value != SPEC_VERSION:
        raise refusal("ce_specversion", "only version 1.0 of CloudEvents is supported", path)


def written(text: bytes, name: str) -> bytes | None:
    """Return a JSON attribute in its canonical string form; None for null, which means absent.

    Args:
        text: Well-formed JSON in UTF-8.
        name: The attribute's, for the path.

    Raises:
        Refusal: It is of no type that JSON has for an attribute: string, integer of 32 bits, boolean.
    """
    if text.startswith(b'"'):
        return msgspec.json.decode(text, type=str).encode() if b"\\" in text else text[1:-1]
    if text == b"null":
        return None
    if text in (b"true", b"false"):
        return text
    if _INTEGER.fullmatch(text) and int(text) in _INTEGERS:
        return str(int(text)).encode()
    message = "an attribute must be a string, a boolean or an integer of 32 bits"
    raise refusal("ce_attribute", message, f".{name}")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def refusal(rule: str, message: str, path: str = "") -> Refusal:
    """Return a verdict of the envelope's stage."""
    return Refusal(rule, message, path, Stage.ENVELOPE)
