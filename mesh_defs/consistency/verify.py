"""Whether the ledger holds: recounted from the tables, and compared with what the broker still has."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mesh_defs.broker import Broker, Brokers
from mesh_defs.contract.contract import Domain, InputContract, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import content_hash
from mesh_defs.model.errors import MeshError
from mesh_defs.model.records import RawBatch
from mesh_defs.store import DomainStore, LedgerEntry, StreamOffsets, Violation, read_ledger, verify_store

READ_RECORDS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamVerification:
    """What the verification of one stream found.

    Attributes:
        entries: Ledger entries.
        offsets: Offsets that the ledger answers for.
        in_gaps: Offsets that are recorded gaps.
        broker_records: Records that the broker still holds and that were compared; None where it was not asked.
        violations: In the order in which they were found; empty when everything holds.
    """

    domain: str
    stream: str
    entries: int
    offsets: int
    rows: int
    dead_letters: int
    in_gaps: int
    broker_records: int | None
    violations: tuple[Violation, ...]


def verify_domain(
    project: Project, domain: Domain, streams: Sequence[str] | None = None, *, ask_broker: bool = True
) -> tuple[StreamVerification, ...]:
    """Verify what a domain took in: invariants 1 to 4, then the broker inside what it still holds.

    1. Completeness and 2. uniqueness: rows, dead letters and gaps are every offset in [start, next), once.
    3. Atomicity: totals and next offsets equal the ledger's. 4. Monotony: entries follow one another.

    From the broker every record in [low watermark, next offset) is read again: one that the store has no row or
    dead letter for, or with other bytes, is a violation. What compaction removed since is none. Data at rest is
    recounted only: its files may have changed since, as files do. So is a retired stream: its topic may be gone.

    Args:
        project: The mesh.
        domain: The domain.
        streams: Names; None means all.
        ask_broker: False recounts the tables only.

    Raises:
        StoreError: The store cannot be read.
        BrokerError: The broker does not answer, or the topic is not there.
    """
    folder = project.data_folder(domain.name)
    contracts = [c for c in domain.ingested if streams is None or c.name in streams]
    if not DomainStore.exists(folder):
        return tuple(_unseen(c) for c in contracts)
    with (
        DomainStore.open(folder, domain.name, read_only=True) as store,
        Brokers(project.config) as brokers,
    ):
        return tuple(_verify(store, brokers if ask_broker else None, c) for c in contracts)


def _verify(store: DomainStore, brokers: Brokers | None, contract: InputContract) -> StreamVerification:
    stored = store.offsets().streams.get(contract.name)
    if stored is None:
        return _unseen(contract)
    entries = read_ledger(store, contract.name)
    violations = list(verify_store(store, [contract.name]))
    compared = None
    if brokers is not None and isinstance(contract, StreamContract) and not contract.is_retired:
        try:
            compared, found = _compare(brokers.of(contract), contract, stored, entries)
            violations += found
        except MeshError as error:
            violations.append(_violation(contract, stored.epoch, (None, None), "broker", str(error)))
    return StreamVerification(
        domain=contract.domain,
        stream=contract.name,
        entries=len(entries),
        offsets=sum(e.to_offset - e.from_offset for e in entries if not e.is_correction),
        rows=sum(e.row_count for e in entries),
        dead_letters=sum(e.dead_letter_count for e in entries),
        in_gaps=sum(g.to_offset - g.from_offset for e in entries for g in e.gaps),
        broker_records=compared,
        violations=tuple(violations),
    )


def _compare(
    broker: Broker, contract: StreamContract, stored: StreamOffsets, entries: Sequence[LedgerEntry]
) -> tuple[int, tuple[Violation, ...]]:
    """Read again what the broker holds of the stream, and compare it with each ledger entry that covers it."""
    found = broker.identity(contract.topic)
    if found != stored.identity:
        return 0, (
            _violation(
                contract, stored.epoch, (None, None), "identity", "the topic or the cluster was recreated"
            ),
        )
    marks = broker.watermarks(contract.topic, list(stored.partitions))
    violations = []
    ranges: dict[int, tuple[int, int]] = {}
    for partition, state in stored.partitions.items():
        if state.next_offset > marks[partition].end:
            text = f"the next offset is {state.next_offset}, the broker ends at {marks[partition].end}"
            violations.append(
                _violation(contract, stored.epoch, (partition, state.next_offset), "monotony", text)
            )
        else:
            ranges[partition] = (max(state.start_offset, marks[partition].low), state.next_offset)
    recounts = {
        partition: _Recount(
            [
                e
                for e in entries
                if e.partition == partition and e.epoch == stored.epoch and not e.is_correction
            ]
        )
        for partition in ranges
    }
    records = 0
    with broker.reader(contract.topic, ranges) as reader:
        while not reader.done:
            for raw in reader.read(READ_RECORDS):
                records += len(raw)
                recounts[raw.partition].take(raw)
    for partition, recount in recounts.items():
        for entry, text in recount.differences(ranges[partition][0]):
            violations.append(
                _violation(contract, stored.epoch, (partition, entry.from_offset), "broker", text)
            )
    return records, tuple(violations)


class _Recount:
    """What the broker holds of one partition, counted a ledger entry."""

    def __init__(self, entries: Sequence[LedgerEntry]) -> None:
        self._entries = sorted(entries, key=lambda e: e.from_offset)
        self._ends = [e.to_offset for e in self._entries]
        self._counts = [0] * len(self._entries)
        self._hashes = [0] * len(self._entries)

    def take(self, raw: RawBatch) -> None:
        """Count the records of a batch to their entries; a batch may span several."""
        begin = 0
        while begin < len(raw):
            index = bisect_right(self._ends, raw.offsets[begin])
            if index == len(self._ends):
                return
            end = bisect_right(raw.offsets, self._ends[index] - 1)
            part = raw.part(begin, end)
            self._counts[index] += len(part)
            self._hashes[index] = (self._hashes[index] + content_hash(part)) % 2**64
            begin = end

    def differences(self, low: int) -> Iterator[tuple[LedgerEntry, str]]:
        """Yield the entries that the broker contradicts, leaving out what it no longer holds whole."""
        for entry, count, hash_ in zip(self._entries, self._counts, self._hashes, strict=True):
            stored = entry.row_count + entry.dead_letter_count
            where = f"offsets [{entry.from_offset}, {entry.to_offset})"
            if count > stored:
                yield entry, f"{where}: the broker holds {count} records, the store has {stored}"
            elif count == stored and entry.from_offset >= low and hash_ != entry.content_hash:
                yield entry, f"{where}: the broker's records have other bytes than those that were stored"


def _violation(
    contract: InputContract, epoch: int, where: tuple[int | None, int | None], invariant: str, text: str
) -> Violation:
    partition, offset = where
    name = contract.full_name if partition is None else f"{contract.full_name} partition {partition}"
    return Violation(
        invariant=invariant,
        stream=contract.name,
        epoch=epoch,
        partition=partition,
        offset=offset,
        message=f"{name}: {text}",
    )


def _unseen(contract: InputContract) -> StreamVerification:
    return StreamVerification(
        domain=contract.domain,
        stream=contract.name,
        entries=0,
        offsets=0,
        rows=0,
        dead_letters=0,
        in_gaps=0,
        broker_records=None,
        violations=(),
    )
