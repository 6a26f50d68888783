"""Rows older than their contract keeps them go, and the account says so."""

from __future__ import annotations

import datetime as dt
import signal
from pathlib import Path

import pytest

from mesh_defs.model.corrections import PartitionExpiry
from mesh_defs.model.errors import FencedError
from mesh_defs.model.records import Commit
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain, read_ledger, verify_store
from tests.store import kit

DAY = dt.timedelta(days=1)
LEDGER = f"{kit.DOMAIN}.ledger"
NOTHING = dt.timedelta(0)


def policy(**more: int) -> MaintenancePolicy:
    """Return one that keeps the stream's rows for ten days."""
    return MaintenancePolicy(retention={kit.STREAM: 10 * DAY}, **more)


def age(store: DomainStore, below: int, days: int, partition: int = 0) -> None:
    """Make the ledger entries of a partition below an offset so many days old."""
    store.connection.execute(
        f"UPDATE {LEDGER} SET committed_at = committed_at - to_days({days}) "  # noqa: S608
        f"WHERE to_offset <= {below} AND partition = {partition}"
    )


def rows_of(store: DomainStore, partition: int = 0) -> list[int]:
    """Return the offsets of a partition's rows."""
    return [offset for p, offset in kit.stored_offsets(store) if p == partition]


def test_old_rows_go_with_a_ledger_entry_and_young_ones_stay(store: DomainStore) -> None:
    """Dead letters stay; the ledger holds before, between and after; a second round finds nothing."""
    for _ in range(5):
        kit.append(store, 20)
    age(store, 60, 11)
    letters = kit.stored_offsets(store, "dead_letters")
    report = maintain(store, policy(retention_rows=20))
    assert [(s.count, s.unit) for s in report.steps if s.name == "retention"] == [(32, "rows"), (16, "rows")]
    assert rows_of(store) == [o for o in range(60, 100) if kit.is_row(o)]
    assert kit.stored_offsets(store, "dead_letters") == letters
    gone = [e for e in read_ledger(store) if e.removed_count]
    assert [(e.from_offset, e.to_offset, e.removed_count) for e in gone] == [(0, 40, 32), (40, 60, 16)]
    known = store.offsets().partition(kit.STREAM, 0)
    assert known is not None
    assert (known.rows, known.removed, known.next_offset) == (80, 48, 100)
    assert verify_store(store, deep=True) == ()
    assert [s for s in maintain(store, policy()).steps if s.name == "retention"] == []
    kit.append(store, 20)
    assert verify_store(store) == ()


def test_a_hole_above_what_was_removed_is_still_found(store: DomainStore) -> None:
    """Retention takes nothing from the sharpness of the verification."""
    for _ in range(4):
        kit.append(store, 20)
    age(store, 40, 11)
    maintain(store, policy())
    store.connection.execute(f"DELETE FROM {kit.DOMAIN}.{kit.STREAM} WHERE _offset = 62")  # noqa: S608
    (violation,) = verify_store(store)
    assert (violation.invariant, violation.offset) == ("completeness", 62)


def test_files_that_are_mostly_deleted_are_rewritten(store: DomainStore) -> None:
    """What retention deleted inside a merged file leaves the disk when its snapshots have gone."""
    for _ in range(4):
        kit.append(store, 20)
    at_once = {"flush_rows": 1, "merge_files": 2}
    maintain(store, MaintenancePolicy(keep=NOTHING, grace=NOTHING, **at_once))
    age(store, 60, 11)
    keep = MaintenancePolicy(keep=NOTHING, grace=NOTHING, retention={kit.STREAM: 10 * DAY}, **at_once)
    names = [(s.name, s.table) for s in maintain(store, keep).steps]
    assert names.index(("retention", kit.STREAM)) < names.index(("rewrite", kit.STREAM))
    assert rows_of(store) == [o for o in range(60, 80) if kit.is_row(o)]
    assert verify_store(store, deep=True) == ()
    (file,) = kit.files_under(store.data_folder / "main" / kit.STREAM)
    stored = store.connection.execute("SELECT count(*) FROM read_parquet(?)", [str(file)]).fetchone()
    assert stored == (16,)


def test_partitions_and_streams_that_promise_nothing_stay(store: DomainStore) -> None:
    """Each partition loses what is old in it; without a promise rows are kept for ever."""
    kit.append(store, 20)
    advance, files = kit.span(store, 0, 20, partition=1)
    store.commit(Commit(writer="kit", starts=[kit.start_of(1)], advances=[advance], files=files))
    age(store, 20, 500, partition=1)
    maintain(store, MaintenancePolicy())
    assert len(rows_of(store, 1)) == 16
    maintain(store, policy())
    assert (len(rows_of(store, 0)), len(rows_of(store, 1))) == (16, 0)
    assert verify_store(store) == ()


def expiry(count: int) -> PartitionExpiry:
    """Return the entry that takes away the first 40 offsets."""
    return PartitionExpiry(
        stream=kit.STREAM,
        epoch=0,
        partition=0,
        from_offset=0,
        to_offset=40,
        tables=(kit.STREAM,),
        removed_count=count,
        contract_version="1.0.0",
    )


def test_an_entry_that_says_more_than_is_there_is_fenced(store: DomainStore) -> None:
    """Nothing of it is stored."""
    for _ in range(3):
        kit.append(store, 20)
    before = kit.stored_offsets(store), store.offsets()
    with pytest.raises(FencedError, match="32 are there"):
        store.commit(Commit(writer="kit", expiries=[expiry(33)]))
    assert (kit.stored_offsets(store), store.offsets()) == before
    assert verify_store(store) == ()


def die_before(folder: Path, step: int) -> None:
    """Take rows away, and die just before a step."""

    def on_step(number: int) -> None:
        if number == step:
            kit.die()

    with kit.open_store(folder) as opened:
        opened.commit(Commit(writer="kit", expiries=[expiry(32)]), on_step=on_step)


def test_sigkill_before_each_step_takes_away_all_or_nothing(store: DomainStore, folder: Path) -> None:
    """And what was not done is done by the next round."""
    for _ in range(3):
        kit.append(store, 20)
    for step in range(3, 9):
        assert kit.finished(kit.spawn(die_before, folder, step)) == -signal.SIGKILL
        assert len(rows_of(store)) == (48 if step < 8 else 16)
        assert verify_store(store) == ()


def test_a_retry_that_was_overtaken_by_retention_is_fenced(store: DomainStore) -> None:
    """It read a dead letter before the rows around it went: as a row it would outlive them, and stop retention."""
    for _ in range(2):
        kit.append(store, 20)
    late = [kit.reversal(store, 7), kit.reversal(store, 27, begin=20)]
    age(store, 20, 11)
    maintain(store, policy())
    with pytest.raises(FencedError, match="retention"):
        store.commit(late[0])
    store.commit(late[1])
    age(store, 40, 11)
    maintain(store, policy())
    assert rows_of(store) == []
    assert (0, 7) in kit.stored_offsets(store, "dead_letters")
    assert verify_store(store, deep=True) == ()
