"""The full refresh of a product: the old rows or the new ones, never both."""

from __future__ import annotations

import pyarrow as pa
import pytest

from mesh_defs.model.errors import StoreError
from mesh_defs.store import DomainStore, verify_store
from tests.store import kit

PRODUCT = pa.schema([pa.field("hour", pa.int64()), pa.field("flights", pa.int64())])


def product(*hours: int) -> pa.Table:
    """Return a product's rows."""
    return pa.table({"hour": hours, "flights": [h * 10 for h in hours]}, schema=PRODUCT)


def refresh(store: DomainStore, *hours: int, snapshot: int = 0) -> None:
    """Replace the product by these hours."""
    file = kit.stage(store, "by_hour", product(*hours)) if hours else None
    info = {"inputs": {"operations": snapshot}}
    store.replace_table("by_hour", [file] if file else [], "refresh", author="test", info=info)


def hours_of(store: DomainStore, suffix: str = "") -> list[int]:
    """Return the product's hours."""
    query = f"SELECT hour FROM {kit.DOMAIN}.by_hour {suffix} ORDER BY hour"  # noqa: S608
    return [row[0] for row in store.connection.execute(query).fetchall()]


def test_the_new_rows_replace_the_old_ones(store: DomainStore) -> None:
    """Old files leave the snapshot whole, without a tombstone a row; the past still reads them."""
    kit.append(store, 10)
    store.ensure_table("by_hour", PRODUCT)
    refresh(store, 1, 2, 3)
    past = store.snapshot()
    refresh(store, 4, snapshot=past)
    assert hours_of(store) == [4]
    assert hours_of(store, f"AT (VERSION => {past})") == [1, 2, 3]
    catalog = f"__ducklake_metadata_{kit.DOMAIN}"
    assert store.connection.execute(f"FROM {catalog}.ducklake_delete_file").fetchall() == []
    done = store.offsets().refreshed["by_hour"]
    assert done.info == {"inputs": {"operations": past}}
    assert (done.message, done.batch) == ("refresh", store.offsets().batch)
    assert store.offsets().partition(kit.STREAM, 0) is not None
    assert verify_store(store) == ()


def test_a_product_may_be_empty(store: DomainStore) -> None:
    """No rows replace rows, and no rows, alike; each refresh is told."""
    store.ensure_table("by_hour", PRODUCT)
    refresh(store)
    refresh(store, 1)
    refresh(store)
    first = store.offsets().refreshed["by_hour"]
    refresh(store)
    assert hours_of(store) == []
    assert store.offsets().refreshed["by_hour"].batch != first.batch


def test_the_snapshot_carries_its_message(store: DomainStore) -> None:
    """Who wrote a snapshot, what, and from what, can be asked of the lake itself."""
    store.ensure_table("by_hour", PRODUCT)
    refresh(store, 1, snapshot=42)
    row = store.connection.execute(
        "SELECT author, commit_message, commit_extra_info->'inputs'->>'operations' "
        "FROM ducklake_snapshots(?) ORDER BY snapshot_id DESC LIMIT 1",
        [kit.DOMAIN],
    ).fetchone()
    assert row == ("test", "refresh", "42")


def test_files_of_another_table_are_refused(store: DomainStore) -> None:
    """A refresh takes files of its own table only, and never a table of the platform."""
    store.ensure_table("by_hour", PRODUCT)
    file = kit.stage(store, kit.STREAM, kit.rows([0]))
    assert file is not None
    with pytest.raises(StoreError, match="is no file of that table"):
        store.replace_table("by_hour", [file], "refresh")
    with pytest.raises(StoreError, match="the platform's own"):
        store.replace_table("ledger", [file], "refresh")
