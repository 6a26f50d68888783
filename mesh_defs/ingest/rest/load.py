"""One load: files read, decoded and staged, every record of them counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from mesh_defs.contract.arrow import LOADS
from mesh_defs.contract.choices import LoadMode, OnError, OnUnknownField
from mesh_defs.contract.contract import RestContract
from mesh_defs.decode import content_hash
from mesh_defs.decode.decoder import Decoder
from mesh_defs.decode.rest import Records
from mesh_defs.ingest.breaker import WINDOW, crosses
from mesh_defs.ingest.rest.files import Hashes, SourceFile
from mesh_defs.ingest.rest.plan import LoadPlan
from mesh_defs.ingest.rest.read import open_file
from mesh_defs.ingest.rest.seen import Seen
from mesh_defs.ingest.staging import Staging
from mesh_defs.model.errors import RecordRefusedError, TooManyDeadLettersError
from mesh_defs.model.micros import from_micros
from mesh_defs.model.records import DeadLetter, PartitionAdvance, RawBatch, StagedFile, TypedBatch
from mesh_defs.store import DomainStore, LoadedFile
from mesh_defs.store.layout import LOADS_TABLE

EPOCH = 0
PARTITION = 0
"""Data at rest has one partition, and is never begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a commit takes from one load."""

    advance: PartitionAdvance
    loaded: tuple[LoadedFile, ...]
    files: tuple[StagedFile, ...]
    outcomes: bytes
    unknown: Counter[str]


@dataclass(slots=True, kw_only=True)
class _Tally:
    """The account of one file within the load, or of the load."""

    from_offset: int
    rows: int = 0
    dead_letters: int = 0
    skipped: int = 0

    @property
    def next_offset(self) -> int:
        return self.from_offset + self.rows + self.dead_letters


@dataclass(slots=True, kw_only=True)
class Loading:
    """A load in the making.

    Attributes:
        begin: The first offset of the load.
        recent: The outcomes of the records before, for the circuit breaker; a snapshot begins anew.
        seen: Tells which records an earlier load took in; None where all are new.
        on_bytes: Told how many bytes of files were read.
    """

    store: DomainStore
    contract: RestContract
    plan: LoadPlan
    hashes: Hashes
    begin: int
    recent: bytes
    seen: Seen | None
    on_bytes: Callable[[int], None]
    _outcomes: bytearray = field(default_factory=bytearray)
    _unknown: Counter[str] = field(default_factory=Counter)
    _hash: int = 0
    _total: _Tally = field(init=False)

    def run(self) -> Load:
        """Read and stage all files of the plan.

        Raises:
            SourceError: A file cannot be read.
            RecordRefusedError: A record broke the contract, which says stop.
            TooManyDeadLettersError: More dead letters than the contract allows.
            StoreError: Staging failed.
        """
        self._total = _Tally(from_offset=self.begin)
        with Staging(self.store, self.contract, EPOCH) as staging:
            loaded = [self._file(file, staging) for file in self.plan.files]
            files = staging.close()
        return Load(
            advance=self._advance(),
            loaded=tuple(loaded),
            files=(*files, self._stage_loads(loaded)),
            outcomes=bytes(self._outcomes[-WINDOW:]),
            unknown=self._unknown,
        )

    def _file(self, file: SourceFile, staging: Staging) -> LoadedFile:
        tally = _Tally(from_offset=self._total.next_offset)
        sha256 = self.hashes.of(self.contract, file)
        opened = open_file(self.contract, file)
        for records in opened.batches:
            self._take(file, records, opened.decoder, staging, tally)
            self.on_bytes(sum(map(len, records.values)))
        self._total.rows += tally.rows
        self._total.dead_letters += tally.dead_letters
        return LoadedFile(
            load=self.plan.number,
            mode=str(self.contract.load),
            path=file.name,
            size_bytes=file.size_bytes,
            modified_at=file.modified_at,
            sha256=sha256,
            from_offset=tally.from_offset,
            to_offset=tally.next_offset,
            row_count=tally.rows,
            dead_letter_count=tally.dead_letters,
            skipped_count=tally.skipped,
            contract_version=self.contract.version,
            contract_hash=self.plan.contract_hash,
            ingested_at=from_micros(staging.ingested_at),
        )

    def _take(
        self, file: SourceFile, records: Records, decoder: Decoder, staging: Staging, tally: _Tally
    ) -> None:
        """Decode and stage one batch of a file's records, without those that an earlier load took in."""
        raw = _raw(file, records, tally.next_offset)
        typed = decoder.decode(raw, epoch=EPOCH, ingested_at=staging.ingested_at)
        if self.seen is not None:
            kept = self._new(raw, typed)
            tally.skipped += len(raw) - len(kept)
            if len(kept) < len(raw):
                raw = _raw(file, _picked(records, kept), tally.next_offset)
                typed = decoder.decode(raw, epoch=EPOCH, ingested_at=staging.ingested_at)
        self._judge(raw, typed)
        tally.rows += typed.row_count
        tally.dead_letters += len(typed.dead_letters)
        self._hash = (self._hash + content_hash(raw)) % 2**64
        self._unknown.update(typed.unknown_fields)
        staging.put(typed)

    def _new(self, raw: RawBatch, typed: TypedBatch) -> list[int]:
        """Return the positions of the records that are new."""
        if self.seen is None:
            return list(range(len(raw)))
        kept = self.seen.new_rows(typed.rows)
        letters = [letter for letter in typed.dead_letters if not self.seen.is_told(letter)]
        return sorted([offset - raw.offsets[0] for offset in kept] + [letter.index for letter in letters])

    def _judge(self, raw: RawBatch, typed: TypedBatch) -> None:
        refused = next((letter for letter in typed.dead_letters if self._refuses(letter)), None)
        if refused is not None:
            raise _refused_error(self.contract, refused)
        outcomes = bytearray(len(raw))
        for letter in typed.dead_letters:
            outcomes[letter.index] = 1
        before = (self.recent + bytes(self._outcomes[-WINDOW:]))[-WINDOW:]
        if crosses(before, bytes(outcomes), self.contract.max_dead_letter_ratio):
            raise _tripped_error(self.contract, raw, len(typed.dead_letters))
        self._outcomes += outcomes

    def _refuses(self, letter: DeadLetter) -> bool:
        if self.contract.on_error is OnError.FAIL:
            return True
        return letter.rule == "unknown_field" and self.contract.on_unknown_field is OnUnknownField.FAIL

    def _advance(self) -> PartitionAdvance:
        return PartitionAdvance(
            stream=self.contract.name,
            epoch=EPOCH,
            partition=PARTITION,
            from_offset=self._total.from_offset,
            to_offset=self._total.next_offset,
            row_count=self._total.rows,
            dead_letter_count=self._total.dead_letters,
            gaps=(),
            content_hash=self._hash,
            contract_version=self.contract.version,
        )

    def _stage_loads(self, loaded: list[LoadedFile]) -> StagedFile:
        with self.store.stage(LOADS_TABLE, LOADS) as writer:
            writer.write(pa.Table.from_pylist([f.row(self.contract.name) for f in loaded], LOADS))
            file = writer.close()
        if file is None:
            raise AssertionError
        return file


def check_not_emptied(contract: RestContract, load: Load, rows_before: int) -> None:
    """Refuse to put nothing in the place of something where every record is broken: it is the source that is.

    Raises:
        TooManyDeadLettersError: It would.
    """
    if (
        contract.load is LoadMode.SNAPSHOT
        and rows_before
        and not load.advance.row_count
        and (load.advance.dead_letter_count)
    ):
        raise TooManyDeadLettersError(
            cannot=f"replace the {rows_before} rows of {contract.full_name}",
            why=f"every record of {contract.source} breaks the contract",
            do="mend the source or the contract; the table stays as it is",
        )


def _raw(file: SourceFile, records: Records, begin: int) -> RawBatch:
    count = len(records.values)
    return RawBatch(
        topic=file.name,
        partition=PARTITION,
        offsets=range(begin, begin + count),
        timestamps=np.full(count, file.modified_ns // 1_000_000),
        keys=[None] * count,
        values=list(records.values),
        headers=[None] * count,
        lines=records.lines,
    )


def _picked(records: Records, positions: list[int]) -> Records:
    return Records(values=[records.values[i] for i in positions], lines=[records.lines[i] for i in positions])


def _refused_error(contract: RestContract, letter: DeadLetter) -> RecordRefusedError:
    return RecordRefusedError(
        cannot=f"load {contract.full_name}",
        why=f"line {letter.line} of {letter.file} breaks the contract ({letter.rule} at {letter.path}: "
        f"{letter.message}) and the contract says stop",
        do="mend the file or the contract, or set `onError` and `onUnknownField` to keep such records aside",
    )


def _tripped_error(contract: RestContract, raw: RawBatch, bad: int) -> TooManyDeadLettersError:
    first = raw.lines[0] if raw.lines else 0
    return TooManyDeadLettersError(
        cannot=f"load {contract.full_name}",
        why=f"{bad} of the {len(raw)} records from line {first} of {raw.topic} on break the contract: more than "
        f"maxDeadLetterRatio {contract.max_dead_letter_ratio:g} of the last 1,000",
        do="mend the file or the contract, or raise maxDeadLetterRatio to keep them as dead letters",
    )
