"""What the broker still holds of a stream, compared with the ledger's entries."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from mesh_defs.broker import Broker
from mesh_defs.contract.contract import InputContract, StreamContract
from mesh_defs.decode import content_hash
from mesh_defs.model.errors import OffsetsLostError
from mesh_defs.model.records import RawBatch
from mesh_defs.store import DomainStore, LedgerEntry, StreamOffsets, Violation, read_ledger

READ_RECORDS = 10_000


def compare(
    broker: Broker,
    contract: StreamContract,
    store: DomainStore,
    stored: StreamOffsets,
    before: Mapping[int, int],
) -> tuple[int, tuple[Violation, ...]]:
    """Read again what the broker holds of the stream, and compare it with each ledger entry that covers it.

    Args:
        broker: Of the stream.
        contract: Of the stream.
        store: Open.
        stored: How far it is.
        before: Below which offset that was done already, by partition; each is the end of a ledger entry.

    Returns:
        How many records were compared, and what does not hold.

    Raises:
        BrokerError: The broker does not answer, or the topic is not there.
        StoreError: The ledger cannot be read.
    """
    found = broker.identity(contract.topic)
    if found != stored.identity:
        text = "the topic or the cluster was recreated"
        return 0, (violation(contract, stored.epoch, (None, None), "identity", text),)
    marks = broker.watermarks(contract.topic, list(stored.partitions))
    violations = []
    ranges: dict[int, tuple[int, int]] = {}
    for partition, state in stored.partitions.items():
        if state.next_offset > marks[partition].end:
            text = f"the next offset is {state.next_offset}, the broker ends at {marks[partition].end}"
            where = (partition, state.next_offset)
            violations.append(violation(contract, stored.epoch, where, "monotony", text))
        else:
            low = max(state.start_offset, marks[partition].low, before.get(partition, 0))
            ranges[partition] = (low, max(low, state.next_offset))
    recounts = _recounts(store, contract, stored, ranges)
    lows = {partition: low for partition, (low, _) in ranges.items()}
    records, left = 0, ranges
    while left:
        count, left = _take(broker, contract.topic, left, recounts)
        records += count
        lows |= {partition: low for partition, (low, _) in left.items()}
    for partition, recount in recounts.items():
        for entry, text in recount.differences(lows[partition]):
            where = (partition, entry.from_offset)
            violations.append(violation(contract, stored.epoch, where, "broker", text))
    return records, tuple(violations)


def _take(
    broker: Broker, topic: str, ranges: Mapping[int, tuple[int, int]], recounts: Mapping[int, _Recount]
) -> tuple[int, dict[int, tuple[int, int]]]:
    """Count the records of ranges to their entries; return how many, and what is to be read anew.

    Retention goes on meanwhile: what it takes was stored and is needed no more, and the rest is still compared.
    """
    records = 0
    anew: dict[int, tuple[int, int]] = {}
    with broker.reader(topic, ranges) as reader:
        while not reader.done:
            try:
                for raw in reader.read(READ_RECORDS):
                    records += len(raw)
                    recounts[raw.partition].take(raw)
            except OffsetsLostError as lost:
                if lost.partition is None:
                    raise
                reader.stop(lost.partition)
                low, end = (
                    broker.watermarks(topic, [lost.partition])[lost.partition].low,
                    ranges[lost.partition][1],
                )
                if low < end:
                    anew[lost.partition] = (low, end)
    return records, anew


def _recounts(
    store: DomainStore,
    contract: StreamContract,
    stored: StreamOffsets,
    ranges: Mapping[int, tuple[int, int]],
) -> dict[int, _Recount]:
    """Return the recount of each partition, over the ledger entries that reach into its range."""
    # Corrections are left out: they move rows about, and the broker knows nothing of them.
    wanted = [
        f"(partition = {p} AND to_offset > {low} AND to_offset <= {end})" for p, (low, end) in ranges.items()
    ]
    where = f"epoch = {stored.epoch} AND removed_count = 0 AND dead_letter_count >= 0"
    entries = read_ledger(store, contract.name, f"{where} AND ({' OR '.join(['false', *wanted])})")
    return {p: _Recount([e for e in entries if e.partition == p]) for p in ranges}


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


def violation(
    contract: InputContract, epoch: int, where: tuple[int | None, int | None], invariant: str, text: str
) -> Violation:
    """Return a violation of a partition at an offset, or of the whole stream; `text` completes its sentence."""
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
