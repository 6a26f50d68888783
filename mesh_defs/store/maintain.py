"""Keeping a store small and fast: flush, merge, expire, clean up, sweep."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from mesh_defs.store.cleanup import delete_scheduled, expire_snapshots, sweep_orphans
from mesh_defs.store.compact import flush_inlined, merge_small, rewrite_deleted
from mesh_defs.store.retention import expire_rows
from mesh_defs.store.steps import Housekeeping, MaintenanceStep

_MB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenancePolicy:
    """How much history and how many files a store keeps.

    Attributes:
        keep: Snapshots younger than this are never expired; readers and cursors rely on it.
        grace: How long a file that no snapshot needs any more stays for readers that began before.
        orphan_age: How old a file that no catalog row names must be before it is swept.
        flush_rows: From how many rows on, dead versions included, the inlined tables are flushed to files.
        merge_files: From how many small files on a table is merged.
        merge_bytes: Sizes that merged files grow to, in bytes, one after the other.
        expire_batch: How many snapshots one transaction expires.
        retention: How long the rows of each stream are kept; of one that is not named, for ever.
        retention_rows: From how many rows on a transaction of the retention ends.
        rewrite_share: The share of a file's rows, 0 to 1, from which on it is rewritten without those that are deleted.
    """

    keep: dt.timedelta = dt.timedelta(hours=2)
    grace: dt.timedelta = dt.timedelta(hours=1)
    orphan_age: dt.timedelta = dt.timedelta(days=1)
    flush_rows: int = 100
    merge_files: int = 8
    merge_bytes: tuple[int, ...] = (2 * _MB, 16 * _MB, 128 * _MB)
    expire_batch: int = 1_000
    retention: Mapping[str, dt.timedelta] = field(default_factory=dict)
    retention_rows: int = 500_000
    rewrite_share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceReport:
    """What one round of maintenance did, step by step; empty where there was nothing to do."""

    steps: tuple[MaintenanceStep, ...]


def ignore(_step: str) -> None:
    """Report to nobody."""


def maintain(
    store: Housekeeping,
    policy: MaintenancePolicy | None = None,
    *,
    on_step: Callable[[str], None] = ignore,
) -> MaintenanceReport:
    """Bring a store into good order, while readers read and writers commit between the steps.

    Each step is a transaction of its own in the writer's lane, and every file that it writes is fsynced before its
    COMMIT, so that a kill leaves an orphan file at most. The order:

    1. Delete the rows that are older than `policy.retention` keeps them, each step with its ledger entry; rewrite
       files of which so many rows are deleted that they only take room.
    2. Flush the inlined rows of `offsets`, rewrite its file down to the living row, flush those of `ledger`. A
       rewrite before the flush would show stale rows to readers of the past.
    3. Merge small files, table by table, in tiers.
    4. Expire snapshots older than `policy.keep`, by their numbers.
    5. Delete the files that expired and merged snapshots left, `policy.grace` after their dismissal.
    6. Sweep files that no row names, older than `policy.orphan_age`, if the ledger accounts for their records.

    The process grows with every merge: run this in a process of its own.

    Args:
        store: Open for writing.
        policy: What to keep; the defaults suit a commit a second.
        on_step: Hears a word or two before each transaction.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused; what earlier steps did stays done.
    """
    chosen = policy or MaintenancePolicy()
    return MaintenanceReport(steps=tuple(_steps(store, chosen, on_step)))


def _steps(
    store: Housekeeping, policy: MaintenancePolicy, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    yield from expire_rows(store, policy.retention, policy.retention_rows, on_step)
    for table in store.tables():
        yield from rewrite_deleted(store, table, policy.rewrite_share, on_step)
    yield from flush_inlined(store, policy.flush_rows, on_step)
    for table in store.tables():
        yield from merge_small(store, table, policy.merge_bytes, policy.merge_files, on_step)
    yield from expire_snapshots(store, policy.keep, policy.expire_batch, on_step)
    yield from delete_scheduled(store, policy.grace, on_step)
    yield from sweep_orphans(store, policy.orphan_age, on_step)
