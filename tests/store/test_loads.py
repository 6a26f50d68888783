"""Data at rest in the store: a snapshot replaces what was there, and the ledger accounts for both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from mesh_defs.contract.arrow import LOADS
from mesh_defs.model.errors import FencedError, StoreError
from mesh_defs.model.records import Commit, Committed, OnStep, PartitionRemoval, StagedFile, no_step
from mesh_defs.store import DomainStore, LoadedFile, read_ledger, read_loads, verify_store
from tests.store import kit

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def loaded(load: int, start: int, stop: int, *, mode: str = "snapshot") -> LoadedFile:
    """Return the file of a load that holds the kit's offsets [start, stop)."""
    offsets = [o for o in range(start, stop) if not kit.is_gap(o)]
    return LoadedFile(
        load=load,
        mode=mode,
        path="rest/events.csv",
        size_bytes=1,
        modified_at=NOW,
        sha256="0" * 64,
        from_offset=start,
        to_offset=stop,
        row_count=sum(map(kit.is_row, offsets)),
        dead_letter_count=sum(map(kit.is_dead, offsets)),
        skipped_count=0,
        contract_version="1.0.0",
        contract_hash="",
        ingested_at=NOW,
    )


def staged(store: DomainStore, files: Sequence[LoadedFile]) -> StagedFile:
    """Stage rows of the table `loads`."""
    store.ensure_table("loads", LOADS)
    file = kit.stage(store, "loads", pa.Table.from_pylist([f.row(kit.STREAM) for f in files], LOADS))
    assert file is not None
    return file


def snapshot(store: DomainStore, load: int, count: int, *, on_step: OnStep = no_step) -> Committed:
    """Replace what the table holds by the next `count` offsets."""
    known = store.offsets().partition(kit.STREAM, 0)
    assert known is not None
    start, stop = known.next_offset, known.next_offset + count
    rows = known.rows - known.removed
    removal = PartitionRemoval(
        stream=kit.STREAM,
        epoch=0,
        partition=0,
        from_offset=0,
        to_offset=start,
        removed_count=rows,
        contract_version="1.0.0",
    )
    advance, files = kit.span(store, start, stop)
    commit = Commit(
        writer="kit",
        advances=[advance],
        removals=[removal] if rows else [],
        files=[*files, staged(store, [loaded(load, start, stop)])],
    )
    return store.commit(commit, on_step=on_step)


def test_a_snapshot_takes_the_place_of_the_one_before(store: DomainStore) -> None:
    """Only the newest load's rows are there; an entry of its own says how many went; dead letters stay."""
    first = snapshot(store, 1, 40)
    snapshot(store, 2, 30)
    assert kit.stored_offsets(store) == [(0, o) for o in range(40, 70) if kit.is_row(o)]
    assert len(kit.stored_offsets(store, "dead_letters")) == 7
    entries = [(e.from_offset, e.to_offset, e.row_count, e.removed_count) for e in read_ledger(store)]
    assert sorted(entries) == [(0, 40, 0, 32), (0, 40, 32, 0), (40, 70, 24, 0)]
    assert [f.load for f in read_loads(store, kit.STREAM)] == [1, 2]
    assert verify_store(store, deep=True) == ()
    before = store.connection.execute(
        f"SELECT count(*) FROM {kit.DOMAIN}.{kit.STREAM} AT (VERSION => {first.snapshot})"  # noqa: S608
    ).fetchone()
    assert before == (32,)


def test_a_load_of_nothing_is_accounted_for(store: DomainStore) -> None:
    """A source without records empties the table, and the next load begins where it stood."""
    snapshot(store, 1, 20)
    snapshot(store, 2, 0)
    assert kit.stored_offsets(store) == []
    assert verify_store(store) == ()
    snapshot(store, 3, 20)
    assert len(kit.stored_offsets(store)) == 16
    assert verify_store(store) == ()


def test_the_same_snapshot_by_two_writers_is_fenced(store: DomainStore) -> None:
    """Both saw the same table; the second one's removal no longer fits, and nothing of it is stored."""
    snapshot(store, 1, 20)
    known = store.offsets()
    stale = store.offsets().partition(kit.STREAM, 0)
    snapshot(store, 2, 20)
    assert stale is not None
    removal = PartitionRemoval(
        stream=kit.STREAM,
        epoch=0,
        partition=0,
        from_offset=0,
        to_offset=stale.next_offset,
        removed_count=stale.rows,
        contract_version="1.0.0",
    )
    with pytest.raises(
        FencedError, match="is to be emptied of 16 rows below 20, the store holds 16 below 40"
    ):
        store.commit(Commit(writer="late", advances=[kit.span(store, 20, 40)[0]], removals=[removal],
                            files=kit.span(store, 20, 40)[1]))  # fmt: skip
    assert store.offsets().streams != known.streams
    assert verify_store(store) == ()


def test_an_empty_range_is_refused_without_a_load(store: DomainStore) -> None:
    """Only a load may bring nothing."""
    advance, _ = kit.span(store, 0, 0)
    with pytest.raises(StoreError, match="is no range"):
        store.commit(Commit(writer="kit", advances=[advance]))


@pytest.mark.parametrize(
    "damage", ["a row of an earlier load", "a row less", "a row twice", "a file's count"]
)
def test_verification_finds_what_a_load_lacks(store: DomainStore, damage: str) -> None:
    """The recount sees rows that should have gone, rows that are missing or doubled, and loads that do not add up."""
    snapshot(store, 1, 20)
    snapshot(store, 2, 20)
    table = f"{kit.DOMAIN}.{kit.STREAM}"
    statement = {
        "a row of an earlier load": f"UPDATE {table} SET _offset = 3 WHERE _offset = 23",  # noqa: S608
        "a row less": f"DELETE FROM {table} WHERE _offset = 23",  # noqa: S608
        "a row twice": f"UPDATE {table} SET _offset = 24 WHERE _offset = 23",  # noqa: S608
        "a file's count": f"UPDATE {kit.DOMAIN}.loads SET row_count = 15 WHERE load = 2",  # noqa: S608
    }[damage]
    store.connection.execute(statement)
    assert verify_store(store) != ()


def test_a_loaded_file_is_read_back_as_it_was(store: DomainStore) -> None:
    """Every field survives the table, in the order of loads."""
    snapshot(store, 1, 20)
    (file,) = read_loads(store, kit.STREAM)
    assert file == loaded(1, 0, 20)
    assert replace(file, load=2) != file
