"""Offsets that retention removed before they were read: exact, loud, and acknowledged by a person."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.broker import BoundedReader, Broker
from mesh_defs.consistency import verify_domain
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest import status
from mesh_defs.ingest.epoch import accept_epoch
from mesh_defs.ingest.loss import acknowledge_loss
from mesh_defs.model.errors import ConfigError, OffsetsLostError
from mesh_defs.store import DomainStore
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder


def order(number: int) -> bytes:
    """Return one good record."""
    return json.dumps({"order_id": number}).encode()


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> Iterator[MeshFolder]:
    """A project on the session's Kafka; at the end its ledger must hold, also against the broker."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    yield folder
    project = folder.open()
    for result in verify_domain(project, project.domain("shop")):
        assert result.violations == ()


def lose(mesh: MeshFolder, kafka: KafkaServer, **custom: str) -> str:
    """Read offset 0 of two partitions, then let the first one lose [1, 4) of [1, 6)."""
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2, **custom)
    for partition in (0, 1):
        kafka.produce(topic, [order(0)], partition=partition)
    mesh.ingest("shop")
    kafka.produce(topic, [order(n) for n in range(1, 6)], partition=0)
    kafka.produce(topic, [order(1)], partition=1)
    kafka.delete_records(topic, 0, 4)
    return topic


def states(mesh: MeshFolder) -> dict[int | None, str]:
    """Return the state of each partition."""
    project = mesh.open()
    return {line.partition: line.state for line in status.status(project, project.domain("shop"))}


@pytest.mark.fault(12)
def test_a_stopped_partition_goes_on_when_its_loss_is_acknowledged(
    mesh: MeshFolder, kafka: KafkaServer
) -> None:
    """Each pass tries it in vain; then the exact gap is recorded, with who took note of it and why."""
    lose(mesh, kafka)
    for _ in range(2):
        (stream,) = mesh.ingest("shop").streams
        assert [(t.partition, type(t.error)) for t in stream.troubles] == [(0, OffsetsLostError)]
        assert "mesh loss acknowledge shop.orders" in str(stream.troubles[0].error)
    assert states(mesh) == {0: "stopped", 1: "current"}
    told = mesh.cli_json("loss", "acknowledge", "shop.orders", "--reason", "disk was full")
    lost = {"epoch": 0, "partition": 0, "from_offset": 1, "to_offset": 4}
    assert (told["recorded"], told["ranges"], told["reason"]) == ([lost], [], "disk was full")
    assert states(mesh) == {0: "behind", 1: "current"}
    assert mesh.ingest("shop").failed == ()
    assert states(mesh) == {0: "current", 1: "current"}
    rows = mesh.rows("SELECT _offset FROM shop.orders WHERE _partition = 0 ORDER BY 1")
    assert rows == [(0,), (4,), (5,)]
    (noted,) = mesh.cli_json("loss", "list", "shop")
    assert (noted["from_offset"], noted["to_offset"]) == (1, 4)
    assert (noted["by"], noted["reason"]) == (getpass.getuser(), "disk was full")
    messages = mesh.rows("SELECT commit_message FROM shop.snapshots() ORDER BY snapshot_id")
    assert ("acknowledge loss of orders: disk was full",) in messages


@pytest.mark.fault(12)
def test_a_recorded_loss_is_red_until_it_is_acknowledged(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """`onLoss: record` goes on at once, the ledger holds, and the status stays `lost` over later passes."""
    topic = lose(mesh, kafka, onLoss="record")
    assert mesh.ingest("shop").failed == ()
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(5,)]
    kafka.produce(topic, [order(6)], partition=0)
    mesh.ingest("shop")
    assert states(mesh) == {0: "lost", 1: "current"}
    done = mesh.cli("status")
    assert "3 offsets were removed" in done.stderr
    project = mesh.open()
    stream = project.domain("shop").streams[0]
    told = acknowledge_loss(project, stream, "known")
    assert [(r.partition, r.from_offset, r.to_offset) for r in told.ranges] == [(0, 1, 4)]
    assert told.recorded == ()
    assert states(mesh) == {0: "current", 1: "current"}
    with pytest.raises(ConfigError, match="nothing is lost"):
        acknowledge_loss(project, stream, "again")
    with DomainStore.open(project.data_folder("shop"), "shop", read_only=True) as store:
        (noted,) = store.offsets().streams["orders"].acknowledged
    assert (noted.by, noted.reason, noted.ranges) == (getpass.getuser(), "known", told.ranges)


def test_a_loss_after_an_acknowledgement_is_red_again(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """An acknowledgement is of its ranges, not of the stream."""
    topic = lose(mesh, kafka, onLoss="record")
    project = mesh.open()
    told = acknowledge_loss(project, project.domain("shop").streams[0], "before any pass recorded it")
    assert [(r.from_offset, r.to_offset) for r in told.recorded] == [(1, 4)]
    kafka.delete_records(topic, 0, 5)
    mesh.ingest("shop")
    assert states(mesh) == {0: "lost", 1: "current"}
    told = acknowledge_loss(project, project.domain("shop").streams[0], "again")
    assert [(r.from_offset, r.to_offset) for r in told.ranges] == [(4, 5)]
    assert states(mesh) == {0: "current", 1: "current"}


@pytest.mark.fault(13)
def test_a_loss_between_plan_and_read_stops_its_partition_alone(
    mesh: MeshFolder, kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are committed by the same pass, and the next one records the gap where the contract says so."""
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2, onLoss="record")
    for partition in (0, 1):
        kafka.produce(topic, [order(n) for n in range(6)], partition=partition)
    reader = Broker.reader

    def late_reader(broker: Broker, *args: Any, **options: Any) -> BoundedReader:
        kafka.delete_records(topic, 0, 4)
        return reader(broker, *args, **options)

    monkeypatch.setattr(Broker, "reader", late_reader)
    (stream,) = mesh.ingest("shop").streams
    assert [(t.partition, type(t.error)) for t in stream.troubles] == [(0, OffsetsLostError)]
    assert mesh.rows("SELECT _partition, count(*) FROM shop.orders GROUP BY ALL") == [(1, 6)]
    monkeypatch.undo()
    (stream,) = mesh.ingest("shop").streams
    assert stream.troubles == ()
    assert mesh.rows("SELECT _partition, count(*) FROM shop.orders GROUP BY ALL ORDER BY ALL") == [
        (0, 2),
        (1, 6),
    ]


@pytest.mark.parametrize("decide", [acknowledge_loss, accept_epoch])
@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_decision_wants_a_reason(
    tmp_path: Path, decide: Callable[[Project, StreamContract, str], object], reason: str
) -> None:
    """Before anything is asked or opened; whoever looks at it later will ask."""
    folder = MeshFolder(tmp_path / "mesh", "127.0.0.1:1")
    folder.stream("shop.orders", "orders")
    project = folder.open()
    with pytest.raises(ConfigError, match="the reason is empty"):
        decide(project, project.domain("shop").streams[0], reason)
    assert not (folder.root / "data").exists()
