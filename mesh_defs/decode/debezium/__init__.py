"""Debezium's change events: the envelope around a row's images, in JSON."""

from mesh_defs.decode.debezium.json import DebeziumJson

__all__ = ["DebeziumJson"]
