"""Avro to columns: the writer's schema says what the bytes mean, the contract what is stored."""

from mesh_defs.decode.avro.codec import AvroCodec

__all__ = ["AvroCodec"]
