"""Confluent's frames: a magic byte and the schema's id or GUID, before the payload or in a header.

Source: Confluent Schema Registry, "Wire format". Magic byte 0 stands before an id of 4 bytes, big-endian;
magic byte 1 before a GUID of 16 bytes. The header `__value_schema_id` holds the same bytes; where it is
present, the value is the payload alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np

from mesh_defs.decode.block import Block
from mesh_defs.decode.framing.frames import Frame, Frames, Unframed
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers, Stage

HEADER: Final = "__value_schema_id"

_ID_SIZE: Final = 5
_GUID_SIZE: Final = 17
_PREFIX: Final = np.uint64((1 << 8 * _ID_SIZE) - 1)
"""The bytes of a magic byte and an id, of the eight in a block's word."""

_SIZES: Final = {0: _ID_SIZE, 1: _GUID_SIZE}


class Confluent:
    """Frames by prefix and by header, mixed as they come; the header has precedence."""

    def open(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Frames:
        """Return the values without their frames."""
        if not any(headers):
            alike = _all_alike(values)
            if alike is not None:
                return alike
        groups: dict[Frame, list[int]] = {}
        payloads: list[bytes] = []
        refused: dict[int, Refusal] = {}
        known: dict[bytes, Frame] = {}
        for index, (value, given) in enumerate(zip(values, headers, strict=True)):
            try:
                prefix, payload = _split(value, given)
                if prefix not in known:
                    known[prefix] = _named(prefix)
            except Refusal as refusal:
                refused[index] = refusal
                payloads.append(b"")
                continue
            groups.setdefault(known[prefix], []).append(index)
            payloads.append(payload)
        return Frames(groups=dict(groups), payloads=payloads, refused=refused)


def _all_alike(values: Sequence[bytes]) -> Frames | None:
    """Return the values without their frames if all have the first one's prefix, as most batches do."""
    if not values or values[0][:1] != b"\0" or len(values[0]) < _ID_SIZE:
        return None
    block = Block(values)
    prefixes = block.words[block.begins] & _PREFIX
    if (prefixes != prefixes[0]).any() or (block.ends - block.begins < _ID_SIZE).any():
        return None
    payloads = Unframed(values, _ID_SIZE, block.part(slice(None), skipped=_ID_SIZE))
    return Frames(groups={_named(values[0][:_ID_SIZE]): range(len(values))}, payloads=payloads)


def _split(value: bytes, headers: Headers | None) -> tuple[bytes, bytes]:
    """Return a value's frame, magic byte included, and its payload."""
    told = {content for name, content in headers or () if name == HEADER and content is not None}
    if len(told) > 1:
        raise _refusal("frame", f"the headers {HEADER} contradict each other")
    if told:
        frame = told.pop()
        if not frame or len(frame) != _SIZES.get(frame[0]):
            message = f"the header {HEADER} holds neither 0 and an id of 4 bytes nor 1 and a GUID of 16"
            raise _refusal("frame", message)
        return frame, value
    size = _SIZES.get(value[0]) if value else None
    if size is None or len(value) < size:
        message = (
            "the value begins neither with 0 and a schema id of 4 bytes nor with 1 and a GUID of 16, "
            f"and there is no header {HEADER}"
        )
        raise _refusal("frame", message)
    return value[:size], value[size:]


def _named(frame: bytes) -> Frame:
    if len(frame) == _GUID_SIZE:
        return UUID(bytes=frame[1:])
    return int.from_bytes(frame[1:], "big")


def _refusal(rule: str, message: str) -> Refusal:
    return Refusal(rule, message, stage=Stage.FRAMING)
