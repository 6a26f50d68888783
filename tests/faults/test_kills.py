"""Rows 1 and 2 of the fault matrix, and what stands around them: SIGKILL at any instant loses and doubles nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder

STEPS = range(1, 9)


class Shop:
    """A stream of two partitions whose produced numbers are known.

    Args:
        folder: The project.
        kafka: The broker.
    """

    def __init__(self, folder: MeshFolder, kafka: KafkaServer) -> None:
        self.mesh = folder
        self._kafka = kafka
        self._topic = kafka.topic(partitions=2)
        self.produced = 0
        self._next: dict[int, int] = {}
        folder.stream("shop.orders", self._topic, partitions=2, maxDeadLetterRatio=1)

    def produce(self, count: int) -> None:
        """Produce the next numbers; each tenth record is bad."""
        for partition in (0, 1):
            records = [
                b"{" if n % 10 == 9 else json.dumps({"order_id": n}).encode()
                for n in range(self.produced, self.produced + count)
                if n % 2 == partition
            ]
            self._kafka.produce(self._topic, records, partition=partition)
        self.produced += count

    def start(self, step: int, nth: int = 1) -> subprocess.Popen[bytes]:
        """Start a pass that dies before a step; step 0 never comes."""
        script = str(ROOT / "tests" / "faults" / "killed_pass.py")
        command = [sys.executable, script, str(self.mesh.root), "shop", str(step), str(nth)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    def never_backwards(self) -> None:
        """Assert that no next offset fell since the last call."""
        if not self.mesh.rows("SELECT 1 FROM duckdb_tables() WHERE table_name = 'ledger'"):
            return
        rows = self.mesh.rows("SELECT partition, max(to_offset) FROM shop.ledger GROUP BY ALL")
        for partition, offset in rows:
            assert offset >= self._next.get(partition, 0)
            self._next[partition] = offset

    def whole(self) -> None:
        """Make one more pass; assert that every produced number is there once, and the ledger holds."""
        assert self.mesh.ingest("shop").failed == ()
        good = [n for n in range(self.produced) if n % 10 != 9]
        assert self.mesh.rows("SELECT order_id FROM shop.orders ORDER BY order_id") == [(n,) for n in good]
        assert self.mesh.rows("SELECT count(*) FROM shop.dead_letters") == [(self.produced - len(good),)]
        project = self.mesh.open()
        for result in verify_domain(project, project.domain("shop"), full=True):
            assert result.violations == ()


@pytest.fixture
def shop(tmp_path: Path, kafka: KafkaServer) -> Iterator[Shop]:
    """A fresh project with its topic; at the end everything is there."""
    made = Shop(MeshFolder(tmp_path / "mesh", kafka.bootstrap), kafka)
    yield made
    made.whole()


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("times", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_sigkill_before_each_step_of_the_commit(shop: Shop, step: int, times: int) -> None:
    """Several times, before another commit of the pass each time."""
    for number in range(times):
        shop.produce(100)
        process = shop.start(step, nth=1 + number % 2)
        assert process.wait(timeout=120) == -signal.SIGKILL
        shop.never_backwards()


@pytest.mark.fault(2, 3)
def test_sigkill_at_random_instants(shop: Shop) -> None:
    """Wherever it strikes: in the start, in a read, in a write, in the commit, after the end."""
    chance = random.Random(7)
    for _ in range(12):
        shop.produce(200)
        process = shop.start(0)
        threading.Event().wait(chance.uniform(0.3, 1.8))  # the instant is the fault, not a wait for anything
        process.kill()
        process.wait(timeout=60)
        shop.never_backwards()


@pytest.mark.slow  # a pass waits half a minute for its broker
@pytest.mark.fault(41)
def test_sigkill_of_the_broker(tmp_path: Path, own_kafka: Callable[..., KafkaServer]) -> None:
    """The pass fails within bounds, and goes on when the broker is back; acknowledged records are all there."""
    kafka = own_kafka()
    shop = Shop(MeshFolder(tmp_path / "mesh", kafka.bootstrap), kafka)
    shop.produce(100)
    assert shop.mesh.ingest("shop").failed == ()
    shop.produce(100)
    kafka.kill()
    done = shop.mesh.cli("ingest", check=False)
    assert done.returncode == 1
    assert "cannot" in done.stderr
    kafka.start()
    shop.whole()


@pytest.mark.fault(6)
def test_two_passes_at_once(shop: Shop) -> None:
    """They take turns; neither fails, nothing is doubled."""
    shop.produce(500)
    processes = [shop.start(0) for _ in range(3)]
    assert [p.wait(timeout=120) for p in processes] == [0, 0, 0]


@pytest.mark.fault(5)
def test_a_stopped_pass_is_passed_over_and_fenced_when_it_comes_back(shop: Shop) -> None:
    """SIGSTOP before the commit takes its lock, a successor commits, SIGCONT: the zombie's batch is dropped."""
    shop.produce(200)
    script = str(ROOT / "tests" / "faults" / "stopped_pass.py")
    zombie = subprocess.Popen(
        [sys.executable, script, str(shop.mesh.root), "shop"], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    os.waitid(os.P_PID, zombie.pid, os.WSTOPPED)
    try:
        assert shop.mesh.ingest("shop").row_count > 0
    finally:
        zombie.send_signal(signal.SIGCONT)
    assert zombie.wait(timeout=120) == 0
