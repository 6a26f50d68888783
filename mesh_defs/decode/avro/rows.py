"""From arrays of a writer's fields to a contract's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.avro.types import AvroSchema
from mesh_defs.contract.choices import OnUnknownField
from mesh_defs.contract.types import Column
from mesh_defs.decode import exact
from mesh_defs.decode.avro.fit import Aliases, Fit, members_of
from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.avro.text import Texts
from mesh_defs.decode.avro.unknown import Leftovers
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.columns.table import columns_of
from mesh_defs.decode.json.unknown import NOTHING
from mesh_defs.decode.payload import Payloads
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.types.constants import NO_CONSTANTS


class RecordColumns:
    """A contract's columns from records of one writer's type.

    Args:
        schema: The writer's.
        node: The record type.
        columns: The contract's.
        on_unknown: What a field does that they do not name.
        aliases: What the contract's schema file calls the fields that the writer calls otherwise.
        constants: Further fields that the contract names, each with the one text that it may hold.
        embedded: Whether a text may hold the JSON of an object, an array or a map.
    """

    def __init__(
        self,
        schema: AvroSchema,
        node: Node,
        columns: Sequence[Column],
        on_unknown: OnUnknownField,
        aliases: Aliases,
        *,
        constants: Mapping[str, str] = NO_CONSTANTS,
        embedded: bool = False,
    ) -> None:
        texts = Texts(schema)
        fit = Fit(texts, aliases, embedded=embedded)
        places = members_of(node, aliases)
        self._names = [column.name for column in columns]
        self._places = [places.get(name) for name in self._names]
        self._converters = [
            fit.column(None if place is None else node.parts[place], column)
            for place, column in zip(self._places, columns, strict=True)
        ]
        found = Leftovers(texts, aliases).by_field(node, columns)
        self._leftovers = {
            place: (name, found[name]) for place, name in enumerate(node.names) if name in found
        }
        self._constants = {
            place: constants[name] for place, name in enumerate(node.names) if name in constants
        }
        self._keep = on_unknown is OnUnknownField.KEEP

    def of(self, fields: Sequence[Array], count: int) -> Payloads:
        """Return the columns of records; each is one element of them, or refused.

        Args:
            fields: The writer's, all of them, one element a record.
            count: Of records.
        """
        payloads = Payloads()
        self._find_unknown(fields, count, payloads)
        if payloads.refused:
            good = [position for position in range(count) if position not in payloads.refused]
            fields, count = [_picked(field, good) for field in fields], len(good)
        else:
            good = None
        sources = [pa.nulls(count) if place is None else fields[place] for place in self._places]
        payloads.columns, refused = columns_of(self._names, self._converters, sources, _picked)
        for position, refusal in refused.items():
            payloads.refused[good[position] if good is not None else position] = refusal
        for position in payloads.refused:
            payloads.unknown.pop(position, None)
        return payloads

    def _find_unknown(self, fields: Sequence[Array], count: int, payloads: Payloads) -> None:
        leftovers = {p: left for p, left in self._leftovers.items() if not self._is_constant(p, fields[p])}
        if not leftovers:
            return
        values = [fields[place].to_pylist() for place in leftovers]
        for position in range(count):
            paths: set[str] = set()
            rest = {}
            for (place, (name, leftover)), column in zip(leftovers.items(), values, strict=True):
                if place in self._constants and column[position] == self._constants[place]:
                    continue
                left = leftover(column[position], f".{name}", paths)
                if left is not NOTHING:
                    rest[name] = left
            if not paths:
                continue
            payloads.unknown_fields.update(f"${path}" for path in paths)
            if self._keep:
                payloads.unknown[position] = exact.text_of(rest)
            else:
                message = "the contract does not name the field"
                payloads.refused[position] = Refusal("unknown_field", message, min(paths))

    def _is_constant(self, place: int, field: Array) -> bool:
        """Return whether a field holds nothing but what the contract says it may hold."""
        text = self._constants.get(place)
        if text is None or not pa.types.is_string(field.type):
            return False
        return field.null_count == 0 and pc.all(pc.equal(field, pa.scalar(text)), min_count=0).as_py() is True


def _picked(field: Any, positions: list[int]) -> Any:
    return field.take(pa.array(positions, pa.int64()))
