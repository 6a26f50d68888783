"""Fewer rows inside the catalog, and fewer files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mesh_defs.store.engine import first_row, literal, metadata
from mesh_defs.store.errors import translated
from mesh_defs.store.files import live_files
from mesh_defs.store.layout import LEDGER, OFFSETS
from mesh_defs.store.steps import Housekeeping, MaintenanceStep, call_writing


def flush_inlined(
    store: Housekeeping, threshold: int, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    """Move the inlined rows of the two small tables to files, where they are `threshold` or more.

    Every commit leaves a dead version of the offsets row, which the next commit reads over. Never rewrite before
    flush: past versions would then show several rows, or stale ones (ducklake #1406).

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    if _inlined_rows(store, OFFSETS) >= threshold:
        yield from _flush(store, OFFSETS, on_step)
        on_step(f"rewrite {OFFSETS}")
        call = f"CALL ducklake_rewrite_data_files({literal(store.domain)}, {literal(OFFSETS)}, delete_threshold => 0)"
        numbers, size = call_writing(store, OFFSETS, f"rewrite {store.domain}.{OFFSETS}", call)
        if numbers:
            yield MaintenanceStep(
                name="rewrite", table=OFFSETS, count=numbers[0], unit="files", size_bytes=size
            )
    if _inlined_rows(store, LEDGER) >= threshold:
        yield from _flush(store, LEDGER, on_step)


def rewrite_deleted(
    store: Housekeeping, table: str, share: float, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    """Write the files of a table anew of which at least a share of the rows is deleted.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    if table in {LEDGER, OFFSETS} or not _half_empty(store, table, share):
        return
    on_step(f"rewrite {table}")
    call = f"CALL ducklake_rewrite_data_files({literal(store.domain)}, {literal(table)}, delete_threshold => {share})"
    numbers, size = call_writing(store, table, f"rewrite {store.domain}.{table}", call)
    if numbers:
        yield MaintenanceStep(name="rewrite", table=table, count=numbers[0], unit="files", size_bytes=size)


def _half_empty(store: Housekeeping, table: str, share: float) -> bool:
    catalog = metadata(store.domain)
    with translated(f"count the deleted rows of {store.domain}.{table}"):
        row = first_row(
            store.connection,
            f"SELECT count(*) FROM {catalog}.ducklake_delete_file d "
            f"JOIN {catalog}.ducklake_data_file f USING (data_file_id) "
            f"JOIN {catalog}.ducklake_table t ON t.table_id = f.table_id "
            "WHERE t.table_name = ? AND t.end_snapshot IS NULL AND d.end_snapshot IS NULL "
            "AND f.end_snapshot IS NULL AND d.delete_count >= ? * f.record_count",
            [table, share],
        )
    return bool(row and row[0])


def merge_small(
    store: Housekeeping,
    table: str,
    tiers: Sequence[int],
    merge_files: int,
    on_step: Callable[[str], None],
) -> Iterator[MaintenanceStep]:
    """Merge a table's small files, one output file a transaction.

    The first tier merges as soon as there are `merge_files` small files; a higher one only when what lies below it
    fills a file of its size. Small is what is less than half of a tier's size: a file that is nearly full takes in
    one or two others at a time and would be written anew for each. So each row is rewritten a few times a tier.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    for tier in tiers:
        count, size = _below(store, table, tier)
        while (count >= merge_files) if tier == tiers[0] else (size >= tier and count > 1):
            on_step(f"merge {table}")
            numbers, written = _merge(store, table, tier)
            before, (count, size) = count, _below(store, table, tier)
            if not numbers:
                break
            yield MaintenanceStep(
                name="merge", table=table, count=numbers[0], unit="files", size_bytes=written
            )
            if count >= before:
                break


def _merge(store: Housekeeping, table: str, tier: int) -> tuple[tuple[int, ...], int]:
    with translated(f"merge {store.domain}.{table}"):
        store.connection.execute(f"SET ducklake_target_file_size = '{tier}B'")
    call = (
        f"CALL ducklake_merge_adjacent_files({literal(store.domain)}, {literal(table)}, "
        f"max_file_size => {_small(tier)}, max_compacted_files => 1)"
    )
    return call_writing(store, table, f"merge {store.domain}.{table}", call)


def _below(store: Housekeeping, table: str, tier: int) -> tuple[int, int]:
    """Return how many files lie below a tier's size, and their bytes."""
    with translated(f"list the files of {store.domain}.{table}"):
        sizes = [f.size_bytes for f in live_files(store.connection, store.domain, table)]
    small = [size for size in sizes if size < _small(tier)]
    return len(small), sum(small)


def _small(tier: int) -> int:
    """Return the size in bytes from which on a file is left to the next tier."""
    return tier // 2


def _flush(store: Housekeeping, table: str, on_step: Callable[[str], None]) -> Iterator[MaintenanceStep]:
    on_step(f"flush {table}")
    call = f"CALL ducklake_flush_inlined_data({literal(store.domain)}, table_name => {literal(table)})"
    numbers, size = call_writing(store, table, f"flush {store.domain}.{table}", call)
    if numbers:
        yield MaintenanceStep(name="flush", table=table, count=numbers[0], unit="rows", size_bytes=size)


def _inlined_rows(store: Housekeeping, table: str) -> int:
    catalog = metadata(store.domain)
    with translated(f"count the inlined rows of {store.domain}.{table}"):
        names = store.connection.execute(
            f"SELECT i.table_name FROM {catalog}.ducklake_inlined_data_tables i "
            f"JOIN {catalog}.ducklake_table t USING (table_id) "
            f"WHERE t.table_name = ? AND t.end_snapshot IS NULL",
            [table],
        ).fetchall()
        counts = [first_row(store.connection, f"SELECT count(*) FROM {catalog}.{name}") for (name,) in names]
    return sum(count[0] for count in counts if count)
