"""Verification from the last mark on: it reads little, and never says anything but what a full one says."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_defs.model.corrections import PartitionReversal
from mesh_defs.model.errors import FencedError
from mesh_defs.model.records import Commit
from mesh_defs.store import (
    MARKS_FILE,
    DomainStore,
    MaintenancePolicy,
    StreamMark,
    Verified,
    load_marks,
    maintain,
    read_ledger,
    save_marks,
    verify_store,
    verify_stream,
)
from tests.store import kit

EVENTS = f"{kit.DOMAIN}.{kit.STREAM}"
LETTERS = f"{kit.DOMAIN}.dead_letters"
LEDGER = f"{kit.DOMAIN}.ledger"
SPAN = 20
NOTHING = dt.timedelta(0)


def verify(store: DomainStore, mark: StreamMark | None = None) -> Verified:
    """Verify the stream from a mark on."""
    return verify_stream(store, kit.STREAM, mark=mark)


def marked(store: DomainStore, mark: StreamMark | None = None) -> StreamMark:
    """Verify the stream, which must hold, and return the next mark."""
    found = verify(store, mark)
    assert found.violations == ()
    assert found.mark is not None
    return found.mark


class History:
    """A store with a random past: each step is what some writer of the mesh does."""

    def __init__(self, store: DomainStore) -> None:
        self.store = store
        self.epoch = 0

    def ingest(self, partition: int = 0) -> None:
        """Store the next offsets of a partition, which begins where it is new."""
        known = self.store.offsets().partition(kit.STREAM, partition)
        at = 0 if known is None else known.next_offset
        starts = [] if known else [kit.start_of(partition, epoch=self.epoch)]
        advance, files = kit.span(self.store, at, at + SPAN, partition=partition, epoch=self.epoch)
        self.store.commit(Commit(writer="kit", starts=starts, advances=[advance], files=files))

    def ingest_another(self) -> None:
        """Store the next offsets of the second partition."""
        self.ingest(partition=1)

    def retry(self) -> None:
        """Make the oldest dead letter a row."""
        found = self.store.connection.execute(
            f"SELECT _epoch, _partition, _offset FROM {LETTERS} ORDER BY ALL LIMIT 1"  # noqa: S608
        ).fetchone()
        if found is None:
            return
        epoch, partition, offset = found
        file = kit.stage(self.store, kit.STREAM, kit.rows([offset], partition=partition, epoch=epoch))
        assert file is not None
        begin = offset - offset % SPAN
        reversal = PartitionReversal(
            stream=kit.STREAM,
            epoch=epoch,
            partition=partition,
            from_offset=begin,
            to_offset=begin + SPAN,
            offsets=(offset,),
            contract_version="2.0.0",
        )
        with suppress(FencedError):  # retention has been there: nothing of it is stored
            self.store.commit(Commit(writer="kit", reversals=[reversal], files=[file]))

    def retain(self) -> None:
        """Take away what is old: of each partition, the first entries."""
        self.store.connection.execute(
            f"UPDATE {LEDGER} SET committed_at = committed_at - to_days(30) "  # noqa: S608
            f"WHERE to_offset <= {SPAN}"
        )
        maintain(self.store, MaintenancePolicy(retention={kit.STREAM: dt.timedelta(days=10)}))

    def merge(self) -> None:
        """Flush, merge, expire and clean up at once."""
        maintain(self.store, MaintenancePolicy(keep=NOTHING, grace=NOTHING, flush_rows=1, merge_files=2))

    def renew(self) -> None:
        """Begin another epoch."""
        self.epoch += 1
        self.store.commit(Commit(writer="kit", starts=[kit.start_of(epoch=self.epoch)]))


STEPS = (
    History.ingest, History.ingest, History.ingest_another, History.retry, History.retain, History.merge, History.renew,
)  # fmt: skip

WRONGS = (
    f"DELETE FROM {EVENTS} WHERE {{}} AND _offset % 20 = 3",  # noqa: S608
    f"DELETE FROM {LETTERS} WHERE {{}}",  # noqa: S608
    f"UPDATE {EVENTS} SET _offset = _offset + 1 WHERE {{}} AND _offset % 20 = 3",  # noqa: S608
    f"UPDATE {EVENTS} SET _offset = _offset + 10000 WHERE {{}} AND _offset % 20 = 3",  # noqa: S608
    f"INSERT INTO {EVENTS} FROM {EVENTS} WHERE {{}} AND _offset % 20 = 3",
    f"INSERT INTO {LETTERS} BY NAME SELECT * FROM {LETTERS} WHERE {{}}",  # noqa: S608
    "DELETE FROM {ledger} WHERE {entry}",
    "UPDATE {ledger} SET row_count = row_count + 1, dead_letter_count = dead_letter_count - 1 WHERE {entry}",
    "UPDATE {ledger} SET content_hash = content_hash // 2 + 1 WHERE {entry}",
    "UPDATE {ledger} SET from_offset = from_offset - 5 WHERE {entry}",
    "UPDATE {ledger} SET gaps = '[]' WHERE {entry}",
)


def spoil(store: DomainStore, epoch: int, begin: int, wrong: str) -> None:
    """Do something wrong to the ledger entry of partition 0 that begins at an offset, or to its records."""
    where = f"_epoch = {epoch} AND _partition = 0 AND _offset >= {begin} AND _offset < {begin + SPAN}"
    entry = f"epoch = {epoch} AND partition = 0 AND from_offset = {begin} AND dead_letter_count >= 0 AND row_count > 0"
    store.connection.execute(wrong.format(where, ledger=LEDGER, entry=entry))


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=9),
    every=st.integers(1, 3),
    wrong=st.sampled_from(WRONGS),
)
def test_from_a_mark_and_from_the_start_say_the_same(
    begun: Path, steps: Sequence[object], every: int, wrong: str
) -> None:
    """After any history both find nothing; and what goes wrong behind the mark is found, in the same words."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / kit.DOMAIN
        shutil.copytree(begun, folder)
        with kit.open_store(folder) as store:
            history, mark = History(store), None
            for number, step in enumerate(steps):
                step(history)  # type: ignore[operator]
                if number % every == 0:
                    assert verify_store(store) == ()
                    mark = marked(store, mark)
            mark = marked(store, mark)
            known = store.offsets().partition(kit.STREAM, 0)
            assert known is not None
            history.ingest()
            spoil(store, history.epoch, known.next_offset, wrong)
            whole = verify_store(store)
            assert whole != ()
            found = verify(store, mark)
            assert (found.violations, found.mark) == (whole, None)


@pytest.mark.parametrize("wrong", WRONGS)
def test_each_wrong_behind_the_mark_is_found(store: DomainStore, wrong: str) -> None:
    """The first violation is named with its coordinates, as the full recount names it."""
    for _ in range(3):
        kit.append(store, SPAN)
    mark = marked(store)
    kit.append(store, SPAN)
    spoil(store, 0, 60, wrong)
    found = verify(store, mark)
    assert found.violations == verify_store(store)
    first = found.violations[0]
    assert (first.stream, first.epoch, first.partition, found.mark) == (kit.STREAM, 0, 0, None)


@pytest.mark.parametrize("wrong", [w for w in WRONGS if not w.startswith("UPDATE operations.events")])
def test_what_changes_the_numbers_or_the_ledger_below_the_mark_is_found_too(
    store: DomainStore, wrong: str
) -> None:
    """Rows that vanish or come twice, and any change of the ledger; only rows changed in place are not looked at."""
    for _ in range(3):
        kit.append(store, SPAN)
    mark = marked(store)
    spoil(store, 0, 20, wrong)
    assert verify(store, mark).violations == verify_store(store) != ()


def test_only_what_is_new_is_looked_at(store: DomainStore) -> None:
    """The offsets since the mark, none where nothing came, and all of them where there is no mark."""
    for _ in range(5):
        kit.append(store, SPAN)
    first = verify(store)
    assert first.recounted == 5 * SPAN
    assert verify(store, first.mark).recounted == 0
    kit.append(store, SPAN)
    again = verify(store, first.mark)
    assert again.recounted == SPAN
    assert again.mark == marked(store)


def test_files_below_the_mark_are_not_opened(store: DomainStore) -> None:
    """Other content of the same size goes unseen there, and is seen by a full recount: so it was not read."""
    for _ in range(5):
        kit.append(store, SPAN)
    mark = marked(store)
    old = kit.files_under(store.data_folder / "main" / kit.STREAM) | kit.files_under(
        store.data_folder / "main" / "dead_letters"
    )
    kit.append(store, SPAN)
    for path in old:
        path.write_bytes(b"\0" * path.stat().st_size)
    found = verify(store, mark)
    assert (found.violations, found.recounted) == ((), SPAN)
    assert [v.invariant for v in verify_store(store)] == ["readable"]


def test_a_file_behind_the_mark_that_cannot_be_read_is_named_by_the_full_recount(store: DomainStore) -> None:
    """Its stream is unreadable, and it is no error of the verification."""
    kit.append(store, SPAN)
    mark = marked(store)
    old = kit.files_under(store.data_folder / "main" / kit.STREAM)
    kit.append(store, SPAN)
    (path,) = kit.files_under(store.data_folder / "main" / kit.STREAM) - old
    path.write_bytes(b"\0" * path.stat().st_size)
    found = verify(store, mark)
    assert [v.invariant for v in found.violations] == ["readable"]
    assert found.mark is None


def test_corrections_are_looked_at_where_they_touch(store: DomainStore) -> None:
    """A retry moves one entry's dead letter; retention removes verified rows: no alarm."""
    history = History(store)
    for _ in range(5):
        history.ingest()
    mark = marked(store)
    history.retry()
    found = verify(store, mark)
    assert (found.violations, found.recounted) == ((), SPAN)
    assert found.mark is not None
    history.retain()
    after = verify(store, found.mark)
    # Its making old changed the first entry in the ledger itself: that is no correction, and all is recounted.
    assert (after.violations, after.recounted) == ((), 5 * SPAN)


def test_a_retention_between_two_verifications_is_no_alarm(store: DomainStore) -> None:
    """Of the old entries only those that it emptied are looked at."""
    history = History(store)
    for _ in range(5):
        history.ingest()
    store.connection.execute(
        f"UPDATE {LEDGER} SET committed_at = committed_at - to_days(30) WHERE to_offset <= {SPAN}"  # noqa: S608
    )
    mark = marked(store)
    maintain(store, MaintenancePolicy(retention={kit.STREAM: dt.timedelta(days=10)}))
    history.ingest()
    assert len([e for e in read_ledger(store) if e.removed_count]) == 1
    found = verify(store, mark)
    assert (found.violations, found.recounted) == ((), 2 * SPAN)
    assert verify(store, found.mark).recounted == 0


def test_a_wrong_correction_is_found(store: DomainStore) -> None:
    """A letter that became a row and is still a letter, or whose row is not there."""
    history = History(store)
    for _ in range(3):
        history.ingest()
    mark = marked(store)
    history.retry()
    store.connection.execute(f"DELETE FROM {EVENTS} WHERE _offset = 7")  # noqa: S608
    found = verify(store, mark)
    assert [(v.invariant, v.offset) for v in found.violations] == [("completeness", 7)]


def test_merging_is_no_alarm_and_costs_nothing(store: DomainStore) -> None:
    """Files that were merged, rewritten and flushed hold the same rows."""
    history = History(store)
    for _ in range(4):
        history.ingest()
    mark = marked(store)
    history.merge()
    assert verify(store, mark) == Verified(violations=(), mark=mark, recounted=0)


def lie(mark: StreamMark, **changes: int) -> StreamMark:
    """Return a mark that says something else of partition 0."""
    own = replace(mark.partitions[0, 0], **changes)
    return replace(mark, partitions={**mark.partitions, (0, 0): own})


@pytest.mark.parametrize(
    "changes",
    [
        {"next": 80},
        {"next": 55},
        {"start": 20},
        {"entries": 2},
        {"digest": 1},
        {"rows": 1},
        {"dead_letters": 0},
        {"skipped": 0},
        {"lost": 5},
        {"removed": 5},
        {"content_hash": 5},
        {"corrections": 1},
    ],
)
def test_a_mark_that_does_not_fit_the_store_is_ignored(store: DomainStore, changes: dict[str, int]) -> None:
    """Whatever it says, what is wrong below it is found, since everything is recounted."""
    for _ in range(3):
        kit.append(store, SPAN)
    mark = lie(marked(store), **changes)
    fresh = verify(store, mark)
    assert fresh.violations == ()
    if "corrections" not in changes:
        assert fresh.recounted == 3 * SPAN
    store.connection.execute(f"DELETE FROM {EVENTS} WHERE _offset = 3")  # noqa: S608
    assert [v.offset for v in verify(store, mark).violations] == [3]


def test_marks_of_another_topic_or_partition_are_ignored(store: DomainStore) -> None:
    """A recreated topic, another epoch, another table, a partition that the store does not know."""
    for _ in range(3):
        kit.append(store, SPAN)
    mark = marked(store)
    for other in (
        replace(mark, identity=replace(mark.identity, topic_id="another")),
        replace(mark, epoch=1),
        replace(mark, tables=("another",)),
        replace(mark, partitions={**mark.partitions, (0, 5): mark.partitions[0, 0]}),
    ):
        assert verify(store, other).recounted == 3 * SPAN


def test_a_restored_store_is_recounted(store: DomainStore, folder: Path, tmp_path: Path) -> None:
    """A mark newer than a restored catalogue fits it in nothing, also when the same offsets are stored anew."""
    kit.append(store, SPAN)
    backup = tmp_path / "backup" / kit.DOMAIN
    with kit.open_store(folder, read_only=True):
        shutil.copytree(folder, backup)
    kit.append(store, SPAN)
    mark = marked(store)
    with kit.open_store(backup) as restored:
        assert verify(restored, mark).recounted == SPAN
        kit.append(restored, SPAN)
        assert verify(restored, mark).recounted == 2 * SPAN


def test_marks_are_read_as_they_were_written(store: DomainStore, folder: Path) -> None:
    """And a file that is missing, damaged, cut off or of another layout says nothing."""
    kit.append(store, SPAN)
    mark = marked(store).with_broker(0, {0: SPAN, 9: 3})
    assert load_marks(folder) == {}
    save_marks(folder, {kit.STREAM: mark})
    assert load_marks(folder) == {kit.STREAM: mark}
    assert mark.compared(0) == {0: SPAN}
    path = folder / MARKS_FILE
    whole = path.read_text()
    for text in (
        "",
        "{}",
        "[]",
        "null",
        whole[:-9],
        whole.replace(": 20", ": 40"),
        whole.replace('"layout": 1', '"layout": 2'),
    ):
        path.write_text(text)
        assert load_marks(folder) == {}
    assert sorted(p.name for p in folder.glob(f"{MARKS_FILE}*")) == [MARKS_FILE]


def test_marks_where_nothing_can_be_written_are_left_out(tmp_path: Path) -> None:
    """Verification goes on without them."""
    save_marks(tmp_path / "missing", {})
    assert load_marks(tmp_path / "missing") == {}


def test_a_store_is_verified_from_mark_to_mark_while_a_writer_goes_on(store: DomainStore) -> None:
    """Each verification sees one snapshot, and each mark is of that snapshot; nothing is recounted twice."""
    stop = threading.Event()

    def write() -> None:
        with kit.open_store(store.folder) as writer:
            while not stop.is_set():
                kit.append(writer, 15)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with kit.open_store(store.folder, read_only=True) as reader:
            mark, looked = None, 0
            for _ in range(10):
                found = verify(reader, mark)
                assert found.violations == ()
                assert found.mark is not None
                mark, looked = found.mark, looked + found.recounted
    finally:
        stop.set()
        thread.join()
    assert mark.partitions[0, 0].next == looked
