"""Maintenance: fewer files and snapshots, the same rows, no reader disturbed."""

from __future__ import annotations

import datetime as dt
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mesh_defs.model.errors import StoreError
from mesh_defs.model.records import Commit
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain, read_ledger, steps, verify_store
from mesh_defs.store.files import live_files
from tests.store import kit
from tests.store.test_commit import LostReply

NOTHING = dt.timedelta(0)
AT_ONCE = MaintenancePolicy(
    keep=NOTHING, grace=NOTHING, orphan_age=NOTHING, flush_rows=1, merge_files=2, expire_batch=7
)


def snapshots(store: DomainStore) -> int:
    """Return how many snapshots there are."""
    row = store.connection.execute("SELECT count(*) FROM ducklake_snapshots(?)", [kit.DOMAIN]).fetchone()
    assert row is not None
    return int(row[0])


def test_everything_is_brought_to_one_file_a_table(store: DomainStore) -> None:
    """With nothing to keep, one file a table and one snapshot are left, and the same rows."""
    for _ in range(12):
        kit.append(store, 20)
    before = kit.stored_offsets(store), store.offsets()
    heard: list[str] = []
    report = maintain(store, AT_ONCE, on_step=heard.append)
    assert (kit.stored_offsets(store), store.offsets()) == before
    assert verify_store(store, deep=True) == ()
    assert snapshots(store) == 1
    folders = sorted(path.parent.name for path in kit.files_under(store.folder))
    assert folders == ["dead_letters", kit.STREAM, "ledger", "offsets"]
    done = [(s.name, s.table) for s in report.steps]
    assert done[:3] == [("flush", "offsets"), ("rewrite", "offsets"), ("flush", "ledger")]
    assert {("merge", kit.STREAM), ("merge", "dead_letters"), ("expire", None), ("clean up", None)} <= set(
        done
    )
    assert all(s.count > 0 and s.summary for s in report.steps)
    assert {"flush offsets", f"merge {kit.STREAM}", "expire snapshots", "clean up"} <= set(heard)
    kit.append(store, 20)
    assert verify_store(store) == ()


def test_a_quiet_store_is_left_alone(store: DomainStore) -> None:
    """With the defaults, a small young store is not touched."""
    for _ in range(3):
        kit.append(store, 20)
    before = store.snapshot(), kit.files_under(store.folder)
    assert maintain(store).steps == ()
    assert (store.snapshot(), kit.files_under(store.folder)) == before


def test_rounds_do_not_pile_up(store: DomainStore) -> None:
    """Neither files nor snapshots grow from round to round, and the past that is kept stays true."""
    sizes = []
    for _ in range(3):
        for _ in range(2):
            kit.append(store, 20)
        maintain(store, AT_ONCE)
        sizes.append((len(kit.files_under(store.folder)), snapshots(store)))
        assert verify_store(store) == ()
    assert set(sizes) == {(4, 1)}


def test_the_past_reads_the_same_after_merging(store: DomainStore) -> None:
    """Flush, rewrite and merge change no snapshot: each still shows its own rows, ledger and offsets."""
    past = {}
    for number in range(1, 7):
        past[kit.append(store, 20).snapshot] = number
    maintain(store, MaintenancePolicy(flush_rows=1, merge_files=2))
    for snapshot, number in past.items():
        at = f"AT (VERSION => {snapshot})"
        query = f"SELECT (SELECT count(*) FROM {kit.DOMAIN}.events {at}), (SELECT count(*) FROM {kit.DOMAIN}.ledger {at})"  # noqa: S608, E501
        assert store.connection.execute(query).fetchone() == (16 * number, number)
        query = f"SELECT count(*), max((offsets->'streams'->'events'->'partitions'->'0'->>'next')::INT) FROM {kit.DOMAIN}.offsets {at}"  # noqa: S608, E501
        assert store.connection.execute(query).fetchone() == (1, 20 * number)


def test_young_snapshots_and_files_are_kept(store: DomainStore) -> None:
    """What readers may still need stays for as long as the policy says."""
    for _ in range(8):
        kit.append(store, 20)
    files, count = kit.files_under(store.folder), snapshots(store)
    report = maintain(store, MaintenancePolicy(flush_rows=1))
    assert {s.name for s in report.steps} == {"flush", "rewrite", "merge"}
    assert kit.files_under(store.folder) > files
    assert snapshots(store) > count


def test_tiers_grow_file_by_file(store: DomainStore) -> None:
    """A higher tier merges only when what lies below fills a file of its size."""
    policy = MaintenancePolicy(merge_files=3, merge_bytes=(20_000, 200_000))
    for _ in range(9):
        kit.append(store, 400)
    merged = [s for s in maintain(store, policy).steps if s.table == kit.STREAM]
    assert merged
    assert all(step.count > 1 for step in merged)
    assert verify_store(store) == ()
    assert not [s for s in maintain(store, policy).steps if s.table == kit.STREAM]


@pytest.mark.fault(1)
def test_orphans_are_swept_and_the_unaccounted_kept(store: DomainStore) -> None:
    """A file below the next offset is swept once it is old; one beyond it may be the only copy, and stays."""
    kit.append(store, 20)
    repeated = kit.span(store, 0, 20)[1]
    beyond = kit.span(store, 20, 40)[1]
    unknown = kit.span(store, 0, 20, partition=5)[1]
    torn = store.data_folder / "main" / kit.STREAM / "torn.parquet"
    torn.write_bytes(b"PAR1 and no more")
    live = kit.files_under(store.folder) - {f.path for f in (*repeated, *beyond, *unknown)} - {torn}
    assert maintain(store, MaintenancePolicy()).steps == ()
    (swept,) = maintain(store, MaintenancePolicy(orphan_age=NOTHING)).steps
    assert (swept.name, swept.count) == ("sweep", 3)
    assert kit.files_under(store.folder) == live | {f.path for f in (*beyond, *unknown)}
    advance, _ = kit.span(store, 20, 40)
    store.commit(Commit(writer="kit", advances=[advance], files=beyond))
    assert verify_store(store, deep=True) == ()


def test_files_of_a_pass_under_way_are_not_swept(store: DomainStore) -> None:
    """What was staged a moment ago is younger than any orphan."""
    advance, files = kit.span(store, 0, 20)
    maintain(store)
    store.commit(Commit(writer="kit", advances=[advance], files=files))
    assert verify_store(store, deep=True) == ()


def test_a_cleanup_that_was_killed_is_finished_later(store: DomainStore) -> None:
    """Files that are gone already, with rows that still name them, are no error."""
    for _ in range(4):
        kit.append(store, 20)
    policy = MaintenancePolicy(keep=NOTHING, merge_files=2)
    maintain(store, policy)
    catalog = f"__ducklake_metadata_{kit.DOMAIN}.ducklake_files_scheduled_for_deletion"
    rows = store.connection.execute(f"SELECT path FROM {catalog}").fetchall()  # noqa: S608
    assert rows
    (store.data_folder / rows[0][0]).unlink()
    maintain(store, AT_ONCE)
    assert store.connection.execute(f"SELECT count(*) FROM {catalog}").fetchone() == (0,)  # noqa: S608
    assert verify_store(store) == ()


class DeletingLostReply(LostReply):
    """A lost reply after which the new file is gone, as DuckLake deletes what it believes was rolled back.

    Args:
        folder: The table's folder.
    """

    def delete_new_files(self, folder: Path) -> None:
        """Delete what DuckLake wrote in a folder when the reply is lost."""
        self.folder = folder

    def execute(self, query: str, parameters: object = None) -> object:  # type: ignore[override]
        """Execute; delete the files that DuckLake wrote when COMMIT fails."""
        try:
            return super().execute(query, parameters)
        except Exception:
            for path in self.folder.glob("ducklake-*.parquet"):
                path.unlink()
            raise


@pytest.mark.fault(4)
def test_a_merge_whose_reply_was_lost_keeps_its_file(store: DomainStore) -> None:
    """The second name gives the file back when the catalog names it, and goes when it does not."""
    for _ in range(4):
        kit.append(store, 20)
    real = store.connection
    folder = store.data_folder / "main" / "dead_letters"
    for landed in (False, True):
        broken = DeletingLostReply(real, landed=landed, text="connection lost")
        broken.delete_new_files(folder)
        store._con = broken  # type: ignore[assignment]
        with pytest.raises(StoreError, match="connection lost"):
            maintain(store, MaintenancePolicy(merge_files=2))
        store._con = real
        assert len(list(folder.glob("ducklake-*.parquet"))) == int(landed)
        assert not list(folder.glob("*.kept"))
        assert verify_store(store, deep=True) == ()


def test_new_files_are_fsynced_before_they_are_visible(
    store: DomainStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file that maintenance writes, and its folder, is fsynced while its transaction is still open."""
    for _ in range(4):
        kit.append(store, 20)
    real = steps.sync
    synced: set[Path] = set()

    def watch(path: Path) -> None:
        synced.add(path)
        real(path)

    monkeypatch.setattr(steps, "sync", watch)
    before = kit.files_under(store.folder)
    maintain(store, MaintenancePolicy(merge_files=2, flush_rows=1))
    new = kit.files_under(store.folder) - before
    assert new
    assert new | {path.parent for path in new} <= synced


def test_a_transaction_that_spans_maintenance_sees_one_snapshot(store: DomainStore) -> None:
    """A reader's transaction that began before a flush or a merge reads the same rows after it."""
    for _ in range(3):
        kit.append(store, 20)
    with kit.open_store(store.folder, read_only=True) as reader:
        reader.connection.execute("BEGIN")
        before = reader.offsets()
        maintain(store, MaintenancePolicy(flush_rows=1, merge_files=2))
        kit.append(store, 20)
        assert reader.offsets() == before
        assert kit.stored_offsets(reader) == [(0, o) for o in range(60) if kit.is_row(o)]
        assert kit.stored_offsets(reader, "dead_letters") == [(0, o) for o in range(60) if kit.is_dead(o)]
        assert len(read_ledger(reader)) == 3
        reader.connection.execute("ROLLBACK")
        assert len(read_ledger(reader)) == 4


def read_on(folder: Path, pipe: Connection) -> None:
    """Read rows, ledger and offsets in one transaction each, until told to stop; report what did not agree."""
    wrong: list[str] = []
    count = 0
    with kit.open_store(folder, read_only=True) as store:
        pipe.send("reading")
        while not pipe.poll():
            store.connection.execute("BEGIN")
            known = store.offsets().partition(kit.STREAM, 0)
            row = store.connection.execute(
                f"SELECT (SELECT count(*) FROM {kit.DOMAIN}.events WHERE id IS NOT NULL), "  # noqa: S608
                f"(SELECT count(*) FROM {kit.DOMAIN}.dead_letters WHERE _value IS NOT NULL), "
                f"(SELECT max(to_offset) FROM {kit.DOMAIN}.ledger)"
            ).fetchone()
            store.connection.execute("ROLLBACK")
            expected = known and (known.rows, known.dead_letters, known.next_offset)
            if row != expected:
                wrong.append(f"{row} is not {expected}")
            count += 1
    pipe.send((count, wrong))


@pytest.mark.fault(40)
def test_readers_see_whole_commits_only_during_ingest_and_maintenance(store: DomainStore) -> None:
    """Two readers in processes of their own never see part of a batch, nor an error, whatever goes on."""
    kit.append(store, 20)
    readers = []
    for _ in range(2):
        ours, theirs = kit.processes().Pipe()
        readers.append((kit.spawn(read_on, store.folder, theirs), ours))
    assert [pipe.recv() for _, pipe in readers] == ["reading"] * 2
    short = dt.timedelta(seconds=3)
    policy = MaintenancePolicy(keep=short, grace=short, flush_rows=1, merge_files=2)
    until = time.monotonic() + 6
    while time.monotonic() < until:
        kit.append(store, 20)
        maintain(store, policy)
    for process, pipe in readers:
        pipe.send("stop")
        count, wrong = pipe.recv()
        assert wrong == []
        assert count > 0
        assert kit.finished(process) == 0
    assert verify_store(store, deep=True) == ()


@pytest.mark.fault(39)
def test_a_stale_catalog_restored_keeps_newer_files(store: DomainStore, tmp_path: Path) -> None:
    """After an old catalog is put back, files that are newer than it are kept, and can be committed again."""
    kit.append(store, 20)
    store.close()
    backup = tmp_path / "backup.sqlite"
    backup.write_bytes((store.folder / "catalog.sqlite").read_bytes())
    with kit.open_store(store.folder) as opened:
        kit.append(opened, 20)
        newer = kit.files_under(opened.folder)
    backup.replace(store.folder / "catalog.sqlite")
    for leftover in store.folder.glob("catalog.sqlite-*"):
        leftover.unlink()
    with kit.open_store(store.folder) as opened:
        assert verify_store(opened) == ()
        maintain(opened, AT_ONCE)
        assert {p for p in newer if p.parent.name == kit.STREAM} & kit.files_under(opened.folder)
        kit.append(opened, 20)
        assert verify_store(opened) == ()


def test_a_nearly_full_file_is_not_written_anew_for_each_small_one(store: DomainStore) -> None:
    """It takes in one or two at a time; a round would rewrite it as often as there are pairs of small files."""
    kit.append(store, 40_000)
    kit.append(store, 20)
    maintain(store, MaintenancePolicy(merge_files=2))
    (large,) = sizes(store)
    for _ in range(24):
        kit.append(store, 20)
    small = (sum(sizes(store)) - large) // 24
    policy = MaintenancePolicy(merge_files=8, merge_bytes=(large + 3 * small, 100 * large))
    merged = [s for s in maintain(store, policy).steps if (s.name, s.table) == ("merge", kit.STREAM)]
    assert sum(step.count for step in merged) >= 24
    assert sum(step.size_bytes for step in merged) < 2 * large
    assert verify_store(store) == ()


def sizes(store: DomainStore) -> list[int]:
    """Return the sizes of the live files of the stream's table, in bytes."""
    return [f.size_bytes for f in live_files(store.connection, kit.DOMAIN, kit.STREAM)]
