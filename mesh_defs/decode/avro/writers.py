"""Writers' schemas, each made ready to read payloads with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import AvroSchema, Record, Union
from mesh_defs.decode.avro.blocks import Blocks
from mesh_defs.decode.avro.nodes import MAX_NODES, TooLargeError, is_null, node_of
from mesh_defs.decode.avro.reader import Reader, read_branch
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.schemas import RegisteredSchema
from mesh_defs.model.errors import ContractError
from mesh_defs.model.records import Stage

_PIECE: Final = 1_024
"""So many payloads the exact decoder reads in some milliseconds."""


class RecordType:
    """A record type that payloads are of, and what reads them.

    Attributes:
        schema: The writer's.
        name: The record's, with its namespace.
        node: The record.
    """

    def __init__(self, schema: AvroSchema, record: Record) -> None:
        self.schema = schema
        self.name = record.name
        self.node = node_of(schema, record)
        self._reader = Reader(schema, record)
        self._blocks = Blocks(self.node)

    def read(self, payloads: Sequence[bytes], refused: dict[int, Refusal]) -> list[Array]:
        """Return the record's fields as arrays, of the payloads that are not refused.

        Args:
            payloads: Without frames.
            refused: Takes the refused ones, by their position.
        """
        fields = self._blocks.read(payloads) if len(payloads) > self._blocks.few else None
        if fields is not None:
            return fields
        if self._blocks.possible and len(payloads) > _PIECE:
            return self._read_pieces(payloads, refused)
        return self._read_each(payloads, refused)

    def _read_pieces(self, payloads: Sequence[bytes], refused: dict[int, Refusal]) -> list[Array]:
        """Read a part of the payloads at a time, so that a bad one slows down only those around it."""
        pieces = []
        for begin in range(0, len(payloads), _PIECE):
            bad: dict[int, Refusal] = {}
            pieces.append(self.read(payloads[begin : begin + _PIECE], bad))
            refused.update((begin + position, refusal) for position, refusal in bad.items())
        return [pa.concat_arrays(columns) for columns in zip(*pieces, strict=True)]

    def _read_each(self, payloads: Sequence[bytes], refused: dict[int, Refusal]) -> list[Array]:
        records: list[dict[str, Any]] = []
        for position, payload in enumerate(payloads):
            try:
                records.append(self._reader.read(payload))
            except Refusal as refusal:
                refused[position] = refusal
        return [
            pa.array([record[name] for record in records], part.arrow)
            for name, part in zip(self.node.names, self.node.parts, strict=True)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """A writer's schema, ready to read with.

    Attributes:
        id: The registry's number of it.
        records: The record types that a payload may be of, by their branch; by None where the schema is a record.
    """

    id: int | None
    records: dict[int | None, RecordType]

    def record_name(self, payload: bytes) -> str:
        """Return the full name of the record that a payload is.

        Raises:
            Refusal: It is of no branch of the writer's union.
        """
        branch = None if None in self.records else read_branch(payload, self.records)[0]
        return self.records[branch].name


def registered_writer(registered: RegisteredSchema) -> Writer:
    """Return what reads the payloads of a registered schema.

    Raises:
        Refusal: It is no valid schema, or none of records.
    """
    references: dict[str, None] = {}
    _collect(registered, references)
    source = f"with the registry's id {registered.id}"
    try:
        return writer_for(read_schema(registered.text, source, tuple(references)), registered.id)
    except ContractError as error:
        raise Refusal("bad_schema", str(error), stage=Stage.FRAMING) from None


def _collect(registered: RegisteredSchema, texts: dict[str, None]) -> None:
    """Collect the texts of all that a schema refers to, each behind what it refers to itself."""
    for reference in registered.references:
        _collect(reference, texts)
        texts[reference.text] = None


def writer_for(schema: AvroSchema, schema_id: int | None) -> Writer:
    """Return what reads a schema's payloads.

    Raises:
        Refusal: They are no records, or the schema is too large.
    """
    root = schema.resolved(schema.root)
    branches = dict(enumerate(root.branches)) if isinstance(root, Union) else {None: root}
    records: dict[int | None, RecordType] = {}
    try:
        for branch, type_ in branches.items():
            record = schema.resolved(type_)
            if isinstance(record, Record):
                records[branch] = RecordType(schema, record)
            elif not is_null(record):
                message = "the writer's schema is neither a record nor a union of records"
                raise Refusal("bad_schema", message, stage=Stage.FRAMING)
    except TooLargeError:
        message = f"the writer's schema has more than {MAX_NODES:,} types when its references are followed"
        raise Refusal("bad_schema", message, stage=Stage.FRAMING) from None
    return Writer(id=schema_id, records=records)
