"""Locks: exclusive, named, and gone with their holder."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from mesh_defs.model.errors import StoreError, StoreLockedError
from mesh_defs.store import FileLock, WriterLock
from tests.conftest import wait_for
from tests.store import kit


def hold(path: Path, ready: Connection) -> None:
    """Take the lock and keep it until the end of this process."""
    lock = FileLock(path, purpose="holding")
    ready.send(lock.try_acquire())
    ready.recv()


def held_elsewhere(path: Path) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Return a process that holds the lock, and the pipe that lets it go."""
    ours, theirs = kit.processes().Pipe()
    process = kit.spawn(hold, path, theirs)
    assert ours.recv()
    return process, ours


def test_a_lock_excludes_threads_and_objects_of_one_process(tmp_path: Path) -> None:
    """Two lock objects on one file exclude each other, also within a process."""
    first, second = (FileLock(tmp_path / "lock", purpose=p) for p in ("first", "second"))
    assert first.try_acquire()
    assert not second.try_acquire()
    assert not first.try_acquire()
    holder = second.holder()
    assert holder is not None
    assert (holder.pid, holder.purpose) == (os.getpid(), "first")
    first.release()
    assert second.try_acquire()
    assert not first.held
    second.release()
    second.release()


def test_an_unsigned_lock_has_no_holder(tmp_path: Path) -> None:
    """A lock file that says nothing, or nonsense, names nobody."""
    lock = FileLock(tmp_path / "lock", purpose="x")
    assert lock.holder() is None
    lock.path.write_text("[]")
    assert lock.holder() is None


def test_waiting_ends_with_the_name_of_the_holder(tmp_path: Path) -> None:
    """A lane that is held too long is an error that names process and purpose."""
    process, pipe = held_elsewhere(tmp_path / "writer.lock")
    with (
        pytest.raises(StoreLockedError, match=rf"process {process.pid} \(holding\)"),
        WriterLock(tmp_path / "writer.lock", purpose="write", timeout=0.05),
    ):
        pass
    pipe.send(None)
    assert kit.finished(process) == 0


def test_kill_releases_the_lock(tmp_path: Path) -> None:
    """`kill -9` of the holder lets the next one in."""
    process, _ = held_elsewhere(tmp_path / "lock")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    assert kit.finished(process) == -signal.SIGKILL
    lock = WriterLock(tmp_path / "lock", purpose="next")
    with lock:
        assert lock.held
    assert not lock.held


def test_a_started_program_does_not_inherit_the_lock(tmp_path: Path) -> None:
    """A program that the holder started, and that outlives it, does not hold the lock."""
    lock = FileLock(tmp_path / "lock", purpose="parent")
    assert lock.try_acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False
    ) as program:
        lock.release()
        other = FileLock(tmp_path / "lock", purpose="other")
        # The kernel lets go of what exec closes a moment after Popen has returned.
        wait_for(other.try_acquire, "the lock is free")
        other.release()
        program.communicate(b"\n")


@pytest.mark.fault(37)
def test_a_lock_file_that_the_disk_refuses_is_said_in_a_sentence(tmp_path: Path) -> None:
    """Whoever wants the lane hears what it was for, as of any other file of the store."""
    (tmp_path / "writer.lock").mkdir()
    with pytest.raises(StoreError, match=r"^cannot commit to operations: .*Is a directory"):
        WriterLock(tmp_path / "writer.lock", purpose="commit to operations").acquire()


@pytest.mark.fault(44)
def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A forked child that outlives its parent's release does not hold the lock, and does not release it early."""
    path = tmp_path / "lock"
    script = f"""
import os
from pathlib import Path
from mesh_defs.store.lock import FileLock
lock, other = (FileLock(Path({str(path)!r}), purpose=p) for p in "ab")
assert lock.try_acquire()
up, down = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.write(up[1], b"x")
    os.read(down[0], 1)
    os._exit(0)
os.read(up[0], 1)
assert not other.try_acquire()
lock.release()
assert other.try_acquire()
os.write(down[1], b"x")
os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
