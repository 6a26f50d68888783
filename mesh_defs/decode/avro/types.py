"""Which event type an Avro payload is of: by a field of its record, or by the record's own name."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.decode.avro.nodes import Node
from mesh_defs.decode.avro.source import AvroSource
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.types.readers import Told
from mesh_defs.model.records import Headers


class AvroField:
    """A field that says a record's type: a string, an enum's symbol, or a whole number.

    Args:
        source: Reads the payloads.
        paths: Where the field may stand, the first that says something deciding: its name, and before it the records
            that it is in.
    """

    def __init__(self, source: AvroSource, paths: Sequence[Sequence[str]]) -> None:
        self._source = source
        self._paths = paths

    def read(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Told:
        """Return what the field says in each payload; one that cannot be read is refused."""
        found = self._source.read(values, headers)
        told = Told(types=[None] * len(values), refused=found.refused)
        for group in found.groups:
            node = group.type.node
            arrays = [text for path in self._paths if (text := _member(group.fields, node, path)) is not None]
            if arrays:
                types = pc.coalesce(*arrays).to_pylist()
                for position, said in zip(group.positions, types, strict=True):
                    told.types[position] = said
        return told


class AvroRecordName:
    """The name of the record in the writer's schema, with its namespace or without.

    Args:
        source: Knows the writers' schemas.
        declared: The event types of the contract.
    """

    def __init__(self, source: AvroSource, declared: Collection[str]) -> None:
        self._source = source
        self._declared = frozenset(declared)

    def read(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Told:
        """Return the name of each payload's record, as the contract has it."""
        names, refused = self._source.record_names(values, headers)
        known = {name: self._known(name) for name in set(names) if name is not None}
        return Told(types=[None if name is None else known[name] for name in names], refused=refused)

    def _known(self, name: str) -> str:
        return name if name in self._declared else name.rpartition(".")[2]


def _member(fields: Sequence[Array], node: Node, path: Sequence[str]) -> Array | None:
    """Return the texts of a field of records; None where the writer has no such field, or no such text."""
    name, *rest = path
    if name not in node.names or node.cut:
        return None
    place = node.names.index(name)
    array, part = fields[place], node.parts[place]
    if rest:
        if not pa.types.is_struct(part.arrow):
            return None
        return _member([pc.struct_field(array, [i]) for i in range(len(part.names))], part, rest)
    if pa.types.is_string(part.arrow):
        return array
    return array.cast(pa.string()) if pa.types.is_integer(part.arrow) else None
