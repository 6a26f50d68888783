"""The payloads of a batch by their writers' schemas: each group as arrays of its writer's fields."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import AvroSchema
from mesh_defs.contract.avsc import read_avsc
from mesh_defs.contract.contract import StreamContract
from mesh_defs.decode.avro.canonical import fingerprint
from mesh_defs.decode.avro.reader import read_branch
from mesh_defs.decode.avro.writers import RecordType, Writer, registered_writer, writer_for
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.framing import Confluent, Frame, Framing, NoFraming, SingleObject
from mesh_defs.decode.framing.writers import writer_of
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.schemas import RegisteredSchema, WriterSchemas
from mesh_defs.model.errors import ConfigError, ContractError
from mesh_defs.model.records import Headers, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Payloads of one record type.

    Attributes:
        type: Of the records.
        positions: Of the payloads in the batch, ascending.
        fields: The record's, one element a payload.
    """

    type: RecordType
    positions: Sequence[int]
    fields: list[Array]


@dataclass(slots=True, kw_only=True)
class Groups:
    """A batch's payloads.

    Attributes:
        groups: The good ones.
        refused: The others, by their position in the batch.
        schema_ids: The registry's number of each payload's schema; None where no frame names one.
    """

    groups: list[Group] = field(default_factory=list)
    refused: dict[int, Refusal] = field(default_factory=dict)
    schema_ids: list[int | None] | None = None


class AvroSource:
    """Reads the payloads of one stream.

    Args:
        contract: The stream's.
        schemas: The registry, or None where the mesh has none.

    Raises:
        ContractError: The contract names no schema file, or one that cannot be read, where its framing needs one.
        ConfigError: There is no registry, where its framing needs one.
    """

    def __init__(self, contract: StreamContract, schemas: WriterSchemas | None) -> None:
        self._schemas = schemas
        self._framing: Framing
        self._known: dict[RegisteredSchema | Frame, Writer] = {}
        if contract.framing == "confluent":
            if schemas is None:
                raise ConfigError(
                    cannot=f"decode {contract.full_name}",
                    why="framing confluent names schemas of a registry, and the mesh has none",
                    do="declare [registry.main] in mesh.toml, or another `framing`",
                )
            self._framing = Confluent()
            return
        schema = schema_file_of(contract)
        if contract.framing != "single_object":
            self._framing = NoFraming()
            self._known[None] = _writer_of(contract, schema)
            return
        self._framing = SingleObject()
        for one in (schema, *earlier_schemas_of(contract)):
            self._known[fingerprint(one)] = _writer_of(contract, one)

    def read(self, values: Sequence[bytes], headers: Sequence[Headers | None]) -> Groups:
        """Return the payloads of a batch.

        Args:
            values: The payloads, with their frames.
            headers: Each record's.

        Raises:
            RegistryError: The schemas cannot be had.
        """
        frames = self._framing.open(values, headers)
        found = Groups(refused=frames.refused)
        if self._schemas is not None:
            found.schema_ids = [None] * len(values)
        for frame, positions in frames.groups.items():
            try:
                writer = self._writer(frame)
            except Refusal as refusal:
                found.refused.update(dict.fromkeys(positions, refusal))
                continue
            if found.schema_ids is not None:
                _set_ids(found.schema_ids, positions, writer.id)
            _read(writer, positions, frames.payloads, found)
        return found

    def record_names(
        self, values: Sequence[bytes], headers: Sequence[Headers | None]
    ) -> tuple[list[str | None], dict[int, Refusal]]:
        """Return the full name of each payload's record, without reading the record; and which are refused.

        Raises:
            RegistryError: The schemas cannot be had.
        """
        frames = self._framing.open(values, headers)
        names: list[str | None] = [None] * len(values)
        refused = frames.refused
        for frame, positions in frames.groups.items():
            try:
                writer = self._writer(frame)
            except Refusal as refusal:
                refused.update(dict.fromkeys(positions, refusal))
                continue
            for position in positions:
                try:
                    names[position] = writer.record_name(frames.payloads[position])
                except Refusal as refusal:
                    refused[position] = refusal
        return names, refused

    def _writer(self, frame: Frame) -> Writer:
        if self._schemas is not None and isinstance(frame, int | UUID):
            registered = writer_of(self._schemas, frame, "AVRO")
            if registered not in self._known:
                self._known[registered] = registered_writer(registered)
            return self._known[registered]
        if frame not in self._known:
            message = "the fingerprint is that of no schema file of the contract"
            raise Refusal("unknown_schema", message, stage=Stage.FRAMING)
        return self._known[frame]


def schema_file_of(contract: StreamContract) -> AvroSchema:
    """Return the schema of the file beside a contract.

    Raises:
        ContractError: The contract names none, or it cannot be read.
    """
    if contract.schema_file is None:
        raise ContractError(
            cannot=f"decode {contract.full_name}",
            why=f"framing {contract.framing} leaves it to the contract to tell the writers' schema",
            do="name the .avsc file beside the contract in the custom property `schema`",
        )
    return read_schema(read_avsc(contract.schema_file), contract.schema_file)


def earlier_schemas_of(contract: StreamContract) -> Iterator[AvroSchema]:
    """Yield what earlier writers wrote by: the files `orders.NAME.avsc` beside a contract's `orders.avsc`.

    Raises:
        ContractError: One cannot be read.
    """
    if contract.schema_file is not None:
        folder, stem = contract.schema_file.parent, contract.schema_file.stem
        for path in sorted(folder.glob(f"{glob.escape(stem)}.*{contract.schema_file.suffix}")):
            yield read_schema(read_avsc(path), path)


def _writer_of(contract: StreamContract, schema: AvroSchema) -> Writer:
    try:
        return writer_for(schema, None)
    except Refusal as refusal:
        raise ContractError(
            cannot=f"decode {contract.full_name}",
            why=refusal.message,
            do="name another .avsc file in the custom property `schema`",
        ) from None


def _set_ids(ids: list[int | None], positions: Sequence[int], schema_id: int | None) -> None:
    if len(positions) == len(ids):
        ids[:] = [schema_id] * len(ids)
        return
    for position in positions:
        ids[position] = schema_id


def _read(writer: Writer, positions: Sequence[int], payloads: Sequence[bytes], found: Groups) -> None:
    """Read one writer's payloads."""
    whole = len(positions) == len(payloads)
    if None in writer.records:
        _read_records(
            writer.records[None], positions, payloads if whole else [payloads[i] for i in positions], found
        )
        return
    branches: dict[int, tuple[list[int], list[bytes]]] = {}
    for position in positions:
        try:
            branch, rest = read_branch(payloads[position], writer.records)
        except Refusal as refusal:
            found.refused[position] = refusal
            continue
        members = branches.setdefault(branch, ([], []))
        members[0].append(position)
        members[1].append(rest)
    for branch, (places, rests) in branches.items():
        _read_records(writer.records[branch], places, rests, found)


def _read_records(
    type_: RecordType, positions: Sequence[int], payloads: Sequence[bytes], found: Groups
) -> None:
    refused: dict[int, Refusal] = {}
    fields = type_.read(payloads, refused)
    found.refused.update((positions[position], refusal) for position, refusal in refused.items())
    good = [p for i, p in enumerate(positions) if i not in refused] if refused else positions
    found.groups.append(Group(type=type_, positions=good, fields=fields))
