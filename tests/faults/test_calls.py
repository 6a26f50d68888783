"""System calls that fail or kill, the 1st, the 2nd, ... the last of a kind: afterwards every invariant holds.

Row 3 for kills, row 37 for errors. What is asserted after each run: a writer that says it landed has landed, one that
says nothing was stored has stored nothing, and where it cannot tell, it is all or nothing; no file that the catalog
names is missing; a new batch lands, and so does the same writer without a fault.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import pytest

from mesh_defs.contract.project import Project
from mesh_defs.store import DomainStore, verify_store
from tests.conftest import KafkaServer
from tests.faults.traced import LANDED, REFUSED, Run, Server, need_strace
from tests.faults.traced_server import BATCH
from tests.meshes import ORDERS, MeshFolder
from tests.store import kit

WRITES: Final = ("write", "pwrite64")
CHANGES: Final = (*WRITES, "fsync", "ftruncate", "openat", "unlink", "mkdir")
"""Every call by which the commit path changes a file or a folder."""

FAULTS: Final = tuple(f"error={name}:when={{}}{rest}" for name in ("ENOSPC", "EIO") for rest in ("", "+"))
"""Once and from then on."""

KILL: Final = "signal=KILL:when={}"

ABORTED: Final = (-signal.SIGABRT,)
"""DuckDB aborts where not even a file below /proc can be opened; to the store that is a kill."""

LOOSE: Final = ({**ORDERS[0], "required": False}, ORDERS[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A server of runs, and a store that each of them begins with.

    Attributes:
        server: The server.
        template: A domain's folder.
        place: Where each run finds a copy of it.
    """

    server: Server
    template: Path
    place: Path

    def run(self, writer: str, call: str, fault: str) -> Run:
        """Let a writer work on a fresh copy under a fault."""
        if self.place.exists():
            shutil.rmtree(self.place)
        shutil.copytree(self.template, self.place)
        return self.server.run(writer, self.place, call, fault)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return the process that runs are forked from."""
    need_strace()
    with Server(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture
def bench(server: Server, tmp_path: Path) -> Bench:
    """Return a store with two commits, and room for its copies."""
    template = tmp_path / "template" / kit.DOMAIN
    with kit.open_store(template) as store:
        kit.begin(store)
        kit.append(store, BATCH)
        kit.append(store, BATCH)
    return Bench(server=server, template=template, place=tmp_path / "run" / kit.DOMAIN)


def next_offset(store: DomainStore) -> int:
    """Return how far the store is."""
    known = store.offsets().partition(kit.STREAM, 0)
    assert known is not None
    return known.next_offset


def whole(folder: Path, run: Run, rows: Mapping[str, int]) -> None:
    """Assert every invariant, that the words were true, and that the store takes a batch more.

    Args:
        folder: The store.
        run: What became of the writer.
        rows: How many offsets the store accounted for before, and after the writer's work.
    """
    with kit.open_store(folder) as store:
        assert verify_store(store, deep=True) == (), run
        reached = next_offset(store)
        assert reached in rows.values(), run
        if run.code == LANDED:
            assert reached == rows["after"], run
        elif "nothing of this was stored" in run.said:
            assert reached == rows["before"], run
        kit.append(store, BATCH)
        assert verify_store(store) == (), run
        assert next_offset(store) == reached + BATCH


def counted_out(
    bench: Bench, writer: str, call: str, fault: str, *, step: int, rows: Mapping[str, int]
) -> int:
    """Fail each `step`-th call of a kind until there is none left; return how often it failed."""
    for number in count():
        run = bench.run(writer, call, fault.format(1 + number * step))
        if "signal=KILL" in fault:
            assert run.code == (-signal.SIGKILL if run.injected else LANDED), run
        else:
            assert run.code in {LANDED, REFUSED, *(ABORTED if call == "openat" else ())}, run.said
        whole(bench.place, run, rows)
        if not run.injected:
            assert run.code == LANDED
            return number
    raise AssertionError


COMMIT: Final = {"before": 2 * BATCH, "after": 3 * BATCH}
HOUSE: Final = {"before": 2 * BATCH, "after": 2 * BATCH}


@pytest.mark.fault(37)
@pytest.mark.parametrize(("call", "step"), [("write", 37), ("fsync", 3), ("openat", 7), ("ftruncate", 3)])
@pytest.mark.parametrize("fault", FAULTS)
def test_some_calls_of_a_commit_fail(bench: Bench, call: str, step: int, fault: str) -> None:
    """Once or for good: a sentence or a whole commit, and afterwards everything holds."""
    assert counted_out(bench, "commit", call, fault, step=step, rows=COMMIT) >= 1


@pytest.mark.fault(3)
@pytest.mark.parametrize(("call", "step"), [("write", 37), ("fsync", 2), ("openat", 7), ("unlink", 2)])
def test_some_calls_of_a_commit_kill(bench: Bench, call: str, step: int) -> None:
    """All of the batch or nothing, wherever the kill strikes."""
    assert counted_out(bench, "commit", call, KILL, step=step, rows=COMMIT) >= 1


@pytest.mark.slow
@pytest.mark.fault(37)
@pytest.mark.parametrize("call", CHANGES)
@pytest.mark.parametrize("fault", FAULTS)
def test_each_call_of_a_commit_fails(bench: Bench, call: str, fault: str) -> None:
    """The first, the second and so on to the last of a kind."""
    counted_out(bench, "commit", call, fault, step=1, rows=COMMIT)


@pytest.mark.slow
@pytest.mark.fault(3)
@pytest.mark.parametrize("call", [*CHANGES, "mmap", "fcntl", "close"])
def test_each_call_of_a_commit_kills(bench: Bench, call: str) -> None:
    """Killed before each call by which a commit changes or locks a file, from the opening to the closing."""
    counted_out(bench, "commit", call, KILL, step=1, rows=COMMIT)


@pytest.mark.slow
@pytest.mark.fault(3, 37)
@pytest.mark.parametrize("fault", [*FAULTS, KILL])
@pytest.mark.parametrize(
    ("call", "step"), [("write", 97), ("fsync", 5), ("rename", 1), ("openat", 7), ("mkdir", 1)]
)
def test_calls_of_a_creation_fail(bench: Bench, call: str, step: int, fault: str) -> None:
    """There is a whole store afterwards, or none that the next opening cannot make whole."""
    shutil.rmtree(bench.template)
    bench.template.mkdir()
    for number in count():
        run = bench.run("create", call, fault.format(1 + number * step))
        assert run.code in {LANDED, REFUSED, -signal.SIGKILL, *ABORTED}, run.said
        with kit.open_store(bench.place) as store:
            kit.begin(store)
            kit.append(store, BATCH)
            assert verify_store(store, deep=True) == (), run
        if not run.injected:
            break
    assert run.code == LANDED
    assert number


@pytest.mark.slow
@pytest.mark.fault(3, 37)
@pytest.mark.parametrize("fault", [*FAULTS, KILL])
@pytest.mark.parametrize(("call", "step"), [("write", 97), ("fsync", 7), ("link", 1), ("unlink", 9)])
def test_calls_of_maintenance_fail(bench: Bench, call: str, step: int, fault: str) -> None:
    """Flush, rewrite, merge, expire, clean up and sweep: no row and no living file goes."""
    counted_out(bench, "keep_house", call, fault, step=step, rows=HOUSE)


@pytest.mark.slow
@pytest.mark.fault(3, 37)
@pytest.mark.parametrize("fault", [*FAULTS, KILL])
@pytest.mark.parametrize(("call", "step"), [("write", 61), ("fsync", 1), ("unlink", 7)])
def test_calls_of_retention_fail(bench: Bench, call: str, step: int, fault: str) -> None:
    """The rows of an old batch go with their ledger entry, or both stay."""
    with kit.open_store(bench.template) as store:
        store.connection.execute(
            f"UPDATE {kit.DOMAIN}.ledger SET committed_at = committed_at - to_days(11) WHERE to_offset <= {BATCH}"  # noqa: S608
        )
    counted_out(bench, "retain", call, fault, step=step, rows=HOUSE)


@pytest.mark.slow
@pytest.mark.fault(3, 37)
def test_calls_of_a_retry_fail(server: Server, tmp_path: Path, kafka: KafkaServer) -> None:
    """Dead letters are rows or dead letters afterwards, each once, and the next retry finds what is left."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, maxDeadLetterRatio=1)
    kafka.produce(topic, [json.dumps({"customer": f"c{n}"}).encode() for n in range(20)])
    mesh.ingest("shop")
    mesh.stream("shop.orders", topic, LOOSE, maxDeadLetterRatio=1)
    for call, step in (("write", 31), ("fsync", 1)):
        for fault in (*FAULTS, KILL):
            for number in count():
                place = Path(shutil.copytree(mesh.root, tmp_path / "run"))
                run = server.run("retry", place, call, fault.format(1 + number * step))
                assert run.code in {LANDED, REFUSED, -signal.SIGKILL}, run.said
                retried(place, run)
                shutil.rmtree(place)
                if not run.injected:
                    break


def retried(root: Path, run: Run) -> None:
    """Assert that the letters are all rows or all dead letters, and that the words were true."""
    with DomainStore.open(Project.open(root).data_folder("shop"), "shop") as store:
        assert verify_store(store, deep=True) == (), run
        counts = (store.row_count("orders"), store.row_count("dead_letters"))
        assert counts in {(0, 20), (20, 0)}, run
        if run.code == LANDED:
            assert counts == (20, 0), run
