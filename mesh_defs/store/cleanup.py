"""What goes: old snapshots, files that none needs any more, files that none ever had."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb

from mesh_defs.store.engine import literal, metadata
from mesh_defs.store.errors import translated
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, OFFSETS, parse_row, read_row
from mesh_defs.store.offsets import StoreOffsets
from mesh_defs.store.staging import sync
from mesh_defs.store.steps import Housekeeping, MaintenanceStep, transaction


def expire_snapshots(
    store: Housekeeping, keep: dt.timedelta, batch: int, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    """Expire snapshots older than `keep`, the newest never.

    By their numbers: `older_than` compares text on SQLite and can expire everything of today.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    purpose = f"expire snapshots of {store.domain}"
    snapshots = f"{metadata(store.domain)}.ducklake_snapshot"
    with translated(purpose):
        rows = store.connection.execute(
            f"SELECT snapshot_id FROM {snapshots} WHERE snapshot_time::TIMESTAMPTZ < ? "
            f"AND snapshot_id < (SELECT max(snapshot_id) FROM {snapshots}) ORDER BY snapshot_id",
            [dt.datetime.now(dt.UTC) - keep],
        ).fetchall()
    numbers = [row[0] for row in rows]
    for first in range(0, len(numbers), batch):
        chunk = numbers[first : first + batch]
        on_step("expire snapshots")
        with transaction(store, purpose) as con:
            con.execute(
                f"CALL ducklake_expire_snapshots({literal(store.domain)}, versions => {chunk})"
            ).fetchall()
        yield MaintenanceStep(name="expire", table=None, count=len(chunk), unit="snapshots")


def delete_scheduled(
    store: Housekeeping, grace: dt.timedelta, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    """Delete the files that no snapshot needs since `grace` ago, then the rows that say so.

    In this order a kill leaves rows without files, which the next round finishes.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    purpose = f"delete dismissed files of {store.domain}"
    scheduled = f"{metadata(store.domain)}.ducklake_files_scheduled_for_deletion"
    on_step("clean up")
    with transaction(store, purpose) as con:
        rows = con.execute(
            f"SELECT data_file_id, path, path_is_relative FROM {scheduled} "
            "WHERE schedule_start::TIMESTAMPTZ < ?",
            [dt.datetime.now(dt.UTC) - grace],
        ).fetchall()
        paths = [store.data_folder / path if relative else Path(path) for _, path, relative in rows]
        freed = _unlink([path for path in paths if path.is_relative_to(store.data_folder)])
        if rows:
            con.execute(
                f"DELETE FROM {scheduled} WHERE data_file_id IN ({', '.join(str(r[0]) for r in rows)})"
            )
    if rows:
        yield MaintenanceStep(name="clean up", table=None, count=len(rows), unit="files", size_bytes=freed)


def sweep_orphans(
    store: Housekeeping, age: dt.timedelta, on_step: Callable[[str], None]
) -> Iterator[MaintenanceStep]:
    """Delete files that no row of the catalog names, older than `age`.

    A file with records that the ledger does not account for is kept: the catalog is then an older one, restored
    from a backup, and the file may be the only copy.

    Raises:
        StoreLockedError: The lane was not to be had.
        StoreError: The catalog or the disk refused.
    """
    oldest = time.time() - age.total_seconds()
    aged = {
        path
        for path in store.data_folder.rglob("*")
        if path.is_file() and path.stat(follow_symlinks=False).st_mtime < oldest
    }
    if not aged:
        return
    on_step("sweep orphans")
    with transaction(store, f"sweep orphan files of {store.domain}") as con:
        offsets = parse_row(store.domain, read_row(con, store.domain))
        orphans = aged - _named(con, store.domain, store.data_folder)
        swept = [path for path in sorted(orphans) if _accounted(con, path, offsets)]
        freed = _unlink(swept)
    if swept:
        yield MaintenanceStep(name="sweep", table=None, count=len(swept), unit="files", size_bytes=freed)


def _unlink(paths: list[Path]) -> int:
    """Delete files durably and return the bytes freed; one that is gone already is no error."""
    freed = 0
    for path in paths:
        if path.exists():
            freed += path.stat().st_size
            path.unlink()
    for folder in {path.parent for path in paths if path.parent.exists()}:
        sync(folder)
    return freed


def _named(con: duckdb.DuckDBPyConnection, domain: str, data_folder: Path) -> set[Path]:
    """Return every file that a row of the catalog names, in whatever snapshot."""
    catalog = metadata(domain)
    rows = con.execute(
        f"""
        SELECT CASE WHEN f.path_is_relative THEN concat('main/', t.path, f.path) ELSE f.path END
        FROM (SELECT table_id, path, path_is_relative FROM {catalog}.ducklake_data_file
              UNION ALL SELECT table_id, path, path_is_relative FROM {catalog}.ducklake_delete_file) f
        JOIN {catalog}.ducklake_table t USING (table_id)
        UNION SELECT path FROM {catalog}.ducklake_files_scheduled_for_deletion
        """
    ).fetchall()
    return {data_folder / row[0] for row in rows}


def _accounted(con: duckdb.DuckDBPyConnection, path: Path, offsets: StoreOffsets) -> bool:
    """Say whether every record of a file lies below the stored next offset of its partition."""
    table = path.parent.name
    owner = offsets.owner(table)
    columns = f"{literal(owner or table)}, _epoch, _partition, max(_offset)"
    if table == LEDGER:
        columns = "stream, epoch, partition, max(to_offset) - 1"
    elif table == DEAD_LETTERS_TABLE:
        columns = "stream, _epoch, _partition, max(_offset)"
    elif table == OFFSETS or owner is None:
        # Of a product, which is computed again, or a version of the one row that the catalog holds.
        return True
    try:
        rows = con.execute(
            f"SELECT {columns} FROM read_parquet({literal(str(path))}) GROUP BY ALL"
        ).fetchall()
    except duckdb.Error:
        # Torn, or no Parquet: it was never fsynced whole, so no commit can have named it.
        return True
    return all(_is_accounted(offsets, *row) for row in rows)


def _is_accounted(offsets: StoreOffsets, stream: str, epoch: int, partition: int, last: int) -> bool:
    known = offsets.streams.get(stream)
    if known is None:
        return False
    if epoch == known.epoch:
        own = known.partitions.get(partition)
        return own is not None and last < own.next_offset
    spans = {(e.epoch, p): span for e in known.earlier for p, span in e.partitions.items()}
    span = spans.get((epoch, partition))
    return span is not None and last < span[1]
