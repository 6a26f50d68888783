"""The fingerprint by which Avro's single-object encoding names a schema.

Source: Apache Avro 1.12 specification, "Parsing Canonical Form for Schemas", "Schema Fingerprints".
"""

from __future__ import annotations

import json
from typing import Any, Final

from mesh_defs.contract.avro.types import (
    Array,
    AvroSchema,
    AvroType,
    Enum,
    Fixed,
    Map,
    Record,
    Union,
)

_EMPTY: Final = 0xC15D213AA4D7A795
_SIZE: Final = 8


def canonical_form(schema: AvroSchema) -> str:
    """Return the schema's Parsing Canonical Form."""
    return json.dumps(_plain(schema.root), separators=(",", ":"), ensure_ascii=False)


def fingerprint(schema: AvroSchema) -> bytes:
    """Return the CRC-64-AVRO of a schema's canonical form, in the byte order of the encoding: little-endian."""
    found = _EMPTY
    for byte in canonical_form(schema).encode():
        found = (found >> 8) ^ _TABLE[(found ^ byte) & 0xFF]
    return found.to_bytes(_SIZE, "little")


def _plain(type_: AvroType) -> Any:
    match type_:
        case Record():
            fields = [{"name": field.name, "type": _plain(field.type)} for field in type_.fields]
            found: Any = {"name": type_.name, "type": "record", "fields": fields}
        case Enum():
            found = {"name": type_.name, "type": "enum", "symbols": list(type_.symbols)}
        case Fixed():
            found = {"name": type_.name, "type": "fixed", "size": type_.size}
        case Array():
            found = {"type": "array", "items": _plain(type_.items)}
        case Map():
            found = {"type": "map", "values": _plain(type_.values)}
        case Union():
            found = [_plain(branch) for branch in type_.branches]
        case _:
            found = type_.name
    return found


def _entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (_EMPTY & -(number & 1))
    return number


_TABLE: Final = tuple(map(_entry, range(256)))
