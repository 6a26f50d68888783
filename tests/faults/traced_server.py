"""Forks writers that stop themselves before they begin, for a tracer. Run as a script: SCRATCH.

Reads lines ``[writer, folder]``; answers with the run's process id, then with ``[exit code, what it said]``. A run says
it through a socket, since its writes may fail.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mesh_defs.contract.project import Project
from mesh_defs.ingest.retry import retry_dead_letters
from mesh_defs.model.errors import StoreError
from mesh_defs.store import MaintenancePolicy, connect_engine, maintain
from mesh_defs.store.engine import ENGINES
from tests.faults.traced import LANDED, REFUSED
from tests.store import kit

NOTHING: Final = dt.timedelta(0)

BATCH: Final = 20
"""Offsets of a run's commit."""


def create(folder: Path) -> None:
    """Create a store."""
    with kit.open_store(folder):
        pass


def commit(folder: Path) -> None:
    """Open the store, commit one batch, let go of the store."""
    with kit.open_store(folder) as store:
        kit.append(store, BATCH)


def keep_house(folder: Path) -> None:
    """Do a round of every step of maintenance."""
    policy = MaintenancePolicy(keep=NOTHING, grace=NOTHING, orphan_age=NOTHING, flush_rows=1, merge_files=2)
    with kit.open_store(folder) as store:
        maintain(store, policy)


def retain(folder: Path) -> None:
    """Delete the rows that are older than ten days."""
    days = dt.timedelta(days=10)
    policy = MaintenancePolicy(retention={kit.STREAM: days}, flush_rows=1_000, merge_files=1_000)
    with kit.open_store(folder) as store:
        maintain(store, policy)


def retry(root: Path) -> None:
    """Retry the dead letters of a project's stream."""
    project = Project.open(root)
    stream = project.domain("shop").stream("orders")
    assert stream is not None
    retry_dead_letters(project, stream)


WRITERS: Final[dict[str, Callable[[Path], None]]] = {
    writer.__name__: writer for writer in (create, commit, keep_house, retain, retry)
}


def warm_up(folder: Path) -> None:
    """Load what a writer loads at its first work, and leave one idle engine, of a single thread."""
    engine = connect_engine(threads=1)
    ENGINES.give_back(engine, kit.DOMAIN)
    with kit.open_store(folder) as store:
        kit.begin(store)
    commit(folder)
    commit(folder)
    keep_house(folder)


def begin(writer: Callable[[Path], None], folder: Path, ear: socket.socket) -> None:
    """In the fork: wait for the tracer, work, and end without another system call that matters."""
    code, said = LANDED, ""
    os.kill(os.getpid(), signal.SIGSTOP)
    try:
        writer(folder)
    except StoreError as error:
        code, said = REFUSED, str(error)
    except BaseException:  # noqa: BLE001 - the test shows it
        code, said = 1, traceback.format_exc()
    ear.send(said.encode()[-10_000:])
    os._exit(code)


def serve(writer: Callable[[Path], None], folder: Path) -> None:
    """Fork one run, and tell what became of it."""
    mouth, ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    pid = os.fork()
    if pid == 0:
        # The pool of the fork is empty, as in any fork: it is given the parent's engine, which has no threads to miss.
        ENGINES.give_back(ENGINE, kit.DOMAIN)
        begin(writer, folder, ear)
    ear.close()
    os.waitpid(pid, os.WUNTRACED)
    sys.stdout.write(f"{pid}\n")
    sys.stdout.flush()
    _, status = os.waitpid(pid, 0)
    said = mouth.recv(20_000).decode(errors="replace") if os.WIFEXITED(status) else ""
    mouth.close()
    sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), said]) + "\n")
    sys.stdout.flush()


def threads() -> int:
    """Return how many threads this process has; those of allocators begin with the imports, and bear a fork."""
    return len(list(Path("/proc/self/task").iterdir()))


if __name__ == "__main__":
    BEFORE = threads()
    warm_up(Path(sys.argv[1]) / "warm" / kit.DOMAIN)
    ENGINE = ENGINES.take()
    assert threads() == BEFORE, "a fork would miss the threads of the engine"
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, place = json.loads(line)
        serve(WRITERS[name], Path(place))
