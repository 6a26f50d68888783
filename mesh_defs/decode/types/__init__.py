"""Several event types in one topic: which type a record is, and each type to its own decoder."""

from mesh_defs.decode.types.readers import CodecField, FieldReader, TypeReader, reader_for, type_column
from mesh_defs.decode.types.router import TypesDecoder

__all__ = ["CodecField", "FieldReader", "TypeReader", "TypesDecoder", "reader_for", "type_column"]
