"""Avro to columns: the writer's schema says what the bytes mean, the contract what is stored."""

from mesh_defs.decode.avro.codec import AvroCodec
from mesh_defs.decode.avro.source import AvroSource
from mesh_defs.decode.avro.types import AvroField, AvroRecordName

__all__ = ["AvroCodec", "AvroField", "AvroRecordName", "AvroSource"]
