"""Kafka Connect's schemas inside JSON messages, and what their names mean.

Source: Apache Kafka 4.3, `JsonConverter` and `org.apache.kafka.connect.data`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from mesh_defs.decode.debezium.refusals import refusal
from mesh_defs.decode.json.verdicts import REFUSED

DECIMAL: Final = "org.apache.kafka.connect.data.Decimal"


class ConnectSchema(msgspec.Struct, gc=False):
    """A schema, or a field with its schema."""

    type: str = ""
    field: str | None = None
    name: str | None = None
    parameters: dict[str, str] | None = None
    fields: list[ConnectSchema] = []
    items: ConnectSchema | None = None
    values: ConnectSchema | None = None

    def member(self, name: str) -> ConnectSchema | None:
        """Return the schema of a struct's field, or None."""
        return next((field for field in self.fields if field.field == name), None)


_schema: Final = msgspec.json.Decoder(ConnectSchema).decode


def read_schema(text: bytes) -> ConnectSchema:
    """Return a schema as `JsonConverter` writes it.

    Raises:
        Refusal: It is none.
    """
    try:
        return _schema(text)
    except REFUSED:
        message = "the wrapper's schema is no schema as Kafka Connect writes it"
        raise refusal("debezium_schema", message, ".schema") from None
