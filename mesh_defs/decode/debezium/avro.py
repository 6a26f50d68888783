"""The codec of Debezium's change events in Avro."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa

from mesh_defs.contract.arrow import arrow_type
from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode import exact
from mesh_defs.decode.avro.codec import aliases_of
from mesh_defs.decode.avro.source import AvroSource, Group, schema_file_of
from mesh_defs.decode.avro.text import Text, Texts
from mesh_defs.decode.avro.writers import RecordType
from mesh_defs.decode.changes import Change
from mesh_defs.decode.columns.arrow import nulls
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.debezium.images import Image, Images, take_rows
from mesh_defs.decode.debezium.records import RecordRows
from mesh_defs.decode.debezium.refusals import refusal
from mesh_defs.decode.debezium.rules import check_envelope, check_operation
from mesh_defs.decode.debezium.source import Source, position_of, time_of
from mesh_defs.decode.debezium.values import told, told_readers
from mesh_defs.decode.payload import Payloads, joined
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.schemas import WriterSchemas
from mesh_defs.model.records import Headers

_FIELDS: Final = frozenset(Source.__struct_fields__)


class DebeziumAvro:
    """Change events of any writer's schema to columns, under one contract.

    Args:
        contract: The stream's.
        schemas: The registry, or None where the mesh has none.

    Raises:
        ContractError: The contract demands what cannot be checked, or its schema file cannot be read.
        ConfigError: There is no registry, where the framing needs one.
    """

    def __init__(self, contract: StreamContract, schemas: WriterSchemas | None) -> None:
        self._contract = contract
        self._source = AvroSource(contract, schemas)
        self._documents = Images(contract)
        self._aliases = {} if contract.schema_file is None else aliases_of(schema_file_of(contract))
        self._readers = told_readers(contract.columns, None, wall_clocks=True)
        self._rows: dict[RecordType, RecordRows] = {}
        self._texts: dict[RecordType, Mapping[str, Text]] = {}

    def decode(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Payloads:
        """Return the columns of the changes; each is one element of them, or refused."""
        found = self._source.read(values, headers)
        parts = [(group.positions, self._changes(group)) for group in found.groups]
        payloads = joined(len(values), parts) if parts else self._nothing({})
        payloads.refused |= found.refused
        payloads.schema_ids = found.schema_ids
        return payloads

    def _nothing(self, refused: dict[int, Refusal]) -> Payloads:
        empty = [nulls(0, arrow_type(column.type)) for column in self._contract.columns]
        return Payloads(columns=empty, refused=refused, changes={})

    def _changes(self, group: Group) -> Payloads:
        count = len(group.positions)
        fields = dict(zip(group.type.node.names, group.fields, strict=True))
        try:
            check_envelope(fields, "")
        except Refusal as verdict:
            return self._nothing(dict.fromkeys(range(count), verdict))
        changes: dict[int, Change] = {}
        payloads = Payloads(changes=changes)
        with_after = _valid(fields.get("after"), count)
        for position, (op, source, before, message) in enumerate(self._told(group, fields, count)):
            try:
                checked = check_operation(op, "", has_after=with_after[position])
                changes[position] = _change(checked, source, self._before(before))
            except Refusal as verdict:
                payloads.refused[position] = verdict
                continue
            if message is not None:
                payloads.unknown[position] = exact.text_of({"message": message})
        rows = [i for i in range(count) if with_after[i] and i not in payloads.refused]
        found = self._images(group, fields.get("after"), rows)
        take_rows(payloads, found, dict.fromkeys(rows, ".after"), count)
        return payloads

    def _told(
        self, group: Group, fields: Mapping[str, Array], count: int
    ) -> Sequence[tuple[Any, dict[str, Any], Any, Any]]:
        """Return of each change its operation, its source, the row before it as JSON, and its message."""
        texts = self._texts_of(group.type)

        def written(name: str) -> list[Any]:
            values = fields[name].to_pylist() if name in fields else []
            return [texts[name].json(value) for value in values] or [None] * count

        sources = _sources(fields.get("source"), count)
        return list(zip(written("op"), sources, written("before"), written("message"), strict=True))

    def _texts_of(self, type_: RecordType) -> Mapping[str, Text]:
        if type_ not in self._texts:
            texts = Texts(type_.schema)
            parts = zip(type_.node.names, type_.node.parts, strict=True)
            self._texts[type_] = {name: texts.of(part.type, part.above) for name, part in parts}
        return self._texts[type_]

    def _before(self, row: Any) -> str | None:
        if row is None:
            return None
        if isinstance(row, str):
            row = exact.document(row.encode())
        return exact.text_of(told(row, self._readers) if isinstance(row, dict) else row)

    def _images(self, group: Group, after: Any, rows: list[int]) -> Payloads:
        """Return the columns of the rows as they are; MongoDB's connector writes them as text."""
        if after is None or pa.types.is_string(after.type) or not pa.types.is_struct(after.type):
            texts = [] if after is None else after.take(pa.array(rows, pa.int64())).to_pylist()
            return self._documents.decode([Image(document=str(text).encode()) for text in texts])
        if group.type not in self._rows:
            node = group.type.node.parts[group.type.node.names.index("after")]
            self._rows[group.type] = RecordRows(self._contract, group.type.schema, node, self._aliases)
        return self._rows[group.type].of(after.take(pa.array(rows, pa.int64())))


def _valid(values: Any, count: int) -> list[bool]:
    if values is None:
        return [False] * count
    found: list[bool] = values.is_valid().to_pylist()
    return found


def _sources(values: Any, count: int) -> list[dict[str, Any]]:
    """Return the fields of each change's source that tell time and position."""
    if values is None or not pa.types.is_struct(values.type):
        return [{}] * count
    names = [field.name for field in values.type]
    columns = {n: c.to_pylist() for n, c in zip(names, values.flatten(), strict=True) if n in _FIELDS}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)] or [
        {}
    ] * count


def _change(op: str, told_source: dict[str, Any], before: str | None) -> Change:
    try:
        source = msgspec.convert(told_source, Source)
    except msgspec.ValidationError:
        raise refusal("type", "expected integer", ".source") from None
    return Change(op=op, position=position_of(source), before=before, time=time_of(source))
