"""Offsets that retention removed from a topic before they were read: what is lost, and who took note of it."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from dataclasses import dataclass

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import ContractBase, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.failures import read_failures, write_failures
from mesh_defs.ingest.lease import nudge
from mesh_defs.ingest.plan import check_identity
from mesh_defs.ingest.reasons import demand_reason
from mesh_defs.model.corrections import LossAcknowledgement, LostRange
from mesh_defs.model.errors import BrokerError, ConfigError, OffsetsLostError
from mesh_defs.model.records import Commit, Gap, PartitionAdvance
from mesh_defs.store import DomainStore, LedgerEntry, StreamOffsets, read_ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One lost range of a stream.

    Attributes:
        by: Who acknowledged it; None while nobody has.
        at: When they did, RFC 3339.
        reason: What they said.
    """

    domain: str
    stream: str
    epoch: int
    partition: int
    from_offset: int
    to_offset: int
    by: str | None = None
    at: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LossAcknowledged:
    """What was acknowledged.

    Attributes:
        ranges: The lost ranges that a pass had recorded before.
        recorded: The lost ranges that were recorded with the acknowledgement, so that their partitions go on.
        snapshot: The store's that holds it.
    """

    domain: str
    stream: str
    by: str
    reason: str
    ranges: tuple[LostRange, ...]
    recorded: tuple[LostRange, ...]
    snapshot: int


def unacknowledged(contract: ContractBase, stored: StreamOffsets | None) -> dict[int, str]:
    """Return, for each partition with lost offsets that nobody has acknowledged, the sentence that says so."""
    found: dict[int, str] = {}
    for partition in sorted(stored.partitions) if stored else ():
        count = stored.unacknowledged(partition) if stored else 0
        if count:
            found[partition] = (
                f"{contract.full_name} partition {partition}: {count} offsets were removed from the topic before they "
                f"were read; `mesh loss acknowledge {contract.full_name} --reason TEXT` takes note of it"
            )
    return found


def losses(project: Project, contract: StreamContract) -> tuple[Loss, ...]:
    """Return every lost range that the ledger of a stream records, acknowledged or not, by partition and offset.

    Raises:
        StoreError: The store cannot be read.
    """
    folder = project.data_folder(contract.domain)
    if not DomainStore.exists(folder):
        return ()
    with DomainStore.open(folder, contract.domain, read_only=True) as store:
        stored = store.offsets().streams.get(contract.name)
        entries = read_ledger(store, contract.name)
    noted = {lost: entry for entry in stored.acknowledged for lost in entry.ranges} if stored else {}
    return tuple(
        Loss(
            domain=contract.domain,
            stream=contract.name,
            epoch=lost.epoch,
            partition=lost.partition,
            from_offset=lost.from_offset,
            to_offset=lost.to_offset,
            by=noted[lost].by if lost in noted else None,
            at=noted[lost].at.isoformat(timespec="milliseconds") if lost in noted else None,
            reason=noted[lost].reason if lost in noted else None,
        )
        for lost in _recorded(entries)
    )


def acknowledge_loss(project: Project, contract: StreamContract, reason: str) -> LossAcknowledged:
    """Take note, for good, of all offsets of a stream that are lost now.

    In one commit: the lost ranges that stop a partition (`onLoss: fail`) become gaps of the ledger, so that the
    partition goes on behind them, and who acknowledged which ranges, when and why, is kept beside the offsets. Ranges
    that were lost before the present epoch were given up when the epoch was accepted.

    Raises:
        ConfigError: Nothing is lost that nobody has acknowledged; or there is no reason.
        FencedError: Another writer moved a partition meanwhile; nothing was stored.
        BrokerError: The broker does not answer, and no loss was recorded before.
        IdentityChangedError: The topic was recreated, and no loss was recorded before.
        StoreError: The store refuses.
    """
    demand_reason(f"acknowledge a loss of {contract.full_name}", reason)
    folder = project.data_folder(contract.domain)
    if not DomainStore.exists(folder):
        raise _nothing_lost(contract)
    with DomainStore.open(folder, contract.domain) as store, Brokers(project.config) as brokers:
        stored = store.offsets().streams.get(contract.name)
        if stored is None:
            raise _nothing_lost(contract)
        before = _open(stored, read_ledger(store, contract.name))
        try:
            pending = _pending(brokers, contract, stored)
        except BrokerError:
            if not before:
                raise
            pending = ()
        if not (before or pending):
            raise _nothing_lost(contract)
        by = getpass.getuser()
        done = store.commit(
            Commit(
                writer=by,
                advances=[_advance(contract, lost) for lost in pending],
                acknowledgements=[
                    LossAcknowledgement(
                        stream=contract.name, by=by, reason=reason, ranges=(*before, *pending)
                    )
                ],
                note=f"acknowledge loss of {contract.name}: {reason}",
            )
        )
    _forget(project, contract, {lost.partition for lost in pending})
    return LossAcknowledged(
        domain=contract.domain,
        stream=contract.name,
        by=by,
        reason=reason,
        ranges=before,
        recorded=pending,
        snapshot=done.snapshot,
    )


def _recorded(entries: Sequence[LedgerEntry]) -> tuple[LostRange, ...]:
    return tuple(
        LostRange(
            epoch=entry.epoch,
            partition=entry.partition,
            from_offset=gap.from_offset,
            to_offset=gap.to_offset,
        )
        for entry in entries
        for gap in entry.gaps
        if gap.kind == "lost"
    )


def _open(stored: StreamOffsets, entries: Sequence[LedgerEntry]) -> tuple[LostRange, ...]:
    """Return the recorded ranges of the present epoch that nobody has acknowledged."""
    noted = {lost for entry in stored.acknowledged for lost in entry.ranges}
    return tuple(lost for lost in _recorded(entries) if lost.epoch == stored.epoch and lost not in noted)


def _pending(brokers: Brokers, contract: StreamContract, stored: StreamOffsets) -> tuple[LostRange, ...]:
    """Return the ranges that are lost and in no ledger entry yet."""
    broker = brokers.of(contract)
    check_identity(contract, stored.identity, broker.identity(contract.topic))
    known = [p for p in broker.partitions(contract.topic) if p in stored.partitions]
    marks = broker.watermarks(contract.topic, known)
    return tuple(
        LostRange(epoch=stored.epoch, partition=p, from_offset=begin, to_offset=mark.low)
        for p, mark in sorted(marks.items())
        if mark.low > (begin := stored.partitions[p].next_offset)
    )


def _advance(contract: StreamContract, lost: LostRange) -> PartitionAdvance:
    return PartitionAdvance(
        stream=contract.name,
        epoch=lost.epoch,
        partition=lost.partition,
        from_offset=lost.from_offset,
        to_offset=lost.to_offset,
        row_count=0,
        dead_letter_count=0,
        gaps=(Gap(kind="lost", from_offset=lost.from_offset, to_offset=lost.to_offset),),
        content_hash=0,
        contract_version=contract.version,
    )


def _forget(project: Project, contract: StreamContract, partitions: set[int]) -> None:
    """Let the partitions be tried at once: nothing stops them any more."""
    folder = project.data_folder(contract.domain)
    own = [f for f in read_failures(folder) if f.stream == contract.name]
    lost = OffsetsLostError.__name__
    kept = [f for f in own if not (f.error == lost and f.partition in partitions)]
    write_failures(folder, {contract.name}, kept)
    nudge(folder)


def _nothing_lost(contract: StreamContract) -> ConfigError:
    return ConfigError(
        cannot=f"acknowledge a loss of {contract.full_name}",
        why="nothing is lost that nobody has acknowledged",
        do=f"`mesh loss list {contract.full_name}` shows every loss so far",
    )
