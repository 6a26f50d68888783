"""From a raw batch to rows and dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.choices import Envelope, TypeSource
from mesh_defs.contract.contract import EventTypeFrom, InputContract, StreamContract
from mesh_defs.decode.avro import AvroCodec, AvroField, AvroRecordName, AvroSource
from mesh_defs.decode.columns.base import scattered
from mesh_defs.decode.debezium import DebeziumAvro, DebeziumJson
from mesh_defs.decode.envelope.cloudevents import CloudEvents
from mesh_defs.decode.envelope.opened import NoEnvelope, Opened, Opener
from mesh_defs.decode.framing import Confluent, NoFraming
from mesh_defs.decode.json.codec import JsonCodec
from mesh_defs.decode.json.field import JsonField
from mesh_defs.decode.json.framed import FramedJson
from mesh_defs.decode.letters import letter_of
from mesh_defs.decode.payload import PayloadCodec, Payloads
from mesh_defs.decode.platform import FIRST_MILLISECOND, LAST_MILLISECOND, PlatformColumns, Rows
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.schemas import WriterSchemas
from mesh_defs.decode.types.readers import FieldReader, reader_for
from mesh_defs.decode.types.router import TypesDecoder
from mesh_defs.model.errors import ContractError
from mesh_defs.model.records import RawBatch, Stage, TypedBatch

DEBEZIUM_PLACES: Final = tuple(
    (*outer, *inner) for outer in ((), ("payload",)) for inner in (("after",), ("before",), ())
)
"""Where a change event may hold a field: in the row, before or after, or beside it, as `source.table` is."""


class StreamDecoder(Protocol):
    """Decodes the records of a stream, of one event type or of several."""

    def decode(self, batch: RawBatch, *, epoch: int, ingested_at: int) -> TypedBatch:
        """Return what became of a batch: each record is one row or one dead letter.

        Raises:
            RegistryError: The writers' schemas cannot be had; nothing is known about the records.
        """
        ...


def decoder_for(contract: StreamContract, schemas: WriterSchemas | None = None) -> StreamDecoder:
    """Return the decoder of a stream.

    Args:
        contract: The stream's.
        schemas: The registry that holds the writers' schemas, where the mesh has one.

    Raises:
        ContractError: The contract asks for what is not supported, or its schema file cannot be read.
        ConfigError: There is no registry, where the framing needs one.
    """
    envelope = CloudEvents() if contract.envelope is Envelope.CLOUDEVENTS else NoEnvelope()
    if contract.event_type_from is None:
        return Decoder(contract, envelope, _codec(contract, schemas))
    decoders = {t.event_type or "": Decoder(t, envelope, _codec(t, schemas)) for t in contract.types}
    reader = reader_for(contract.event_type_from, _field_reader(contract, schemas))
    return TypesDecoder(decoders, envelope, reader)


def _field_reader(contract: StreamContract, schemas: WriterSchemas | None) -> FieldReader:
    """Return what reads the field that says a payload's type, whatever the payloads are written in."""
    source = contract.event_type_from or EventTypeFrom(source=TypeSource.ENVELOPE)
    path = source.name.split(".")
    debezium = contract.envelope is Envelope.DEBEZIUM
    paths = [(*outer, *path) for outer in DEBEZIUM_PLACES] if debezium else [path]
    if contract.format == "json":
        return JsonField(paths, Confluent() if contract.framing == "confluent" else NoFraming())
    avro = AvroSource(contract, schemas)
    if source.source is TypeSource.SCHEMA:
        return AvroRecordName(avro, [table.event_type or "" for table in contract.types])
    return AvroField(avro, paths)


def _codec(contract: StreamContract, schemas: WriterSchemas | None) -> PayloadCodec:
    match contract.format, contract.framing:
        case "json", "none":
            return _json(contract)
        case "json", "confluent":
            return FramedJson(_json(contract), schemas)
        case "avro", _ if contract.envelope is Envelope.DEBEZIUM:
            return DebeziumAvro(contract, schemas)
        case "avro", _:
            return AvroCodec(contract, schemas)
        case "json", framing:
            raise _unsupported(contract, f"framing {framing} of JSON", "framing: none or confluent")
        case format_, _:
            raise _unsupported(contract, f"format {format_}", "format: json")


def _json(contract: StreamContract) -> PayloadCodec:
    return DebeziumJson(contract) if contract.envelope is Envelope.DEBEZIUM else JsonCodec(contract)


def _unsupported(contract: StreamContract, what: str, instead: str) -> ContractError:
    return ContractError(
        cannot=f"decode {contract.full_name}", why=f"{what} is not supported yet", do=f"declare {instead}"
    )


class Decoder:
    """Decodes one stream's records: pure, without state between batches.

    Args:
        contract: The stream's.
        envelope: Takes the payloads out of their envelopes.
        codec: Reads the payloads.
    """

    def __init__(self, contract: InputContract, envelope: Opener, codec: PayloadCodec) -> None:
        self._table = contract.name
        self._schema = table_schema(contract)
        self._envelope = envelope
        self._codec = codec
        self._platform = PlatformColumns(contract)

    def decode(self, batch: RawBatch, *, epoch: int, ingested_at: int) -> TypedBatch:
        """Return what became of a batch: each record is one row or one dead letter.

        Whether a record is refused depends on nothing but itself, so any split of a batch gives the same.

        Args:
            batch: As the broker handed it out.
            epoch: Of the stream.
            ingested_at: Microseconds since the epoch.

        Raises:
            RegistryError: The writers' schemas cannot be had; nothing is known about the records.
        """
        return self.decode_opened(batch, self._envelope.open(batch), epoch=epoch, ingested_at=ingested_at)

    def decode_opened(self, batch: RawBatch, opened: Opened, *, epoch: int, ingested_at: int) -> TypedBatch:
        """Return what became of a batch that is out of its envelopes already, as `decode` does.

        Raises:
            RegistryError: The writers' schemas cannot be had; nothing is known about the records.
        """
        opened.refused.update(_bad_timestamps(batch.timestamps))
        plain = not opened.refused and None not in opened.payloads
        positions = None if plain else _payload_positions(opened)
        payloads = self._codec.decode(_picked(opened.payloads, positions), _picked(opened.headers, positions))
        refused = opened.refused | {
            position if positions is None else positions[position]: refusal
            for position, refusal in payloads.refused.items()
        }
        rows = _rows(batch, opened, payloads, positions, refused)
        columns = rows.columns + self._platform.of(rows, epoch=epoch, ingested_at=ingested_at)
        return TypedBatch(
            partition=batch.partition,
            tables={self._table: pa.RecordBatch.from_arrays(columns, schema=self._schema)},
            dead_letters=tuple(letter_of(batch, index, refused[index]) for index in sorted(refused)),
            unknown_fields=dict(payloads.unknown_fields),
        )


def _payload_positions(opened: Opened) -> list[int]:
    return [i for i, value in enumerate(opened.payloads) if value is not None and i not in opened.refused]


def _picked(values: Sequence[Any], positions: list[int] | None) -> Any:
    return values if positions is None else [values[i] for i in positions]


def _rows(
    batch: RawBatch,
    opened: Opened,
    payloads: Payloads,
    positions: list[int] | None,
    refused: dict[int, Refusal],
) -> Rows:
    """Return the records that are not refused, tombstones with null columns among them."""
    kept = [i for i in range(len(batch)) if i not in refused] if refused else None
    values = _picked(opened.payloads, kept)
    gone = [value is None for value in values] if positions is not None and None in values else None
    columns = payloads.columns if gone is None else [scattered(c, values) for c in payloads.columns]
    unknown = None
    if payloads.unknown:
        by_record = {positions[i] if positions else i: text for i, text in payloads.unknown.items()}
        unknown = [by_record.get(i) for i in (range(len(batch)) if kept is None else kept)]
    ids = None
    if payloads.schema_ids is not None:
        ids = _spread(payloads.schema_ids, positions, len(batch))
    changes = None
    if payloads.changes is not None:
        told = {positions[i] if positions else i: change for i, change in payloads.changes.items()}
        changes = [told.get(i) for i in (range(len(batch)) if kept is None else kept)]
    return Rows(
        topic=batch.topic,
        partition=batch.partition,
        offsets=_picked(batch.offsets, kept),
        timestamps=batch.timestamps if kept is None else batch.timestamps[kept],
        keys=_picked(batch.keys, kept),
        values=_picked(batch.values, kept),
        headers=_picked(opened.headers, kept),
        columns=columns,
        tombstones=gone,
        unknown=unknown,
        times=opened.times
        if opened.times is None or kept is None
        else opened.times.take(pa.array(kept, pa.int64())),
        schema_ids=None if ids is None else _picked(ids, kept),
        changes=changes,
        lines=None if batch.lines is None else _picked(batch.lines, kept),
    )


def _spread(ids: Sequence[int | None], positions: list[int] | None, count: int) -> Sequence[int | None]:
    """Return the schema ids of all records, those without a payload included."""
    if positions is None:
        return ids
    spread: list[int | None] = [None] * count
    for position, schema_id in zip(positions, ids, strict=True):
        spread[position] = schema_id
    return spread


def _bad_timestamps(timestamps: npt.NDArray[np.int64]) -> dict[int, Refusal]:
    bad = np.flatnonzero((timestamps < FIRST_MILLISECOND) | (timestamps > LAST_MILLISECOND))
    return {
        i: Refusal(
            "timestamp_range",
            f"the record's timestamp, {timestamps[i]} ms, is not of the years 1 to 9999",
            stage=Stage.ENVELOPE,
        )
        for i in bad.tolist()
    }
