"""Damaged files of a stream's tables: their offsets are read again, and the rows put back where they stood."""

from __future__ import annotations

import getpass
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from mesh_defs.broker import Broker, Brokers
from mesh_defs.broker.registry import Registries
from mesh_defs.contract.arrow import table_schema
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import StreamDecoder, content_hash
from mesh_defs.ingest.decoders import ready_decoder
from mesh_defs.ingest.plan import check_identity
from mesh_defs.model.errors import MeshError, OffsetsLostError, StoreError
from mesh_defs.model.micros import to_micros
from mesh_defs.model.records import RawBatch, StagedFile
from mesh_defs.store import (
    Account,
    DamagedFile,
    DomainStore,
    LedgerEntry,
    StreamOffsets,
    accounts_of,
    find_damage,
    read_ledger,
    replace_file,
    with_field_ids,
)

READ_RECORDS: Final = 10_000

_MODULUS: Final = 1 << 64

_BACKUP: Final = "restore the domain's folder from its last backup; this file stays as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairedFile:
    """A file that was damaged, and is sound again.

    Attributes:
        damage: What was wrong with it.
        rows: How many rows were read again.
        note: The file, in quarantine, that says so.
    """

    domain: str
    stream: str
    table: str
    damage: str
    rows: int
    note: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRepair:
    """What became of a stream's damaged files.

    Attributes:
        files: Those that are sound again.
        refusals: Why others stay as they are.
    """

    files: tuple[RepairedFile, ...] = ()
    refusals: tuple[MeshError, ...] = ()


def repair_stream(project: Project, contract: StreamContract) -> StreamRepair:
    """Find the damaged files of a stream's tables, and put sound ones in their places.

    The order of effects, for each file:

    1. Every page of every file is read; which offsets a damaged one held is told by ledger and catalog.
    2. The ledger entries of these offsets are read again from the broker, whole. Their bytes must be those that the
       ledger knows by its content hash.
    3. The records are decoded by today's contract, and the rows of the damaged file written to a new one.
    4. The new file takes the damaged one's place in the catalog, in one transaction of the writer's lane, and what is
       left of the damaged one goes to `quarantine` (`store.replace_file`).

    No ledger entry changes: the rows are what it says. Where anything of it cannot be had (the broker no longer holds
    some of the offsets, the records are not what was stored, another writer was faster), that file stays as it is, and
    the others are repaired all the same.

    Raises:
        StoreError: Which offsets a damaged file held cannot be told, or the store cannot be read.
        BrokerError: The stream's topic or cluster cannot be asked for.
    """
    folder = project.data_folder(contract.domain)
    if not DomainStore.exists(folder):
        return StreamRepair()
    with DomainStore.open(folder, contract.domain) as store, Brokers(project.config) as brokers:
        offsets = store.offsets()
        stored = offsets.streams.get(contract.name)
        accounts = accounts_of(contract.name, stored, read_ledger(store, contract.name))
        if stored is None or not accounts:
            return StreamRepair()
        damaged = find_damage(store, store.data_folder, offsets.tables(contract.name), accounts)
        if not damaged:
            return StreamRepair()
        registries = Registries(project.config)
        try:
            work = _Repair(
                store=store,
                contract=contract,
                stored=stored,
                accounts={a.partition: a for a in accounts if a.epoch == stored.epoch},
                broker=brokers.of(contract),
                decoder=ready_decoder(store, offsets, contract, registries),
            )
            return work.take_all(damaged)
        finally:
            registries.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repair:
    """The repair of one stream."""

    store: DomainStore
    contract: StreamContract
    stored: StreamOffsets
    accounts: Mapping[int, Account]
    broker: Broker
    decoder: StreamDecoder

    def take_all(self, damaged: Sequence[DamagedFile]) -> StreamRepair:
        """Put sound files in the places of damaged ones, of each that can be had."""
        files, refusals = [], []
        for file in damaged:
            try:
                files.append(self.take(file))
            except MeshError as error:
                refusals.append(error)
        return StreamRepair(files=tuple(files), refusals=tuple(refusals))

    def take(self, file: DamagedFile) -> RepairedFile:
        """Put a sound file in a damaged one's place."""
        if any(span.epoch != self.stored.epoch for span in file.spans):
            raise self._refusal(file, "it holds rows of an earlier epoch, whose topic is another one")
        check_identity(self.contract, self.stored.identity, self.broker.identity(self.contract.topic))
        parts = {p: _Part(self.accounts[p], file) for p in {span.partition for span in file.spans}}
        ranges = {p: part.range for p, part in parts.items()}
        self._check_held(file, ranges)
        fresh = self._write(file, parts, ranges)
        author = getpass.getuser()
        note = replace_file(self.store, self.store.folder, file, fresh, author)
        return RepairedFile(
            domain=self.contract.domain,
            stream=self.contract.name,
            table=file.table,
            damage=file.damage,
            rows=file.row_count,
            note=note,
        )

    def _check_held(self, file: DamagedFile, ranges: Mapping[int, tuple[int, int]]) -> None:
        marks = self.broker.watermarks(self.contract.topic, sorted(ranges))
        for partition, (begin, end) in ranges.items():
            mark = marks[partition]
            if mark.low > begin or mark.end < end:
                raise OffsetsLostError(
                    cannot=f"repair {file.path.name} of {self.contract.full_name}",
                    why=f"{file.damage}, and of the offsets {begin} to {end} of partition {partition} the broker holds "
                    f"only {mark.low} to {mark.end}",
                    do=_BACKUP,
                )

    def _write(
        self, file: DamagedFile, parts: Mapping[int, _Part], ranges: Mapping[int, tuple[int, int]]
    ) -> StagedFile:
        """Read the ranges again, and write the file's rows; nothing is left where it cannot be done."""
        table = next((t for t in self.contract.tables if t.name == file.table), None)
        if table is None:
            raise self._refusal(file, "today's contract has no such table")
        schema = with_field_ids(self.store, file.table, table_schema(table))
        with self.store.stage(file.table, schema) as writer:
            with self.broker.reader(self.contract.topic, ranges) as reader:
                while not reader.done:
                    for raw in reader.read(READ_RECORDS):
                        for entry, own in parts[raw.partition].take(raw):
                            writer.write(self._rows(file, parts[raw.partition], entry, own))
            for part in parts.values():
                wrong = part.difference()
                if wrong:
                    raise self._refusal(file, wrong)
            fresh = writer.close() if writer.row_count == file.row_count else None
        if fresh is None:
            why = (
                f"it held {file.row_count} rows, and by today's contract its records make {writer.row_count}"
            )
            raise self._refusal(file, why)
        return fresh

    def _rows(self, file: DamagedFile, part: _Part, entry: LedgerEntry, raw: RawBatch) -> pa.RecordBatch:
        """Return the rows of the file among the records of one ledger entry."""
        least, greatest = file.ingested_at
        at = max(least, min(greatest, to_micros(entry.committed_at)))
        typed = self.decoder.decode(raw, epoch=entry.epoch, ingested_at=at)
        rows = typed.tables[file.table]
        offsets: list[int] = rows.column("_offset").to_pylist()  # type: ignore[assignment] # never null
        return rows.filter(pa.array(list(map(part.holds, offsets)), pa.bool_()))

    def _refusal(self, file: DamagedFile, why: str) -> StoreError:
        return StoreError(
            cannot=f"repair {file.path.name} of {self.contract.full_name}",
            why=f"{file.damage}, and {why}",
            do=_BACKUP,
        )


@dataclass(slots=True)
class _Part:
    """What a damaged file held of one partition, and the ledger entries that account for it."""

    account: Account
    file: DamagedFile
    entries: Sequence[LedgerEntry] = ()
    counts: list[int] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        spans = [s for s in self.file.spans if s.partition == self.account.partition]
        self.begins = [s.from_offset for s in spans]
        self.ends = [s.to_offset for s in spans]
        low, high = self.begins[0], self.ends[-1]
        self.entries = [
            e for e in self.account.entries if e.from_offset < min(high, e.to_offset) and e.to_offset > low
        ]
        self.counts = [0] * len(self.entries)
        self.hashes = [0] * len(self.entries)

    @property
    def range(self) -> tuple[int, int]:
        """The offsets of all these entries."""
        return self.entries[0].from_offset, self.entries[-1].to_offset

    def holds(self, offset: int) -> bool:
        """Say whether the file held an offset."""
        index = bisect_right(self.begins, offset) - 1
        return index >= 0 and offset < self.ends[index]

    def take(self, raw: RawBatch) -> Iterator[tuple[LedgerEntry, RawBatch]]:
        """Count records to their entries, and yield them entry by entry."""
        ends = [e.to_offset for e in self.entries]
        begin = 0
        while begin < len(raw):
            index = bisect_right(ends, raw.offsets[begin])
            end = bisect_right(raw.offsets, ends[index] - 1)
            own = raw.part(begin, end)
            self.counts[index] += len(own)
            self.hashes[index] = (self.hashes[index] + content_hash(own)) % _MODULUS
            yield self.entries[index], own
            begin = end

    def difference(self) -> str:
        """Say what the broker holds other than was stored; empty where it is the same."""
        for entry, count, hash_ in zip(self.entries, self.counts, self.hashes, strict=True):
            stored = entry.row_count + entry.dead_letter_count
            if (count, hash_) != (stored, entry.content_hash):
                return (
                    f"in the offsets {entry.from_offset} to {entry.to_offset} of partition {entry.partition} the "
                    f"broker has {count} records where {stored} were stored, or other bytes"
                )
        return ""
