"""Rows in Avro to the contract's columns, also where the source did not send all of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.avro.types import AvroSchema
from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import exact
from mesh_defs.decode.avro.fit import Aliases, members_of
from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.avro.rows import RecordColumns
from mesh_defs.decode.avro.text import Texts
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.debezium.unavailable import is_placeholder, possible_places
from mesh_defs.decode.payload import Payloads, joined
from mesh_defs.decode.refusal import Refusal


class RecordRows:
    """Rows of one writer's record to columns; what `images.Images` does for documents.

    Args:
        contract: The stream's.
        schema: The writer's.
        node: The record of the row.
        aliases: What the contract's schema file calls the writer's fields.
    """

    def __init__(self, contract: StreamContract, schema: AvroSchema, node: Node, aliases: Aliases) -> None:
        unknown = contract.on_unknown_field
        optional = [replace(column, required=False) for column in contract.columns]
        self._whole = RecordColumns(schema, node, contract.columns, unknown, aliases, embedded=True)
        self._partial = RecordColumns(schema, node, optional, unknown, aliases, embedded=True)
        places = members_of(node, aliases)
        self._required = {c.name: places.get(c.name) for c in contract.columns if c.required}
        self._names = node.names
        texts = Texts(schema)
        self._texts = [texts.of(part.type, part.above) for part in node.parts]

    def of(self, records: Any) -> Payloads:
        """Return the columns of the rows; each is one element of them, or refused.

        Args:
            records: An array of structs, none of them null.
        """
        fields: list[Array] = records.flatten()
        lacks = self._lacks(fields)
        count = len(records)
        if not lacks:
            return self._whole.of(fields, count)
        partial = sorted(lacks)
        whole = [position for position in range(count) if position not in lacks]
        found = self._whole.of(_picked(fields, whole), len(whole))
        others = self._of_partial(_picked(fields, partial), [lacks[i] for i in partial])
        return joined(count, [(whole, found), (partial, others)])

    def _lacks(self, fields: Sequence[Array]) -> dict[int, dict[str, Any]]:
        """Return the fields that the source did not send, with their placeholders, by the row's position."""
        lacks: dict[int, dict[str, Any]] = {}
        for name, text, field in zip(self._names, self._texts, fields, strict=True):
            places = possible_places(field)
            for place, value in zip(
                places, field.take(pa.array(places, pa.int64())).to_pylist(), strict=True
            ):
                written = text.json(value)
                if is_placeholder(written):
                    lacks.setdefault(place, {})[name] = written
        return lacks

    def _of_partial(self, fields: Sequence[Array], lacks: Sequence[dict[str, Any]]) -> Payloads:
        refused: dict[int, Refusal] = {}
        for name, place in self._required.items():
            given = None if place is None else fields[place].is_valid().to_pylist()
            for position in range(len(lacks)):
                if given is None or not given[position]:
                    word = "absent" if given is None else "null"
                    message = f"the field is required, but {word}"
                    refused.setdefault(position, Refusal("required", message, f".{name}"))
        good = [position for position in range(len(lacks)) if position not in refused]
        told = [self._without(place, field, lacks) for place, field in enumerate(fields)]
        found = self._partial.of(_picked(told, good), len(good))
        for index, position in enumerate(good):
            if index not in found.refused:
                rest = exact.document(found.unknown.get(index, "{}").encode())
                found.unknown[index] = exact.text_of(rest | lacks[position])
        return found.placed(good, refused, None)

    def _without(self, place: int, field: Array, lacks: Sequence[dict[str, Any]]) -> Array:
        """Return a field with nulls for placeholders."""
        lacking = [self._names[place] in lacked for lacked in lacks]
        if not any(lacking):
            return field
        told: Array = pc.if_else(pa.array(lacking), pa.scalar(None, field.type), field)
        return told


def _picked(fields: Sequence[Array], positions: list[int]) -> list[Array]:
    places = pa.array(positions, pa.int64())
    return [field.take(places) for field in fields]
