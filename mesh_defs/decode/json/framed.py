"""JSON documents in Confluent's frames."""

from __future__ import annotations

from collections.abc import Sequence

from mesh_defs.decode.framing import Confluent, Frame
from mesh_defs.decode.framing.writers import writer_of
from mesh_defs.decode.payload import PayloadCodec, Payloads
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.schemas import WriterSchemas
from mesh_defs.model.records import Headers


class FramedJson:
    """Documents behind frames that name their JSON Schema.

    The contract alone decides about the document. A mesh with a registry refuses frames that name no JSON
    Schema of it; a mesh without one takes the ids as they are.

    Args:
        codec: Reads the documents.
        schemas: The registry, or None.
    """

    def __init__(self, codec: PayloadCodec, schemas: WriterSchemas | None) -> None:
        self._codec = codec
        self._schemas = schemas
        self._framing = Confluent()

    def decode(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Payloads:
        """Return the columns of the documents; each is one element of them, or refused."""
        frames = self._framing.open(values, headers)
        refused = dict(frames.refused)
        ids: list[int | None] = [None] * len(values)
        for frame, positions in frames.groups.items():
            try:
                schema_id = self._schema_id(frame)
            except Refusal as refusal:
                refused.update(dict.fromkeys(positions, refusal))
                continue
            for position in positions:
                ids[position] = schema_id
        good = [i for i in range(len(values)) if i not in refused] if refused else range(len(values))
        documents = [frames.payloads[i] for i in good] if refused else frames.payloads
        return self._codec.decode(documents, headers).placed(good, refused, ids)

    def _schema_id(self, frame: Frame) -> int | None:
        if self._schemas is None or frame is None or isinstance(frame, bytes):
            return frame if isinstance(frame, int) else None
        return writer_of(self._schemas, frame, "JSON").id
