"""A contract as the rest of the mesh sees it: frozen, complete, with every default filled in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mesh_defs.contract.choices import (
    Envelope,
    EventKind,
    Incremental,
    LoadMode,
    OnError,
    OnLoss,
    OnUnknownField,
    StartFrom,
    TypeSource,
)
from mesh_defs.contract.types import Column, QualityEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class EventTypeFrom:
    """`eventTypeFrom`, resolved against the contract's columns.

    Attributes:
        source: `envelope` is the CloudEvents `type`; `either` the header, and the payload's field where a record
            has no such header; `schema` the name of the record in the writer's schema.
        name: Of the header or the field; a field inside objects is `outer.inner`.
    """

    source: TypeSource
    name: str = ""


COORDINATES = "coordinates"
"""The word in `eventId` that makes topic, partition and offset the identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlaProperty:
    """One promise of `slaProperties`, as it stands in the file.

    Attributes:
        schedule: When something is done for it, as `scheduler` writes it.
        scheduler: `cron`, or a tool that the mesh does not know.
    """

    property: str
    value: Any
    unit: str | None = None
    schedule: str | None = None
    scheduler: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractBase:
    """What streams and products have in common.

    Attributes:
        domain: The owning domain.
        name: The table's name in the domain's store.
        owner: Of the team's member with the role `owner`, else None; the domain's owner then answers.
        path: The contract file, absolute.
        quality: The table's own rules, measured, not enforced.
        subject_key: The column that says whose data a row is.
    """

    domain: str
    name: str
    id: str
    version: str
    status: str
    title: str
    description: str
    columns: tuple[Column, ...]
    path: Path
    owner: str | None = None
    tags: tuple[str, ...] = ()
    sla: tuple[SlaProperty, ...] = ()
    quality: tuple[QualityEntry, ...] = ()
    subject_key: str | None = None

    @property
    def full_name(self) -> str:
        """`domain.name`, as SQL and every message write it."""
        return f"{self.domain}.{self.name}"

    @property
    def stream_name(self) -> str:
        """The name under which the ledger and the dead letters speak of the table's records."""
        return self.name

    @property
    def is_retired(self) -> bool:
        """Whether nothing comes in any more: the table stays as it is."""
        return self.status == "retired"

    @property
    def primary_key(self) -> tuple[str, ...]:
        """The columns of the primary key, in `primaryKeyPosition` order."""
        keys = [c for c in self.columns if c.primary_key]
        return tuple(c.name for c in sorted(keys, key=lambda c: c.primary_key_position or 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputContract(ContractBase):
    """What a stream and data at rest have in common: records from elsewhere that keep to the contract, or do not.

    Attributes:
        event_time: The column that tells `_event_time`.
        event_id: The column that tells `_event_id`, or the word `coordinates`.
        max_dead_letter_ratio: 0 to 1, over the last 1,000 records.
        retain_raw: Whether the record's bytes are kept; of streams only.
    """

    event_time: str | None = None
    event_id: str = COORDINATES
    allowed_lateness: dt.timedelta = dt.timedelta(0)
    on_error: OnError = OnError.DEAD_LETTER
    max_dead_letter_ratio: float = 0.1
    on_unknown_field: OnUnknownField = OnUnknownField.KEEP
    retain_raw: bool = False

    @property
    def has_changes(self) -> bool:
        """Whether the records are changes of rows, which the table tells of."""
        return False

    @property
    def tables(self) -> tuple[InputContract, ...]:
        """The contract of each table that is filled."""
        return (self,)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamContract(InputContract):
    """A stream: a topic, its records' shape, and what happens to those that break it.

    Attributes:
        topic: The topic's name.
        server: The connection of `mesh.toml`.
        server_host: Bootstrap servers for a connection other than `main` that `mesh.toml` does not name.
        format: `json`, `avro` or `protobuf`.
        framing: What stands before the payload: `none`, `confluent` or `single_object`.
        schema_file: The `.avsc` or `.proto` beside the contract, where the frame names no schema.
        types: Where the topic holds several event types, the contract of each one's table; the stream itself then has
            no columns, and is called as its file.
        event_type_from: Where a record says its type; None where the topic holds one type.
        event_type: Of an event type's table: the type that it takes.
        part_of: Of an event type's table: the stream's name.
    """

    topic: str
    server: str
    server_host: str | None
    format: str
    event_kind: EventKind
    envelope: Envelope = Envelope.NONE
    partitions: int = 1
    start_from: StartFrom | dt.datetime = StartFrom.EARLIEST
    on_loss: OnLoss = OnLoss.FAIL
    reference: str | None = None
    framing: str = "none"
    schema_file: Path | None = None
    types: tuple[StreamContract, ...] = ()
    event_type_from: EventTypeFrom | None = None
    event_type: str | None = None
    part_of: str | None = None

    @property
    def has_changes(self) -> bool:
        """Whether the records are changes of rows, which the table tells of."""
        return self.envelope is Envelope.DEBEZIUM

    @property
    def tables(self) -> tuple[StreamContract, ...]:
        """The contract of each table that the stream fills: of each event type, or the stream's own."""
        return self.types or (self,)

    @property
    def stream_name(self) -> str:
        """The name of the account in the ledger: the tables of one stream share it."""
        return self.part_of or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class RestContract(InputContract):
    """Data at rest: files that become a table of the same store, under the same rules.

    Attributes:
        source: The path as it stands in the file: relative to the project's root, or absolute; globs allowed.
        format: `csv`, `parquet` or `json`.
        event_kind: None where the contract does not say it.
        cursor: For `append`: only rows above the table's greatest value of this column are loaded.
        delimiter: For CSV the character between two fields; for JSON `new_line` or `array`, None to look.
        null_text: What an unquoted field of a CSV file holds where there is no value, besides nothing at all.
    """

    source: str
    format: str
    event_kind: EventKind | None = None
    load: LoadMode = LoadMode.SNAPSHOT
    cursor: str | None = None
    delimiter: str | None = None
    null_text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductContract(ContractBase):
    """A product: a table computed by the SQL (or Python) file beside its contract.

    Attributes:
        source_file: The `.sql` or `.py`, absolute.
        window: The width of the event-time windows that are recomputed, where `incremental` is `window`.
    """

    source_file: Path
    incremental: Incremental = Incremental.FULL
    event_time: str | None = None
    window: dt.timedelta | None = None


TableContract = StreamContract | RestContract | ProductContract
"""The contract of one table."""


def tables_of(contract: TableContract) -> tuple[TableContract, ...]:
    """Return the contract of each table that a contract file declares: of a stream, one an event type."""
    return contract.tables if isinstance(contract, StreamContract) else (contract,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain: who owns it, and what it declares.

    Attributes:
        owner: An e-mail address or `team:name`.
        path: The domain's folder, absolute.
        inputs: Its data at rest.
    """

    name: str
    description: str
    owner: str
    contact: str
    path: Path
    streams: tuple[StreamContract, ...] = ()
    inputs: tuple[RestContract, ...] = ()
    products: tuple[ProductContract, ...] = ()

    @property
    def ingested(self) -> tuple[InputContract, ...]:
        """What passes bring in, or brought in before it was retired: the streams, then the data at rest."""
        return (*self.streams, *self.inputs)

    @property
    def live(self) -> Domain:
        """The domain as ingest sees it: without the streams and the data at rest that are retired."""
        return replace(
            self,
            streams=tuple(s for s in self.streams if not s.is_retired),
            inputs=tuple(i for i in self.inputs if not i.is_retired),
        )

    @property
    def retired(self) -> tuple[InputContract, ...]:
        """What is no longer ingested, and keeps its tables."""
        return tuple(c for c in self.ingested if c.is_retired)

    def stream(self, name: str) -> StreamContract | None:
        """Return the stream of that name, or None."""
        return next((s for s in self.streams if s.name == name), None)

    def input(self, name: str) -> RestContract | None:
        """Return the data at rest of that name, or None."""
        return next((i for i in self.inputs if i.name == name), None)

    @property
    def tables(self) -> tuple[TableContract, ...]:
        """The contract of each table of the domain: those that streams fill, the data at rest, the products."""
        streams = (table for stream in self.streams for table in stream.tables)
        return (*streams, *self.inputs, *self.products)

    def table(self, name: str) -> TableContract | None:
        """Return the contract of the table of that name, or None."""
        return next((t for t in self.tables if t.name == name), None)

    def product(self, name: str) -> ProductContract | None:
        """Return the product of that name, or None."""
        return next((p for p in self.products if p.name == name), None)
