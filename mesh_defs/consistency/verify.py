"""Whether the ledger holds: recounted from the tables, and compared with what the broker still has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mesh_defs.broker import Brokers
from mesh_defs.consistency.compare import compare, violation
from mesh_defs.contract.contract import Domain, InputContract, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.model.errors import MeshError
from mesh_defs.store import (
    DomainStore,
    StreamMark,
    Violation,
    load_marks,
    read_sums,
    save_marks,
    verify_stream,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamVerification:
    """What the verification of one stream found.

    Attributes:
        entries: Ledger entries.
        offsets: Offsets that the ledger answers for.
        in_gaps: Offsets that are recorded gaps.
        recounted: Offsets whose rows and dead letters were recounted now; the others were by an earlier verification.
        broker_records: Records of the broker that were compared now; None where it was not asked.
        violations: In the order in which they were found; empty when everything holds.
    """

    domain: str
    stream: str
    entries: int
    offsets: int
    rows: int
    dead_letters: int
    in_gaps: int
    recounted: int
    broker_records: int | None
    violations: tuple[Violation, ...]


def verify_domain(
    project: Project,
    domain: Domain,
    streams: Sequence[str] | None = None,
    *,
    ask_broker: bool = True,
    full: bool = False,
) -> tuple[StreamVerification, ...]:
    """Verify what a domain took in: invariants 1 to 4, then the broker inside what it still holds.

    1. Completeness and 2. uniqueness: rows, dead letters and gaps are every offset in [start, next), once.
    3. Atomicity: totals and next offsets equal the ledger's. 4. Monotony: entries follow one another.

    From the broker every record in [low watermark, next offset) is read again, and the next offset must not lie
    beyond its last stable offset: a record that the store has no row or dead letter for, or with other bytes, is a
    violation. What compaction removed since is none. A broker that does not answer, or lacks the topic, is one, too:
    the comparison that was asked for was not made. Data at rest is recounted only: its files may have changed
    since, as files do. So is a retired stream: its topic may be gone.

    What an earlier verification vouched for, by the marks beside the store, is not read again, neither in the store
    nor in the broker; a violation is never marked as verified.

    Args:
        project: The mesh.
        domain: The domain.
        streams: Names; None means all.
        ask_broker: False recounts the tables only.
        full: Disregard the marks, recount everything, read what the broker holds from its low watermark on, and check
            every page's checksum.

    Raises:
        StoreError: The store cannot be read.
    """
    folder = project.data_folder(domain.name)
    contracts = [c for c in domain.ingested if streams is None or c.name in streams]
    if not DomainStore.exists(folder):
        return tuple(_unseen(c) for c in contracts)
    marks = {} if full else load_marks(folder)
    with (
        DomainStore.open(folder, domain.name, read_only=True) as store,
        Brokers(project.config) as brokers,
    ):
        verifier = _Verifier(store=store, brokers=brokers if ask_broker else None, full=full)
        found = [verifier.verify(c, marks.get(c.name)) for c in contracts]
    # Read again: another verification may have marked other streams meanwhile.
    kept = {n: m for n, m in load_marks(folder).items() if n not in {c.name for c in contracts}}
    save_marks(
        folder, kept | {c.name: m for c, (_, m) in zip(contracts, found, strict=True) if m is not None}
    )
    return tuple(result for result, _ in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verifier:
    """An open store, and the brokers where they are asked."""

    store: DomainStore
    brokers: Brokers | None
    full: bool

    def verify(
        self, contract: InputContract, mark: StreamMark | None
    ) -> tuple[StreamVerification, StreamMark | None]:
        """Return what was found, and the stream's next mark; None where its recount found something."""
        stored = self.store.offsets().streams.get(contract.name)
        if stored is None:
            return _unseen(contract), None
        verified = verify_stream(self.store, contract.name, mark=mark, deep=self.full)
        violations, fresh = list(verified.violations), verified.mark
        if self.store.restored is not None:
            violations.append(violation(contract, stored.epoch, (None, None), "newest", self.store.restored))
        records = None
        if self.brokers is not None and isinstance(contract, StreamContract) and not contract.is_retired:
            before = fresh.compared(stored.epoch) if fresh else {}
            try:
                records, found = compare(self.brokers.of(contract), contract, self.store, stored, before)
            except MeshError as error:
                found = (violation(contract, stored.epoch, (None, None), "broker", str(error)),)
            violations += found
            if fresh is not None and not found:
                ends = {p: state.next_offset for p, state in stored.partitions.items()}
                fresh = fresh.with_broker(stored.epoch, ends)
        sums = read_sums(self.store, contract.name)
        return StreamVerification(
            domain=contract.domain,
            stream=contract.name,
            entries=sums.entries,
            offsets=sums.offsets,
            rows=sums.rows,
            dead_letters=sums.dead_letters,
            in_gaps=sums.in_gaps,
            recounted=verified.recounted,
            broker_records=records,
            violations=tuple(violations),
        ), fresh


def _unseen(contract: InputContract) -> StreamVerification:
    return StreamVerification(
        domain=contract.domain,
        stream=contract.name,
        entries=0,
        offsets=0,
        rows=0,
        dead_letters=0,
        in_gaps=0,
        recounted=0,
        broker_records=None,
        violations=(),
    )
