"""Writers' schemas by the number that a record's frame names: what a decoder asks of a registry.

The registries themselves stand in `mesh_defs.broker.registry`; a decoder knows only this protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredSchema:
    """A schema as a registry holds it.

    Attributes:
        id: The registry's number of it, 32 bits; None where only the GUID is known.
        guid: The registry-independent identity; None where the registry gives none.
        schema_type: `AVRO`, `JSON` or `PROTOBUF`.
        text: The schema as it was registered.
        references: The schemas whose names it uses, each before those that use it.
    """

    id: int | None
    guid: UUID | None
    schema_type: str
    text: str
    references: tuple[RegisteredSchema, ...] = ()


class WriterSchemas(Protocol):
    """Where the schemas that frames name are found."""

    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id.

        Raises:
            UnknownSchemaError: There is no such id, also after the registry's retries.
            RegistryUnavailableError: The registry does not answer.
            SchemaChangedError: The id meant another schema before.
        """
        ...

    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Return the schema of a GUID.

        Raises:
            UnknownSchemaError: There is no such GUID, also after the registry's retries.
            RegistryUnavailableError: The registry does not answer.
            SchemaChangedError: The GUID meant another schema before.
        """
        ...
