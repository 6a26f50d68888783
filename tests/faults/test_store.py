"""Rows of the fault matrix that concern the commit alone, on the real store: 1, 3, 4, 5, 23, 36, 37, 38, 39, 40.

Row 4 (unknown outcome) stands in `tests/store/test_commit.py`, row 39 (an old catalog restored) in
`tests/store/test_maintain.py`, row 38 (a flipped bit) in `tests/store/test_verify.py`.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import resource
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

import pytest

from mesh_defs.model.errors import FencedError, StoreError, StoreLockedError
from mesh_defs.model.records import Commit
from mesh_defs.store import DomainStore, MaintenancePolicy, lane, maintain, verify_store
from tests.store import kit

STEPS = range(1, 9)
ROUNDS = 5
NOTHING = dt.timedelta(0)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a domain folder in which the stream is begun."""
    folder = tmp_path_factory.mktemp("template") / kit.DOMAIN
    with kit.open_store(folder) as opened:
        kit.begin(opened)
    return folder


@pytest.fixture
def folder(begun: Path, tmp_path: Path) -> Path:
    """Return a domain folder of the test's own, in which the stream is begun."""
    return Path(shutil.copytree(begun, tmp_path / kit.DOMAIN))


@pytest.fixture
def store(folder: Path) -> Iterator[DomainStore]:
    """Return an open store in which the stream is begun."""
    with kit.open_store(folder) as opened:
        yield opened


def next_offset(store: DomainStore) -> int:
    """Return how far partition 0 is."""
    known = store.offsets().partition(kit.STREAM, 0)
    assert known is not None
    return known.next_offset


def check(folder: Path, *, at_least: int) -> int:
    """Reopen the store, check every invariant and that it did not go backwards; return how far it is."""
    with kit.open_store(folder, read_only=True) as store:
        assert verify_store(store) == ()
        reached = next_offset(store)
        assert kit.stored_offsets(store) == [(0, o) for o in range(reached) if kit.is_row(o)]
    assert reached >= at_least
    return reached


def die_at(folder: Path, step: int, after: int) -> None:
    """Commit, and be killed just before a step of the commit after so many whole ones."""
    with kit.open_store(folder) as store:
        for _ in range(after):
            kit.append(store, 15)
        kit.append(store, 15, on_step=lambda n: kit.die() if n == step else None)


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("step", STEPS)
def test_sigkill_at_each_step_of_the_commit(folder: Path, step: int) -> None:
    """Row 1: killed before a step, again and again, nothing is lost, doubled or torn; files are at most orphans."""
    reached = 0
    for number in range(ROUNDS):
        after = number % 2
        assert kit.finished(kit.spawn(die_at, folder, step, after)) == -signal.SIGKILL
        landed = check(folder, at_least=reached)
        assert landed == reached + 15 * (after + (step == 8))
        reached = landed
    with kit.open_store(folder) as store:
        kit.append(store, 15)
        maintain(store, MaintenancePolicy(orphan_age=NOTHING, merge_files=100))
        live = {path.stem for path in kit.files_under(folder)}
        assert len(live) == 2 * (reached + 15) // 15
    check(folder, at_least=reached + 15)


def commit_on(folder: Path, pipe: Connection, *, house: bool) -> None:
    """Commit without end, with maintenance between; tell each offset reached."""
    policy = MaintenancePolicy(keep=NOTHING, grace=NOTHING, flush_rows=1, merge_files=2)
    with kit.open_store(folder) as store:
        while True:
            kit.append(store, 15)
            pipe.send(next_offset(store))
            if house:
                maintain(store, policy)


def kill_at_random(folder: Path, rounds: int, *, house: bool) -> None:
    """Kill a committing process at random instants, and check after each."""
    chance = random.Random(20131231)
    reached = 0
    for _ in range(rounds):
        ours, theirs = kit.processes().Pipe(duplex=False)
        process = kit.spawn(run_commits, folder, theirs, house)
        theirs.close()
        told = [ours.recv() for _ in range(chance.randint(1, 3))]
        threading.Event().wait(chance.random() * 0.1)
        process.kill()
        assert kit.finished(process) == -signal.SIGKILL
        while ours.poll():
            try:
                told.append(ours.recv())
            except EOFError:
                break
        reached = check(folder, at_least=max(reached, told[-1]))


def run_commits(folder: Path, pipe: Connection, house: bool) -> None:  # noqa: FBT001
    """Run `commit_on` in a process of its own."""
    commit_on(folder, pipe, house=house)


@pytest.mark.fault(3, 40)
@pytest.mark.parametrize("house", [False, True], ids=["commits", "commits and maintenance"])
def test_sigkill_at_random_instants(folder: Path, *, house: bool) -> None:
    """Rows 3 and 40: whatever instant the kill hits, what was told is stored, and no reader sees half of it."""
    kill_at_random(folder, 3, house=house)


@pytest.mark.fault(3, 40)
@pytest.mark.slow
@pytest.mark.parametrize("house", [False, True], ids=["commits", "commits and maintenance"])
def test_sigkill_at_many_random_instants(folder: Path, *, house: bool) -> None:
    """The same, many times."""
    kill_at_random(folder, 60, house=house)


def create_and_die(folder: Path, delay: float) -> None:
    """Create a store, and be killed meanwhile."""
    timer = threading.Timer(delay, kit.die)
    timer.start()
    with kit.open_store(folder):
        timer.cancel()


def test_sigkill_while_a_store_is_created(tmp_path: Path) -> None:
    """A creation that was killed leaves no store or a whole one; the next opening completes it."""
    folder = tmp_path / kit.DOMAIN
    for delay in (0.5, 0.7, 0.9, 1.1):
        kit.finished(kit.spawn(create_and_die, folder, delay))
        if DomainStore.exists(folder):
            with kit.open_store(folder, read_only=True) as store:
                assert store.tables() == ("dead_letters", "ledger", "offsets")
    with kit.open_store(folder) as store:
        kit.begin(store)
        kit.append(store, 20)
        assert verify_store(store) == ()


def race(folder: Path, barrier: threading.Barrier, pipe: Connection, partition: int) -> None:
    """Commit to a partition against another process, going back to the stored offsets where fenced."""
    fenced = 0
    with kit.open_store(folder) as store:
        known = store.offsets().partition(kit.STREAM, partition)
        assert known is not None
        advance, files = kit.span(store, known.next_offset, known.next_offset + 15, partition=partition)
        barrier.wait(60)
        try:
            store.commit(Commit(writer=str(os.getpid()), advances=[advance], files=files))
        except FencedError:
            fenced += 1
        for _ in range(6):
            try:
                kit.append(store, 15, partition=partition)
            except FencedError:
                fenced += 1
    pipe.send(fenced)


@pytest.mark.fault(6)
@pytest.mark.parametrize("partitions", [(0, 0), (0, 1)], ids=["same partition", "different partitions"])
def test_two_workers_at_once(store: DomainStore, partitions: tuple[int, int]) -> None:
    """Row 6: on one partition one wins and the other is fenced, never both; on different ones none is fenced."""
    store.commit(Commit(writer="kit", starts=[kit.start_of(1)]))
    barrier = kit.processes().Barrier(2)
    pipes = [kit.processes().Pipe() for _ in partitions]
    workers = [
        kit.spawn(race, store.folder, barrier, pipe[1], partition)
        for pipe, partition in zip(pipes, partitions, strict=True)
    ]
    fenced = [pipe[0].recv() for pipe in pipes]
    assert [kit.finished(worker) for worker in workers] == [0, 0]
    if partitions == (0, 0):
        assert sum(fenced) >= 1
        assert next_offset(store) == 15 * (14 - sum(fenced))
    else:
        assert fenced == [0, 0]
        assert {o.next_offset for o in store.offsets().streams[kit.STREAM].partitions.values()} == {105}
    assert verify_store(store) == ()


def be_a_zombie(folder: Path, pipe: Connection) -> None:
    """Stage a batch, stop before taking the lane, and try to commit it when woken."""

    def stop(step: int) -> None:
        if step == 2:
            pipe.send("stopping")
            kit.die(signal.SIGSTOP)

    with kit.open_store(folder) as store:
        try:
            kit.append(store, 15, on_step=stop)
        except FencedError as error:
            pipe.send(str(error))


@pytest.mark.fault(5)
def test_a_zombie_is_fenced_when_it_wakes(store: DomainStore) -> None:
    """Row 5: stopped with its batch in hand, succeeded meanwhile, a worker's commit is refused and changes nothing."""
    ours, theirs = kit.processes().Pipe()
    zombie = kit.spawn(be_a_zombie, store.folder, theirs)
    assert ours.recv() == "stopping"
    kit.append(store, 40)
    assert zombie.pid is not None
    os.kill(zombie.pid, signal.SIGCONT)
    assert "begins at 0, the store is at 40" in ours.recv()
    assert kit.finished(zombie) == 0
    assert next_offset(store) == 40
    assert verify_store(store) == ()


def stop_in_the_lane(folder: Path, pipe: Connection) -> None:
    """Stop in the middle of a commit, with the lane held and the transaction open; go on when woken."""

    def stop(step: int) -> None:
        if step == 5:
            pipe.send("stopping")
            kit.die(signal.SIGSTOP)

    with kit.open_store(folder) as store:
        kit.append(store, 15, on_step=stop)


@pytest.mark.fault(5)
def test_a_writer_stopped_in_the_lane_is_named(folder: Path) -> None:
    """Row 5: others wait, then say who holds the lane; readers go on; woken, the writer completes its commit."""
    ours, theirs = kit.processes().Pipe()
    stopped = kit.spawn(stop_in_the_lane, folder, theirs)
    assert ours.recv() == "stopping"
    with (
        kit.open_store(folder, lock_timeout=0.2) as store,
        pytest.raises(StoreLockedError, match=f"by process {stopped.pid} "),
    ):
        kit.append(store, 15)
    assert check(folder, at_least=0) == 0
    assert stopped.pid is not None
    os.kill(stopped.pid, signal.SIGCONT)
    assert kit.finished(stopped) == 0
    assert check(folder, at_least=15) == 15


def with_small_disk(folder: Path, pipe: Connection, what: Callable[[DomainStore, Connection], None]) -> None:
    """Run a scenario in a process that may be given a file-size limit."""
    with kit.open_store(folder) as store:
        what(store, pipe)


def limit(size: int) -> None:
    """Let no file of this process grow beyond `size` bytes: writes fail as on a full disk, unprivileged."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fill_while_staging(store: DomainStore, pipe: Connection) -> None:
    """Hit the limit while rows and while dead letters are written."""
    before = kit.files_under(store.folder)
    limit(3_000)
    try:
        kit.append(store, 20_000)
    except StoreError as error:
        pipe.send(str(error))
    pipe.send(kit.files_under(store.folder) == before)
    limit(resource.RLIM_INFINITY)
    kit.append(store, 20)
    pipe.send(next_offset(store))


def fill_in_the_log(store: DomainStore, pipe: Connection) -> None:
    """Let the catalog's write-ahead log hit the limit."""
    fill_while_committing(store, pipe, 40_000)


def fill_at_once(store: DomainStore, pipe: Connection) -> None:
    """Let everything hit the limit, so that the catalog cannot even be read again."""
    fill_while_committing(store, pipe, 4_096)


def fill_while_committing(store: DomainStore, pipe: Connection, size: int) -> None:
    """Hit the limit inside the catalog's transaction, then commit the same files with room again."""
    advance, files = kit.span(store, 0, 20)
    commit = Commit(writer="kit", advances=[advance], files=files)
    limit(size)
    try:
        store.commit(commit)
    except StoreError as error:
        pipe.send(str(error))
    limit(resource.RLIM_INFINITY)
    pipe.send(next_offset(store))
    pipe.send(all(file.path.exists() for file in files))
    store.commit(commit)
    pipe.send(next_offset(store))


@pytest.mark.fault(37)
@pytest.mark.parametrize(
    ("scenario", "text", "answers"),
    [
        (fill_while_staging, "the disk is full", [True, 20]),
        (fill_in_the_log, "full", [0, True, 20]),
        (fill_at_once, "cannot tell whether it was stored", [0, True, 20]),
    ],
)
def test_disk_full(
    folder: Path, scenario: Callable[[DomainStore, Connection], None], text: str, answers: list[object]
) -> None:
    """Row 37: a disk that fills up is an error that says so; nothing is registered, and room mends it."""
    ours, theirs = kit.processes().Pipe()
    process = kit.spawn(with_small_disk, folder, theirs, scenario)
    assert text in ours.recv()
    assert [ours.recv() for _ in answers] == answers
    assert kit.finished(process) == 0
    assert check(folder, at_least=20) == 20


@pytest.mark.fault(23)
def test_dead_letters_that_cannot_be_written_keep_the_rows_back(store: DomainStore) -> None:
    """Row 23: rows and dead letters are one commit; a torn file of dead letters stores nothing of the batch."""
    advance, files = kit.span(store, 0, 20)
    (letters,) = [f for f in files if f.table == "dead_letters"]
    letters.path.write_bytes(letters.path.read_bytes()[:-10])
    with pytest.raises(StoreError, match="cannot commit to operations"):
        store.commit(Commit(writer="kit", advances=[advance], files=files))
    assert next_offset(store) == 0
    assert kit.stored_offsets(store) == []
    kit.append(store, 20)
    assert verify_store(store, deep=True) == ()


@pytest.mark.fault(36)
def test_a_clock_that_steps_back_orders_nothing(store: DomainStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row 36: commits made under an earlier wall clock follow by offset, and maintenance keeps them."""
    kit.append(store, 20)

    def an_hour_ago(zone: dt.tzinfo) -> dt.datetime:
        return dt.datetime.now(zone) - dt.timedelta(hours=1)

    clock = SimpleNamespace(datetime=SimpleNamespace(now=an_hour_ago), UTC=dt.UTC)
    monkeypatch.setattr(lane, "dt", clock)
    kit.append(store, 20)
    monkeypatch.undo()
    maintain(store, MaintenancePolicy(flush_rows=1, merge_files=2))
    assert next_offset(store) == 40
    assert verify_store(store) == ()
