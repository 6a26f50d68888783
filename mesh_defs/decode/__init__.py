"""Bytes to Arrow: pure functions from a raw batch to rows and dead letters."""

from mesh_defs.decode.decoder import StreamDecoder, decoder_for
from mesh_defs.decode.hashing import content_hash
from mesh_defs.decode.letters import dead_letters_table
from mesh_defs.decode.schemas import RegisteredSchema, WriterSchemas

__all__ = [
    "RegisteredSchema",
    "StreamDecoder",
    "WriterSchemas",
    "content_hash",
    "dead_letters_table",
    "decoder_for",
]
