"""Rows that are older than their contract keeps them go, oldest first, a ledger entry with each step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping

from mesh_defs.model.corrections import PartitionExpiry
from mesh_defs.model.records import Commit
from mesh_defs.store.account import Account, accounts_of
from mesh_defs.store.commit import commit_batch
from mesh_defs.store.layout import parse_row, read_row
from mesh_defs.store.ledger import read_ledger
from mesh_defs.store.steps import Housekeeping, MaintenanceStep

WRITER = "retention"

_FOR_EVER = dt.timedelta(days=365_000)
"""More would lie before the first instant that can be compared with."""


def expire_rows(
    store: Housekeeping, keep: Mapping[str, dt.timedelta], step_rows: int, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    """Delete the rows that were stored longer ago than their stream keeps them, a commit each few ledger entries.

    The age of a row is that of the ledger entry over its offset: when it became visible, by this machine's clock. So
    whole entries go, from the oldest offset of a partition on, and what is left stays accounted for offset by offset.
    Dead letters stay.

    Args:
        store: Open for writing.
        keep: How long each stream's rows are kept.
        step_rows: From how many rows on a step ends; one ledger entry at least.
        on_step: Hears a word or two before each transaction.

    Raises:
        FencedError: A row vanished or came meanwhile; nothing of the step was stored.
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    offsets = parse_row(store.domain, read_row(store.connection, store.domain))
    for stream, span in keep.items():
        known = offsets.streams.get(stream)
        if known is None:
            continue
        oldest = dt.datetime.now(dt.UTC) - min(span, _FOR_EVER)
        for account in accounts_of(stream, known, read_ledger(store, stream)):
            for expiry in _expiries(account, offsets.tables(stream), oldest, step_rows):
                on_step(f"expire rows of {stream}")
                commit = Commit(
                    writer=WRITER,
                    expiries=[expiry],
                    note=f"retention of {stream}: {expiry.removed_count} rows",
                )
                commit_batch(store, store.data_folder, commit)
                yield MaintenanceStep(name="retention", table=stream, count=expiry.removed_count, unit="rows")


def _expiries(
    account: Account, tables: tuple[str, ...], oldest: dt.datetime, step_rows: int
) -> Iterator[PartitionExpiry]:
    """Yield the steps that take away the rows of all ledger entries older than `oldest`."""
    begin, rows = None, 0
    entries = [e for e in account.entries if e.from_offset >= account.cleared]
    for index, entry in enumerate(entries):
        if entry.committed_at >= oldest:
            return
        begin = entry.from_offset if begin is None else begin
        rows += entry.row_count
        ahead = entries[index + 1] if index + 1 < len(entries) else None
        if rows and (rows >= step_rows or ahead is None or ahead.committed_at >= oldest):
            yield PartitionExpiry(
                stream=account.stream,
                epoch=account.epoch,
                partition=account.partition,
                from_offset=begin,
                to_offset=entry.to_offset,
                tables=tables,
                removed_count=rows,
                contract_version=entry.contract_version,
            )
            begin, rows = None, 0
