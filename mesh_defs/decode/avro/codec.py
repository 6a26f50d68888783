"""The Avro payload codec: the writers' schemas decide what the bytes say, the contract what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import pyarrow as pa

from mesh_defs.contract.arrow import arrow_type
from mesh_defs.contract.avro.types import AvroSchema, Record, simple_name
from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode.avro.fit import Aliases
from mesh_defs.decode.avro.rows import RecordColumns
from mesh_defs.decode.avro.source import AvroSource, Group, schema_file_of
from mesh_defs.decode.avro.writers import RecordType
from mesh_defs.decode.columns import converter_for
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.payload import Payloads
from mesh_defs.decode.schemas import WriterSchemas
from mesh_defs.decode.types.constants import type_constants
from mesh_defs.model.records import Headers


class AvroCodec:
    """Payloads of any writer's schema to columns, under one contract.

    Args:
        contract: The stream's.
        schemas: The registry, or None where the mesh has none.

    Raises:
        ContractError: The contract demands what cannot be checked, or its schema file cannot be read.
        ConfigError: There is no registry, where the framing needs one.
    """

    def __init__(self, contract: StreamContract, schemas: WriterSchemas | None) -> None:
        for column in contract.columns:
            converter_for(column)
        self._contract = contract
        self._source = AvroSource(contract, schemas)
        self._aliases = {} if contract.schema_file is None else aliases_of(schema_file_of(contract))
        self._columns: dict[RecordType, RecordColumns] = {}

    def decode(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Payloads:
        """Return the columns of the payloads; each is one element of them, or refused."""
        found = self._source.read(values, headers)
        payloads = Payloads(refused=found.refused, schema_ids=found.schema_ids)
        parts: list[tuple[Sequence[int], list[Array]]] = []
        for group in found.groups:
            rows = self._rows(group)
            payloads.refused.update((group.positions[i], refusal) for i, refusal in rows.refused.items())
            payloads.unknown.update((group.positions[i], text) for i, text in rows.unknown.items())
            payloads.unknown_fields.update(rows.unknown_fields)
            parts.append((_kept(group, rows), rows.columns))
        payloads.columns = self._merged(parts)
        return payloads

    def _rows(self, group: Group) -> Payloads:
        if group.type not in self._columns:
            contract = self._contract
            self._columns[group.type] = RecordColumns(
                group.type.schema,
                group.type.node,
                contract.columns,
                contract.on_unknown_field,
                self._aliases,
                constants=type_constants(contract),
            )
        return self._columns[group.type].of(group.fields, len(group.positions))

    def _merged(self, parts: list[tuple[Sequence[int], list[Array]]]) -> list[Array]:
        """Return the columns of all groups in the order of their payloads."""
        if not parts:
            empty: Any = pa.nulls
            return [empty(0, arrow_type(column.type)) for column in self._contract.columns]
        if len(parts) == 1:
            return parts[0][1]
        places = list(chain.from_iterable(positions for positions, _ in parts))
        order = pa.array(sorted(range(len(places)), key=places.__getitem__), pa.int64())
        columns = zip(*(columns for _, columns in parts), strict=True)
        return [pa.concat_arrays(arrays).take(order) for arrays in columns]


def _kept(group: Group, rows: Payloads) -> Sequence[int]:
    if not rows.refused:
        return group.positions
    return [position for i, position in enumerate(group.positions) if i not in rows.refused]


def aliases_of(schema: AvroSchema) -> Aliases:
    """Return, for each record of a reader's schema, its fields' names by their aliases.

    Source: Apache Avro 1.12 specification, "Aliases". A record is known by its own aliases as well, and, as records of
    writer and reader match by their unqualified names, by the last part of its name where no other one has the same.
    """
    records = [record for record in schema.names.values() if isinstance(record, Record)]
    last_parts = Counter(simple_name(record.name) for record in records)
    found: dict[str, Mapping[str, str]] = {}
    for record in records:
        names = {alias: field.name for field in record.fields for alias in field.aliases}
        found.update(dict.fromkeys((record.name, *record.aliases), names))
        if last_parts[simple_name(record.name)] == 1:
            found.setdefault(simple_name(record.name), names)
    return found
