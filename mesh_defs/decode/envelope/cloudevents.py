"""CloudEvents 1.0 in Kafka records, in binary and in structured content mode.

Source: CloudEvents, Kafka Protocol Binding 1.0.2, sections 3 to 3.3. The header `content-type` decides about
the mode. What both modes keep are the headers of the binary one: `ce_*` for the attributes, `content-type`
for `datacontenttype`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter, methodcaller
from typing import Final, cast

import pyarrow as pa

from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.columns.moments import CutInstant
from mesh_defs.decode.envelope.attributes import (
    CONTENT_TYPE,
    PREFIX,
    REQUIRED,
    SPEC_VERSION,
    check_binary,
    check_format,
    is_structured,
    refusal,
)
from mesh_defs.decode.envelope.opened import Opened
from mesh_defs.decode.envelope.structured import open_structured
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers, RawBatch

_TIME: Final = f"{PREFIX}time"
_INSTANTS: Final = CutInstant()
_SPEC_VERSION_AT: Final = REQUIRED.index("specversion")
_TYPE_AT: Final = REQUIRED.index("type")
_required_values = itemgetter(*(PREFIX + name for name in REQUIRED))


@dataclass(frozen=True, slots=True)
class _Event:
    """One record without its envelope."""

    payload: bytes | None
    headers: Headers | None


class CloudEvents:
    """The record is a CloudEvent; its data are the payload. A null value is a tombstone, whatever its headers."""

    def open(self, batch: RawBatch) -> Opened:
        """Return the batch without its envelopes."""
        opened = _all_binary(batch)
        if opened is None:
            opened = _each(batch)
            _read_times(opened, [None if h is None else dict(h).get(_TIME) for h in opened.headers])
        return opened


def _all_binary(batch: RawBatch) -> Opened | None:
    """Return the batch if all its records are plainly good events in binary mode; None decides nothing.

    The headers are looked at as columns, which costs a fraction of looking at each record.
    """
    if not batch.headers or not all(batch.headers):
        return None
    headers = cast("list[Headers]", batch.headers)
    tables = list(map(dict, headers))
    if sum(map(len, tables)) != sum(map(len, headers)):
        return None
    names = {name for layout in set(map(tuple, tables)) for name in layout}
    content_types = set(map(methodcaller("get", CONTENT_TYPE), tables))
    if any(map(is_structured, content_types)) or any(map(_is_misspelt, names)):
        return None
    try:
        columns = list(zip(*map(_required_values, tables), strict=True))
        told = all(all(column) and b"".join(column).isascii() for column in columns)
    except (KeyError, TypeError):
        return None
    if not told or set(columns[_SPEC_VERSION_AT]) != {SPEC_VERSION}:
        return None
    opened = Opened(payloads=batch.values, headers=batch.headers, types=columns[_TYPE_AT])
    _read_times(opened, list(map(methodcaller("get", _TIME), tables)))
    return opened


def _is_misspelt(name: str) -> bool:
    return name != CONTENT_TYPE and name.lower() == CONTENT_TYPE


def _each(batch: RawBatch) -> Opened:
    """Return the batch without its envelopes, looking at each record."""
    payloads: list[bytes | None] = []
    headers: list[Headers | None] = []
    refused: dict[int, Refusal] = {}
    for index, (value, given) in enumerate(zip(batch.values, batch.headers, strict=True)):
        try:
            event = _open(value, given)
        except Refusal as verdict:
            refused[index] = verdict
            event = _Event(None, None)
        payloads.append(event.payload)
        headers.append(event.headers)
    return Opened(payloads=payloads, headers=headers, refused=refused)


def _open(value: bytes | None, headers: Headers | None) -> _Event:
    if value is None:
        return _Event(None, headers)
    given = headers or []
    types = [content for name, content in given if name == CONTENT_TYPE or name.lower() == CONTENT_TYPE]
    if len(types) > 1:
        raise refusal("ce_duplicate", "the record has several content-type headers")
    if types and is_structured(types[0]):
        check_format(types[0])
        payload, merged = open_structured(value, given)
        return _Event(payload, merged)
    check_binary(given)
    return _Event(value, headers)


def _read_times(opened: Opened, texts: list[bytes | None]) -> None:
    """Fill in the events' times; refuse those whose time is no time, unless they are tombstones."""
    if texts.count(None) == len(texts):
        return
    try:
        opened.times = _times(texts)
    except Refusal:
        for index in _bad_times(texts):
            texts[index] = None
            if opened.payloads[index] is not None:
                message = "the attribute time is no RFC 3339 timestamp of the years 1 to 9999"
                opened.refused.setdefault(index, refusal("ce_attribute", message, f".{_TIME}"))
        opened.times = _times(texts)


def _times(texts: Sequence[bytes | None]) -> Array:
    characters = pa.array(texts, pa.binary())
    try:
        return _INSTANTS.array(characters.cast(pa.string()).to_pylist())
    except pa.ArrowInvalid:
        raise refusal("ce_attribute", "the attribute time is no UTF-8", f".{_TIME}") from None


def _bad_times(texts: Sequence[bytes | None]) -> list[int]:
    return list(_INSTANTS.refused([None if t is None else t.decode(errors="replace") for t in texts]))
