"""Row 41 of the fault matrix on the way to the broker: connections that are cut, and some that fall silent."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.broker import free_port
from mesh_defs.consistency import verify_domain
from mesh_defs.ingest.failures import read_failures
from mesh_defs.query import Mesh
from tests.conftest import KafkaServer, wait_for
from tests.ingest.resident.conftest import LONG, Run
from tests.meshes import MeshFolder
from tests.proxy import Proxy

RECORDS = 20_000


def orders(first: int, count: int) -> list[bytes]:
    """Return good records of some hundred bytes."""
    return [json.dumps({"order_id": n, "customer": "c" * 100}).encode() for n in range(first, first + count)]


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """What stands between the mesh and the broker."""
    with Proxy(free_port()) as made:
        yield made


@pytest.fixture
def behind(proxy: Proxy, tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker that all clients reach through the proxy."""
    advertised = {"advertised.listeners": f"CLIENT://127.0.0.1:{proxy.port}"}
    server = KafkaServer(tmp_path / "kafka", advertised, port=proxy.target)
    yield server
    server.stop()


@pytest.fixture
def mesh(behind: KafkaServer, tmp_path: Path) -> MeshFolder:
    """A stream of two partitions on it."""
    folder = MeshFolder(tmp_path / "mesh", behind.bootstrap)
    folder.stream("shop.orders", behind.topic(name="orders", partitions=2), partitions=2)
    return folder


def stored(mesh: MeshFolder, table: str = "shop.orders") -> list[tuple[int, ...]]:
    """Return the numbers that the table holds; none before it is there."""
    with Mesh.open(mesh.open()) as opened:
        if not opened.has_table(table):
            return []
        return opened.query(f"FROM {table} SELECT order_id ORDER BY order_id").fetchall()


def holds(mesh: MeshFolder, count: int) -> None:
    """Assert that each number is there once, and that the ledger holds, compared with the broker."""
    assert stored(mesh) == [(n,) for n in range(count)]
    project = mesh.open()
    for result in verify_domain(project, project.domain("shop"), full=True):
        assert result.violations == ()


@pytest.mark.fault(41)
def test_connections_that_are_cut_lose_and_double_nothing(
    mesh: MeshFolder, behind: KafkaServer, proxy: Proxy
) -> None:
    """Each in the middle of an answer; the client comes back, and the pass goes on where it was."""
    for partition in (0, 1):
        behind.produce("orders", orders(partition * RECORDS // 2, RECORDS // 2), partition=partition)
    proxy.cut_next(connections=8, after=100_000)
    report = mesh.ingest("shop")
    assert (report.failed, report.row_count) == ((), RECORDS)
    assert proxy.cuts == 8
    holds(mesh, RECORDS)


@pytest.mark.slow
@pytest.mark.fault(41)
def test_a_broker_that_falls_silent_is_told_and_taken_up_again(
    mesh: MeshFolder, behind: KafkaServer, proxy: Proxy
) -> None:
    """No connection ends: only the answers stay away. Asked to stop meanwhile, the ingester does in 10 seconds."""
    run = Run(mesh)
    try:
        behind.produce("orders", orders(0, 10))
        wait_for(lambda: len(stored(mesh)) == 10, "the first records are there", LONG)
        proxy.silence()
        wait_for(lambda: read_failures(mesh.root / "data" / "shop"), "the silence is told", LONG)
        assert "does not answer" in run.said() or "in time" in run.said()
        proxy.speak()
        behind.produce("orders", orders(10, 10))
        wait_for(lambda: len(stored(mesh)) == 20, "it goes on by itself", LONG)
        wait_for(lambda: not read_failures(mesh.root / "data" / "shop"), "nothing is stopped any more", LONG)
        proxy.silence()
        asked = time.monotonic()
        assert run.stop() == 0
        assert time.monotonic() - asked < 10  # promised by the product, not a measure of this machine
    finally:
        proxy.speak()
        run.end()
    holds(mesh, 20)


@pytest.mark.slow
@pytest.mark.fault(41)
def test_a_silent_cluster_holds_no_stream_of_another_one(
    mesh: MeshFolder, behind: KafkaServer, proxy: Proxy, kafka: KafkaServer
) -> None:
    """Once it was found silent its streams alone wait, and go on by themselves when it speaks."""
    topic = kafka.topic()
    mesh.move(mesh.stream("shop.returns", topic), kafka.bootstrap)
    behind.produce("orders", orders(0, 10))
    run = Run(mesh)
    try:
        wait_for(lambda: len(stored(mesh)) == 10, "the first records are there", LONG)
        proxy.silence()
        for attempts in (1, 2, 3):
            wait_for(
                lambda n=attempts: tried(mesh).get("orders", 0) >= n, f"attempt {attempts} is told", LONG
            )
            kafka.produce(topic, orders(attempts * 10, 10))
            wait_for(
                lambda n=attempts: len(stored(mesh, "shop.returns")) == 10 * n, "the other goes on", LONG
            )
            assert tried(mesh).keys() == {"orders"}
        proxy.speak()
        behind.produce("orders", orders(10, 10))
        wait_for(lambda: len(stored(mesh)) == 20, "it goes on by itself", LONG)
        wait_for(lambda: not tried(mesh), "nothing is stopped any more", LONG)
        assert run.stop() == 0
    finally:
        proxy.speak()
        run.end()
    holds(mesh, 20)


def tried(mesh: MeshFolder) -> dict[str, int]:
    """Return how often each stopped stream was tried in vain."""
    return {failure.stream: failure.attempts for failure in read_failures(mesh.root / "data" / "shop")}
