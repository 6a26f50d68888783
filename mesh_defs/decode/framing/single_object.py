"""Avro's single-object encoding: two bytes of marker and the schema's fingerprint before the payload.

Source: Apache Avro 1.12 specification, "Single-object encoding".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mesh_defs.decode.framing.frames import Frame, Frames
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import Headers, Stage

MARKER: Final = b"\xc3\x01"
_SIZE: Final = 10


class SingleObject:
    """Frames that name a schema by its CRC-64-AVRO fingerprint."""

    def open(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Frames:
        """Return the values without their frames."""
        del headers
        groups: dict[Frame, list[int]] = {}
        refused: dict[int, Refusal] = {}
        for index, value in enumerate(values):
            if value.startswith(MARKER) and len(value) >= _SIZE:
                groups.setdefault(value[len(MARKER) : _SIZE], []).append(index)
            else:
                message = "the value does not begin with C3 01 and a fingerprint of 8 bytes"
                refused[index] = Refusal("frame", message, stage=Stage.FRAMING)
        return Frames(groups=dict(groups), payloads=[value[_SIZE:] for value in values], refused=refused)
