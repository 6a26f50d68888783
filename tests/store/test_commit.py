"""The commit: whole or not at all, fenced by partition."""

from __future__ import annotations

import dataclasses
import datetime as dt
import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mesh_defs.model.errors import FencedError, StoreError
from mesh_defs.model.records import Commit, Gap, PartitionAdvance, TopicIdentity
from mesh_defs.store import DomainStore, read_ledger, verify_store
from tests.store import kit


def test_rows_dead_letters_ledger_and_offsets_arrive_together(store: DomainStore) -> None:
    """One snapshot holds the rows, the dead letters, the ledger entry and the next offset."""
    before = store.snapshot()
    committed = kit.append(store, 25)
    assert committed.snapshot == before + 1 == store.snapshot()
    assert kit.stored_offsets(store) == [(0, o) for o in range(25) if kit.is_row(o)]
    assert kit.stored_offsets(store, "dead_letters") == [(0, 7), (0, 17)]
    known = store.offsets()
    assert known.batch == committed.batch
    partition = known.streams[kit.STREAM].partitions[0]
    assert (partition.start_offset, partition.next_offset, partition.leader_epoch) == (0, 25, 3)
    assert (partition.rows, partition.dead_letters, partition.skipped, partition.lost) == (21, 2, 2, 0)
    assert known.streams[kit.STREAM].recent == bytes(kit.is_dead(o) for o in range(25) if not kit.is_gap(o))
    (entry,) = read_ledger(store, kit.STREAM)
    assert (entry.from_offset, entry.to_offset, entry.row_count, entry.dead_letter_count) == (0, 25, 21, 2)
    assert entry.gaps == tuple(Gap(kind="skipped", from_offset=o, to_offset=o + 1) for o in (9, 19))
    assert entry.content_hash == partition.content_hash
    assert entry.committed_at == partition.last_commit_at
    assert entry.committed_at.utcoffset() == dt.timedelta(0)
    assert verify_store(store, deep=True) == ()


def test_steps_are_announced_in_order(store: DomainStore) -> None:
    """Each numbered step is heard once, just before it happens."""
    steps: list[int] = []
    kit.append(store, 5, on_step=steps.append)
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.fault(7)
def test_a_stale_batch_is_fenced_with_both_numbers(store: DomainStore) -> None:
    """A batch that begins where the store no longer is stores nothing, and says where both are."""
    stale = kit.span(store, 0, 10)
    kit.append(store, 20)
    before = store.snapshot()
    with pytest.raises(FencedError, match=r"begins at 0, the store is at 20"):
        store.commit(Commit(writer="late", advances=[stale[0]], files=stale[1]))
    assert store.snapshot() == before
    assert verify_store(store) == ()
    assert all(file.path.exists() for file in stale[1])


def test_only_own_partitions_are_compared(store: DomainStore) -> None:
    """Another worker's progress on another partition does not fence this one."""
    store.commit(Commit(writer="kit", starts=[kit.start_of(1)]))
    mine = kit.span(store, 0, 10, partition=1)
    kit.append(store, 30)
    store.commit(Commit(writer="other", advances=[mine[0]], files=mine[1]))
    partitions = store.offsets().streams[kit.STREAM].partitions
    assert {p: o.next_offset for p, o in partitions.items()} == {0: 30, 1: 10}
    assert verify_store(store) == ()


def test_an_identical_start_is_no_fence(store: DomainStore) -> None:
    """Two workers may find the same new partition, if they agree where it begins."""
    kit.append(store, 10)
    store.commit(Commit(writer="other", starts=[kit.start_of(0)]))
    assert store.offsets().streams[kit.STREAM].partitions[0].next_offset == 10
    with pytest.raises(FencedError, match="starts at 5, the store has it started at 0"):
        store.commit(Commit(writer="other", starts=[kit.start_of(0, offset=5)]))
    other = dataclasses.replace(kit.start_of(1), identity=TopicIdentity(cluster_id="c", topic_id="new"))
    with pytest.raises(FencedError, match="from topic new, the store knows topic"):
        store.commit(Commit(writer="other", starts=[other]))


def test_starts_and_their_advances_come_in_one_commit(store: DomainStore) -> None:
    """A partition may be started and moved at once."""
    advance, files = kit.span(store, 100, 120, partition=4)
    commit = Commit(writer="kit", starts=[kit.start_of(4, offset=100)], advances=[advance], files=files)
    store.commit(commit)
    known = store.offsets().partition(kit.STREAM, 4)
    assert known is not None
    assert (known.start_offset, known.next_offset) == (100, 120)
    assert verify_store(store) == ()


def test_a_commit_may_hold_gaps_only(store: DomainStore) -> None:
    """Offsets that hold no records are accounted for without any file."""
    gaps = (Gap(kind="lost", from_offset=0, to_offset=7), Gap(kind="skipped", from_offset=7, to_offset=9))
    advance = PartitionAdvance(
        stream=kit.STREAM,
        epoch=0,
        partition=0,
        from_offset=0,
        to_offset=9,
        row_count=0,
        dead_letter_count=0,
        gaps=gaps,
        content_hash=0,
        contract_version="1.0.0",
    )
    store.commit(Commit(writer="kit", advances=[advance]))
    known = store.offsets().partition(kit.STREAM, 0)
    assert known is not None
    assert (known.next_offset, known.lost, known.skipped) == (9, 7, 2)
    assert verify_store(store) == ()


def test_a_later_epoch_closes_the_one_before(store: DomainStore) -> None:
    """A new epoch begins afresh; the earlier one stays verifiable, and writes to it are fenced."""
    kit.append(store, 20)
    stale = kit.span(store, 20, 30)
    advance, files = kit.span(store, 0, 10, epoch=1)
    start = dataclasses.replace(
        kit.start_of(0, epoch=1), identity=TopicIdentity(cluster_id="c", topic_id="new")
    )
    store.commit(Commit(writer="kit", starts=[start], advances=[advance], files=files))
    known = store.offsets().streams[kit.STREAM]
    assert (known.epoch, known.identity.topic_id, known.partitions[0].next_offset) == (1, "new", 10)
    assert known.earlier[0].partitions == {0: (0, 20)}
    assert verify_store(store) == ()
    with pytest.raises(FencedError, match="of epoch 0, the store is in epoch 1"):
        store.commit(Commit(writer="kit", advances=[stale[0]], files=stale[1]))


def test_a_later_epoch_that_was_decided_before_a_commit_is_fenced(store: DomainStore) -> None:
    """Else what was committed meanwhile would be read a second time, in the new epoch."""
    kit.append(store, 20)

    def later(follows: int) -> Commit:
        start = dataclasses.replace(kit.start_of(0, epoch=1), offset=15, follows=follows)
        return Commit(writer="kit", starts=[start])

    kit.append(store, 10)
    with pytest.raises(FencedError, match="stood at 20, the store is at 30"):
        store.commit(later(20))
    with pytest.raises(FencedError, match="stood at -1, the store is at 30"):
        store.commit(later(-1))
    store.commit(later(30))
    known = store.offsets().streams[kit.STREAM]
    assert (known.epoch, known.partitions[0].next_offset) == (1, 15)
    assert known.earlier[0].partitions == {0: (0, 30)}


def test_the_outcome_window_is_bounded(store: DomainStore) -> None:
    """The window keeps the last 1,000 outcomes of the stream."""
    kit.append(store, 900)
    kit.append(store, 900)
    recent = store.offsets().streams[kit.STREAM].recent
    assert recent == bytes(kit.is_dead(o) for o in range(1800) if not kit.is_gap(o))[-1000:]


def test_content_hashes_add_up_modulo_2_64(store: DomainStore) -> None:
    """The running hash wraps, as the ledger's 64 bits do."""
    for number in range(3):
        advance, files = kit.span(store, number * 10, number * 10 + 10)
        advance = dataclasses.replace(advance, content_hash=2**64 - 1)
        store.commit(Commit(writer="kit", advances=[advance], files=files))
    known = store.offsets().partition(kit.STREAM, 0)
    assert known is not None
    assert known.content_hash == 2**64 - 3
    assert verify_store(store) == ()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"row_count": 3}, "accounts for"),
        ({"to_offset": 0}, "is no range"),
        ({"gaps": (Gap(kind="skipped", from_offset=9, to_offset=11),)}, "out of order or range"),
    ],
)
def test_a_commit_that_does_not_add_up_is_refused(
    store: DomainStore, change: dict[str, object], text: str
) -> None:
    """What would break an invariant never reaches the catalog."""
    advance, files = kit.span(store, 0, 10)
    with pytest.raises(StoreError, match=text):
        store.commit(Commit(writer="kit", advances=[dataclasses.replace(advance, **change)], files=files))
    assert store.offsets().streams[kit.STREAM].partitions[0].next_offset == 0


def test_a_file_that_was_not_accounted_for_is_refused(store: DomainStore) -> None:
    """Files and ledger entries must speak of the same number of records, and files lie in their folder."""
    advance, files = kit.span(store, 0, 10)
    with pytest.raises(StoreError, match=r"its files hold 16 rows"):
        store.commit(Commit(writer="kit", advances=[advance], files=(*files, *kit.span(store, 0, 10)[1])))
    elsewhere = files[0].path.rename(store.folder / files[0].path.name)
    moved = dataclasses.replace(files[0], path=elsewhere)
    with pytest.raises(StoreError, match="outside its table's folder"):
        store.commit(Commit(writer="kit", advances=[advance], files=(moved, *files[1:])))
    with pytest.raises(StoreError, match="moves no partition"):
        store.commit(Commit(writer="kit"))


def test_many_partitions_stay_inside_the_catalog(store: DomainStore) -> None:
    """A commit of 1,200 ledger entries writes no file of the ledger, which nobody would fsync."""
    count = 1_200
    starts = [kit.start_of(p) for p in range(1, count)]
    advances = [
        PartitionAdvance(
            stream=kit.STREAM,
            epoch=0,
            partition=partition,
            from_offset=0,
            to_offset=1,
            row_count=0,
            dead_letter_count=0,
            gaps=(Gap(kind="skipped", from_offset=0, to_offset=1),),
            content_hash=0,
            contract_version="1.0.0",
        )
        for partition in range(count)
    ]
    store.commit(Commit(writer="kit", starts=starts, advances=advances))
    assert len(read_ledger(store)) == count
    assert not list((store.data_folder / "main" / "ledger").glob("*.parquet"))
    assert verify_store(store) == ()


def check_a_split(begun: Path, folder: Path, data: st.DataObject) -> None:
    """Store three partitions in commits that Hypothesis draws, and compare with what must be there."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(begun, folder)
    length, partitions = 30, (0, 1, 2)
    with kit.open_store(folder) as store:
        store.commit(Commit(writer="kit", starts=[kit.start_of(p) for p in partitions]))
        cuts = st.lists(st.integers(1, length - 1), max_size=3, unique=True)
        left = {p: [0, *sorted(data.draw(cuts)), length] for p in partitions}
        while behind := [p for p in partitions if len(left[p]) > 1]:
            chosen = data.draw(st.lists(st.sampled_from(behind), min_size=1, unique=True))
            parts = [kit.span(store, left[p].pop(0), left[p][0], partition=p) for p in chosen]
            files = [file for part in parts for file in part[1]]
            store.commit(Commit(writer="kit", advances=[part[0] for part in parts], files=files))
        expected = [(p, o) for p in partitions for o in range(length)]
        assert kit.stored_offsets(store) == [(p, o) for p, o in expected if kit.is_row(o)]
        assert kit.stored_offsets(store, "dead_letters") == [(p, o) for p, o in expected if kit.is_dead(o)]
        assert verify_store(store) == ()


QUICK = settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@settings(QUICK)
@given(data=st.data())
def test_any_split_gives_the_same_table(begun: Path, folder: Path, data: st.DataObject) -> None:
    """However the offsets are cut into commits, and in whatever order partitions move, the table is the same."""
    check_a_split(begun, folder, data)


@pytest.mark.slow
@settings(QUICK, max_examples=60, phases=list(Phase))
@given(data=st.data())
def test_any_of_many_splits_gives_the_same_table(begun: Path, folder: Path, data: st.DataObject) -> None:
    """The same over many more splits."""
    check_a_split(begun, folder, data)


class LostReply:
    """A connection that loses replies of COMMIT, as a network or a failing disk does.

    Args:
        real: The connection that does the work.
        landed: Whether the lost COMMIT was done before its reply went missing.
        text: What the error says.
    """

    def __init__(self, real: duckdb.DuckDBPyConnection, *, landed: bool, text: str) -> None:
        self.real = real
        self.landed = landed
        self.text = text
        self.lost = 0

    def execute(self, query: str, parameters: object = None) -> duckdb.DuckDBPyConnection:
        """Execute; the first COMMIT fails, after or instead of happening."""
        if query == "COMMIT" and not self.lost:
            self.lost += 1
            if self.landed:
                self.real.execute(query)
            raise duckdb.IOException(self.text)
        return self.real.execute(query, parameters)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


@pytest.mark.fault(4)
def test_a_commit_whose_reply_was_lost_is_recognised(store: DomainStore) -> None:
    """An error after COMMIT landed is success: the batch id says so, and nothing is written twice.

    The COMMIT is the real one on the real catalog; only its reply is replaced by the error that a lost
    connection gives, since no local fault strikes reliably between the two.
    """
    store._con = LostReply(store.connection, landed=True, text="connection lost")  # type: ignore[assignment]
    committed = kit.append(store, 20)
    assert store.offsets().batch == committed.batch
    assert committed.snapshot == store.snapshot()
    assert kit.stored_offsets(store) == [(0, o) for o in range(20) if kit.is_row(o)]
    assert verify_store(store) == ()


@pytest.mark.fault(4)
def test_a_busy_catalog_is_tried_again_with_the_same_files(store: DomainStore) -> None:
    """`database is locked` means that nothing landed: the same files go in at the next try, once."""
    lost = LostReply(store.connection, landed=False, text="IO Error: database is locked")
    store._con = lost  # type: ignore[assignment]
    kit.append(store, 20)
    assert lost.lost == 1
    assert kit.stored_offsets(store) == [(0, o) for o in range(20) if kit.is_row(o)]
    assert len(read_ledger(store)) == 1
    assert verify_store(store, deep=True) == ()


def test_another_error_is_reported_and_keeps_the_files(store: DomainStore) -> None:
    """An error that no retry mends is raised once nothing landed; the files are left to the orphan sweep."""
    store._con = LostReply(store.connection, landed=False, text="out of patience")  # type: ignore[assignment]
    before = kit.files_under(store.folder)
    with pytest.raises(StoreError, match="out of patience"):
        kit.append(store, 20)
    assert store.offsets().streams[kit.STREAM].partitions[0].next_offset == 0
    assert len(kit.files_under(store.folder) - before) == 2
    kit.append(store, 20)
    assert verify_store(store) == ()
