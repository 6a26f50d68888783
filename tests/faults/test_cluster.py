"""Leaders of a partition change: in order, and in a way that loses records which were acknowledged and read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.broker import Broker
from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import status
from mesh_defs.model.errors import (
    BrokerUnavailableError,
    MeshError,
    OffsetsDivergedError,
    OffsetsRegressedError,
)
from mesh_defs.store import DomainStore
from tests.cluster import KafkaCluster
from tests.conftest import wait_for
from tests.ingest.resident.conftest import Run
from tests.meshes import MeshFolder

UNCLEAN = {"unclean_leader_election_enable": "true", "min_insync_replicas": "1"}


def orders(*numbers: int) -> list[bytes]:
    """Return good records."""
    return [json.dumps({"order_id": number}).encode() for number in numbers]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A Kafka of three nodes; each test brings back what it killed."""
    made = KafkaCluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.stop()


def stopped(mesh: MeshFolder) -> MeshError:
    """Make a pass that must stop the one partition; return why."""
    (stream,) = mesh.ingest("shop").streams
    (trouble,) = stream.troubles
    assert (trouble.partition, stream.row_count) == (0, 0)
    project = mesh.open()
    assert [s.state for s in status.status(project, project.domain("shop"))] == ["stopped"]
    return trouble.error


def holds(mesh: MeshFolder) -> None:
    """Assert that the ledger holds, compared with the broker."""
    project = mesh.open()
    for result in verify_domain(project, project.domain("shop")):
        assert result.violations == ()


def read_epoch(mesh: MeshFolder) -> int:
    """Return the leader epoch under which the last record was read."""
    with DomainStore.open(mesh.root / "data" / "shop", "shop", read_only=True) as store:
        return store.offsets().streams["orders"].partitions[0].leader_epoch


def elect_who_was_behind(cluster: KafkaCluster, mesh: MeshFolder) -> str:
    """Store ten records, of which only the first five are on the replica that leads afterwards."""
    topic = cluster.topic(1, 2, **UNCLEAN)
    mesh.stream("shop.orders", topic)
    cluster.produce(topic, orders(*range(5)))
    cluster.kill(2)
    wait_for(lambda: cluster.in_sync(topic) == [1], "the follower is out of sync")
    cluster.produce(topic, orders(*range(5, 10)))
    assert mesh.ingest("shop").row_count == 10
    cluster.kill(1)
    cluster.start(2)
    wait_for(lambda: cluster.leader(topic) == 2, "the follower leads")
    return topic


@pytest.mark.slow
@pytest.mark.fault(43)
def test_another_leader_that_was_in_sync_changes_nothing(cluster: KafkaCluster, tmp_path: Path) -> None:
    """Its log is the same: no alarm, nothing twice, nothing left out."""
    mesh = MeshFolder(tmp_path / "mesh", cluster.bootstrap)
    topic = cluster.topic(1, 2, 3)
    mesh.stream("shop.orders", topic)
    cluster.produce(topic, orders(*range(5)))
    assert mesh.ingest("shop").row_count == 5
    cluster.kill(1)
    wait_for(lambda: cluster.leader(topic) in {2, 3}, "another replica leads")
    report = mesh.ingest("shop")
    assert (report.failed, report.row_count) == ((), 0)
    cluster.produce(topic, orders(*range(5, 8)))
    report = mesh.ingest("shop")
    assert (report.failed, report.row_count) == ((), 3)
    assert mesh.rows("SELECT order_id FROM shop.orders ORDER BY _offset") == [(n,) for n in range(8)]
    holds(mesh)
    cluster.start(1)


@pytest.mark.slow
@pytest.mark.fault(43)
def test_a_log_that_lost_its_end_stops_the_partition(cluster: KafkaCluster, tmp_path: Path) -> None:
    """Shorter than what was read: both offsets are said; grown again with other records: both epochs, and where."""
    mesh = MeshFolder(tmp_path / "mesh", cluster.bootstrap)
    topic = elect_who_was_behind(cluster, mesh)
    shorter = stopped(mesh)
    assert isinstance(shorter, OffsetsRegressedError)
    assert "the next offset is 10, the broker's last stable offset is 5" in str(shorter)
    cluster.produce(topic, orders(*range(100, 108)))
    other = stopped(mesh)
    assert isinstance(other, OffsetsDivergedError)
    with Broker({"bootstrap.servers": cluster.bootstrap}) as broker:
        present = broker.watermarks(topic, [0])[0].leader_epoch
    assert f"read under leader epoch {read_epoch(mesh)}" in str(other)
    assert f"(epoch {present})" in str(other)
    assert "from offset 5 on" in str(other)
    assert "mesh stream accept-epoch shop.orders" in str(other)
    mesh.cli("stream", "accept-epoch", "shop.orders", "--reason", "broker 1 is gone for good", "--yes")
    report = mesh.ingest("shop")
    assert (report.failed, report.row_count) == ((), 8)
    rows = mesh.rows("SELECT _epoch, _offset, order_id FROM shop.orders ORDER BY ALL")
    assert rows == [*((0, n, n) for n in range(10)), *((1, 5 + n, 100 + n) for n in range(8))]
    holds(mesh)
    cluster.start(1)


@pytest.mark.slow
@pytest.mark.fault(43)
def test_an_epoch_may_be_accepted_before_the_log_grows_again(cluster: KafkaCluster, tmp_path: Path) -> None:
    """It begins at the end that is left; without a reason to begin one it is refused."""
    mesh = MeshFolder(tmp_path / "mesh", cluster.bootstrap)
    topic = elect_who_was_behind(cluster, mesh)
    accept = ("stream", "accept-epoch", "shop.orders", "--reason", "known", "--yes")
    mesh.cli(*accept)
    again = mesh.cli(*accept, check=False)
    assert (again.returncode, "its topic is still the same" in again.stderr) == (1, True)
    cluster.produce(topic, orders(100))
    assert mesh.ingest("shop").row_count == 1
    assert mesh.rows("SELECT _offset FROM shop.orders WHERE _epoch = 1") == [(5,)]
    holds(mesh)
    cluster.start(1)


@pytest.mark.slow
@pytest.mark.fault(41)
def test_a_partition_without_a_leader_stops_alone(cluster: KafkaCluster, tmp_path: Path) -> None:
    """A pass and the resident ingester read the others on, and say which one stands; it goes on by itself."""
    mesh = MeshFolder(tmp_path / "mesh", cluster.bootstrap)
    topic = cluster.spread(1, 2)
    mesh.stream("shop.orders", topic, partitions=2)
    for partition in (0, 1):
        cluster.produce(topic, orders(*range(5)), partition)
    assert mesh.ingest("shop").row_count == 10
    cluster.kill(2)
    wait_for(lambda: cluster.leader(topic, 1) == -1, "the second partition has no leader")
    cluster.produce(topic, orders(5, 6, 7))
    (stream,) = mesh.ingest("shop").streams
    (trouble,) = stream.troubles
    assert (stream.row_count, trouble.partition) == (3, 1)
    assert isinstance(trouble.error, BrokerUnavailableError)
    run = Run(mesh)
    try:
        for count in (14, 15, 16):
            cluster.produce(topic, orders(count))
            wait_for(lambda n=count: counted(mesh) == n, "the first partition's record is there")
        project = mesh.open()
        states = {s.partition: s.state for s in status.status(project, project.domain("shop"))}
        assert states == {0: "current", 1: "stopped"}
        cluster.start(2)
        cluster.produce(topic, orders(5), 1)
        wait_for(lambda: counted(mesh) == 17, "the second partition goes on")
        assert run.stop() == 0
    finally:
        run.end()
    holds(mesh)


def counted(mesh: MeshFolder) -> int:
    """Return how many rows there are."""
    return int(mesh.rows("SELECT count(*) FROM shop.orders")[0][0])
