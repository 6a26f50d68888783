"""The registered schemas that frames name, asked for once a batch."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from mesh_defs.decode.framing.frames import Frame
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.schemas import RegisteredSchema, WriterSchemas
from mesh_defs.model.errors import UnknownSchemaError
from mesh_defs.model.records import Stage

_IDS: Final = range(1 << 31)
"""A registry's ids are signed integers of 32 bits."""


def writer_of(schemas: WriterSchemas, frame: int | UUID, schema_type: str) -> RegisteredSchema:
    """Return the schema that a frame names.

    Args:
        schemas: The registry.
        frame: An id or a GUID.
        schema_type: What it must be: `AVRO`, `JSON` or `PROTOBUF`.

    Raises:
        Refusal: The registry knows none, or one of another type.
        RegistryUnavailableError: The registry does not answer.
        SchemaChangedError: The id or GUID meant another schema before.
    """
    try:
        found = _asked(schemas, frame)
    except UnknownSchemaError:
        message = f"the registry knows no schema of the {_kind(frame)} {frame}"
        raise Refusal("unknown_schema", message, stage=Stage.FRAMING) from None
    if found.schema_type != schema_type:
        message = f"the schema of the {_kind(frame)} {frame} is {found.schema_type}, not {schema_type}"
        raise Refusal("schema_type", message, stage=Stage.FRAMING)
    return found


def _asked(schemas: WriterSchemas, frame: int | UUID) -> RegisteredSchema:
    if isinstance(frame, UUID):
        return schemas.by_guid(frame)
    if frame not in _IDS:
        message = f"the frame names the schema id {frame}, which is beyond 31 bits"
        raise Refusal("unknown_schema", message, stage=Stage.FRAMING)
    return schemas.by_id(frame)


def _kind(frame: Frame) -> str:
    return "GUID" if isinstance(frame, UUID) else "id"
