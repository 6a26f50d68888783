"""One field of JSON documents, read without the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from mesh_defs.decode.framing import Framing
from mesh_defs.decode.json.verdicts import REFUSED, verdict
from mesh_defs.decode.types.readers import Told
from mesh_defs.model.records import Headers

_MEMBER: Final = "member"


class JsonField:
    """A field that says a document's type: text, or a whole number.

    Args:
        path: The field, and before it the objects that it is in.
        framing: What stands before the documents.
    """

    def __init__(self, path: Sequence[str], framing: Framing) -> None:
        annotation: Any = str | int
        for name in reversed(path):
            annotation = msgspec.defstruct(
                "Document", [(_MEMBER, annotation | None, None)], rename={_MEMBER: name}, gc=False
            )
        self._decode = msgspec.json.Decoder(annotation).decode
        self._depth = len(path)
        self._framing = framing

    def read(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Told:
        """Return what the field says in each document; one that cannot be read is refused."""
        frames = self._framing.open(values, headers)
        told = Told(types=[], refused=dict(frames.refused))
        documents: list[Any] = []
        decoded = map(self._decode, frames.payloads)
        while len(documents) < len(values):
            try:
                # As in the codec: what came before a bad document stays, and the iterator goes on after it.
                documents.extend(decoded)
            except REFUSED as error:
                index = len(documents)
                told.refused.setdefault(index, verdict(error, frames.payloads[index]))
                documents.append(None)
        for _ in range(self._depth):
            documents = [None if found is None else found.member for found in documents]
        told.types = [str(found) if isinstance(found, int) else found for found in documents]
        return told
