"""What makes two schemas the same one."""

from __future__ import annotations

import hashlib
import json
from typing import Final
from uuid import UUID, uuid5

from mesh_defs.contract.avsc import parse_avsc
from mesh_defs.decode.schemas import RegisteredSchema
from mesh_defs.model.errors import ContractError

_SPACE: Final = UUID("7a1c8a52-5d6e-5b53-9f0b-1f5f1f6f0a35")
_PROTOBUF: Final = "PROTOBUF"


def fingerprint(schema: RegisteredSchema) -> str:
    """Return the SHA-256 of what a schema says, in hexadecimal.

    Spaces, comments and the order of keys say nothing, so a registry may write a schema anew. Everything else counts,
    logical types and defaults too: Avro's own parsing canonical form leaves them out, and they decide what a value is.
    """
    digest = hashlib.sha256(f"{schema.schema_type}\n{_canonical(schema)}".encode("utf-8", "surrogatepass"))
    for reference in schema.references:
        digest.update(fingerprint(reference).encode())
    return digest.hexdigest()


def guid_of(schema: RegisteredSchema) -> UUID:
    """Return the GUID that a folder of schemas gives: the same for the same schema, wherever it is registered."""
    return uuid5(_SPACE, fingerprint(schema))


def _canonical(schema: RegisteredSchema) -> str:
    if schema.schema_type == _PROTOBUF:
        return schema.text
    try:
        value = parse_avsc(schema.text, "a registry's")
    except ContractError:  # a registry may hold what this parser refuses: its own text then identifies it
        return schema.text
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
