"""Dead letters once more: decoded with today's contract and code, those that pass become rows where they stood."""

from __future__ import annotations

import getpass
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mesh_defs.broker.registry import Registries
from mesh_defs.contract.contract import RestContract, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import StreamDecoder
from mesh_defs.ingest.decoders import ready_decoder
from mesh_defs.ingest.lease import nudge
from mesh_defs.ingest.letters import LetterSpan, letter_spans, read_letters
from mesh_defs.ingest.staging import Staging
from mesh_defs.model.corrections import PartitionReversal
from mesh_defs.model.errors import ConfigError, StoreError
from mesh_defs.model.records import Commit, OnStep, TypedBatch, no_step
from mesh_defs.query import refresh_script
from mesh_defs.store import Account, DomainStore, accounts_of, read_ledger

CHUNK_LETTERS: Final = 10_000
"""Dead letters a commit; a commit is one decision for all of them."""


@dataclass(slots=True, kw_only=True)
class RetryReport:
    """What became of a stream's dead letters.

    Attributes:
        tried: How many were decoded again.
        stored: How many of them are rows now.
        rules: For each rule that the others still break, how many do.
        snapshot: The store's after the last commit; None where nothing passed.
    """

    domain: str
    stream: str
    tried: int = 0
    stored: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    snapshot: int | None = None

    @property
    def kept(self) -> int:
        """How many are dead letters still."""
        return self.tried - self.stored


def retry_dead_letters(
    project: Project,
    contract: StreamContract,
    *,
    on_step: OnStep = no_step,
    chunk_letters: int = CHUNK_LETTERS,
) -> RetryReport:
    """Decode a stream's dead letters again, and store as rows those that pass.

    The order of effects, for each chunk of one partition:

    1. Read the letters, whole, and decode them with the contract and the code of today.
    2. Stage the rows of those that pass; nothing is visible yet.
    3. In one commit these letters leave `dead_letters`, their rows come at their own offsets, and a reversal beside
       each ledger entry concerned says so. Letters that another writer took meanwhile fence the commit.

    Whoever ingests is told that the tables have changed, and tells Dagster.

    What still breaks the contract stays as it is. So does a letter of the rule `timestamp_range`, whose timestamp no
    column holds, and one below the offsets of which retention has removed the rows. Ingest goes on meanwhile.

    Args:
        project: The mesh.
        contract: The stream.
        on_step: Told of each numbered step of a commit, for the fault tests.
        chunk_letters: Dead letters a commit at most.

    Raises:
        FencedError: Another writer took the same letters; what was committed before stays.
        ContractError: The contract cannot be decoded.
        RegistryError: The writers' schemas cannot be had.
        StoreError: The store refuses.
    """
    report = RetryReport(domain=contract.domain, stream=contract.name)
    folder = project.data_folder(contract.domain)
    if not DomainStore.exists(folder):
        return report
    with DomainStore.open(folder, contract.domain) as store:
        stored = store.offsets()
        known = stored.streams.get(contract.name)
        if known is None:
            return report
        registries = Registries(project.config)
        try:
            decoder = ready_decoder(store, stored, contract, registries)
            accounts = {
                (a.epoch, a.partition): a
                for a in accounts_of(contract.name, known, read_ledger(store, contract.name))
            }
            work = _Retry(store=store, contract=contract, decoder=decoder, accounts=accounts, on_step=on_step)
            for span in letter_spans(store, contract.name, chunk_letters):
                work.take(span, report)
        finally:
            registries.close()
    refresh_script(project)
    if report.stored:
        nudge(folder)
    return report


def refuse_at_rest(contract: RestContract) -> ConfigError:
    """Return why dead letters of data at rest are not retried."""
    return ConfigError(
        cannot=f"retry the dead letters of {contract.full_name}",
        why="it is data at rest: its records are read again from their files, not from the dead letters",
        do=f"mend the file or the contract, then run `mesh ingest {contract.full_name}`",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Retry:
    """The retry of one stream."""

    store: DomainStore
    contract: StreamContract
    decoder: StreamDecoder
    accounts: dict[tuple[int, int], Account]
    on_step: OnStep

    def take(self, span: LetterSpan, report: RetryReport) -> None:
        """Decode one chunk of letters, and commit what passes."""
        account = self.accounts.get((span.epoch, span.partition))
        if account is None:
            raise self._unaccounted(span.from_offset)
        raw = read_letters(self.store, self.contract, span, above=account.cleared)
        if not raw.offsets:
            return
        report.tried += len(raw)
        with Staging(self.store, self.contract, span.epoch) as staging:
            typed = self.decoder.decode(raw, epoch=span.epoch, ingested_at=staging.ingested_at)
            report.rules.update(letter.rule for letter in typed.dead_letters)
            if not typed.row_count:
                return
            passed = _passed(raw.offsets, typed)
            reversals = tuple(self._reversals(account, passed))
            staging.put(replace(typed, dead_letters=()))
            files = staging.close()
        commit = Commit(
            writer=getpass.getuser(),
            reversals=reversals,
            files=files,
            tables={self.contract.name: [t.name for t in self.contract.tables]},
            note=f"retry {len(passed)} dead letters of {self.contract.name}",
        )
        report.snapshot = self.store.commit(commit, on_step=self.on_step).snapshot
        report.stored += len(passed)

    def _reversals(self, account: Account, offsets: Sequence[int]) -> Iterator[PartitionReversal]:
        """Yield a reversal for each ledger entry that has some of the offsets."""
        entries = [e for e in account.entries if e.from_offset < e.to_offset]
        ends = [e.to_offset for e in entries]
        by_entry: dict[int, list[int]] = {}
        for offset in offsets:
            index = bisect_right(ends, offset)
            if index == len(ends) or offset < entries[index].from_offset:
                raise self._unaccounted(offset)
            by_entry.setdefault(index, []).append(offset)
        for index, own in by_entry.items():
            yield PartitionReversal(
                stream=self.contract.name,
                epoch=account.epoch,
                partition=account.partition,
                from_offset=entries[index].from_offset,
                to_offset=entries[index].to_offset,
                offsets=tuple(own),
                contract_version=self.contract.version,
            )

    def _unaccounted(self, offset: int) -> StoreError:
        return StoreError(
            cannot=f"retry the dead letters of {self.contract.full_name}",
            why=f"no ledger entry accounts for the dead letter at offset {offset}",
            do=f"`mesh ledger verify {self.contract.full_name}` says what does not hold",
        )


def _passed(offsets: Sequence[int], typed: TypedBatch) -> tuple[int, ...]:
    refused = {letter.offset for letter in typed.dead_letters}
    return tuple(offset for offset in offsets if offset not in refused)
