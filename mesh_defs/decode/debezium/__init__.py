"""Debezium's change events: the envelope around a row's images, in JSON and in Avro."""

from mesh_defs.decode.debezium.avro import DebeziumAvro
from mesh_defs.decode.debezium.json import DebeziumJson

__all__ = ["DebeziumAvro", "DebeziumJson"]
