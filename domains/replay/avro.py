"""Avro as Confluent's serializer writes it: the schema's id in the mesh's registry, then the payload."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import fastavro
import msgspec

from mesh_defs.broker.registry import Registry

_MAGIC = b"\0"
_HEAD = 5


class Avro:
    """Encodes documents under the newest schema of a subject.

    Args:
        registry: Opens the registry; called when the first document is encoded.
    """

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._open = registry
        self._registry: Registry | None = None
        self._schemas: dict[str, tuple[bytes, Any]] = {}

    def encode(self, subject: str, document: dict[str, Any]) -> bytes:
        """Return a document's bytes.

        Raises:
            RegistryError: The registry does not answer, or knows no such subject.
        """
        head, schema = self._schemas.get(subject) or self._look_up(subject)
        out = io.BytesIO(head)
        out.seek(_HEAD)
        fastavro.schemaless_writer(out, schema, document)
        return out.getvalue()

    def _look_up(self, subject: str) -> tuple[bytes, Any]:
        self._registry = self._registry or self._open()
        schema = self._registry.version(subject).schema
        head = _MAGIC + (schema.id or 0).to_bytes(_HEAD - 1, "big")
        self._schemas[subject] = (head, fastavro.parse_schema(msgspec.json.decode(schema.text)))
        return self._schemas[subject]
