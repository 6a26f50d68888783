"""Brokers that do not answer are one incident, after a while, until they do."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.broker.ports import free_port
from mesh_defs.ingest.failures import Failure, write_failures
from mesh_defs.orchestration import prepare_home, unreachable
from mesh_defs.orchestration.incidents import Round, tell
from mesh_defs.orchestration.watch import Watcher
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder


@pytest.fixture(autouse=True)
def _short_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for a broker that the test itself killed."""
    monkeypatch.setattr(unreachable, "_SECONDS", 1.0)


@pytest.fixture
def own(own_kafka: Callable[..., KafkaServer]) -> KafkaServer:
    """A Kafka that the test may kill."""
    return own_kafka()


@pytest.fixture
def mesh(tmp_path: Path, own: KafkaServer) -> MeshFolder:
    """Two streams on it."""
    mesh = MeshFolder(tmp_path / "mesh", own.bootstrap)
    for name in ("orders", "returns"):
        mesh.stream(f"shop.{name}", own.topic())
    return mesh


@pytest.fixture
def instance(mesh: MeshFolder) -> Iterator[dg.DagsterInstance]:
    """Dagster with that mesh's home."""
    with dg.DagsterInstance.from_config(str(prepare_home(mesh.open()))) as opened:
        yield opened


def look(instance: dg.DagsterInstance, watcher: Watcher) -> Round:
    """Look once."""
    return tell(instance, watcher, dt.datetime.now(dt.UTC))


def test_one_incident_opens_after_the_grace_and_ends_with_the_first_answer(
    mesh: MeshFolder, own: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """However many streams stand still; neither what a pass noted of the broker, nor a check that is red for it."""
    watcher = Watcher(mesh.open())
    assert look(instance, watcher).began == ()
    own.kill()
    failure = Failure(stream="orders", partition=None, error="BrokerUnavailableError", message="m", at="t")
    folder = mesh.open().data_folder("shop")
    folder.mkdir(parents=True)
    write_failures(folder, {"orders"}, [failure])
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(["shop", "orders"]),
            check_name="partitions_moving",
            passed=False,
            metadata={},
        )
    )
    for _ in range(unreachable.GRACE_LOOKS - 1):
        assert look(instance, watcher).began == ()
    (began,) = look(instance, watcher).began
    assert (began.key, began.cause) == ("broker_unreachable:main", began.opened_at.isoformat())
    assert look(instance, watcher).began == ()
    own.start()
    (ended,) = look(instance, watcher).ended
    assert ended == began
    write_failures(folder, {"orders"}, [])
    (red,) = look(instance, watcher).began
    assert red.key == "check_failed:shop.orders:partitions_moving"  # nothing explains it any more


@pytest.mark.slow
def test_a_short_absence_is_no_incident(
    mesh: MeshFolder, own: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """The count begins anew with each answer."""
    watcher = Watcher(mesh.open())
    for _ in range(2):
        own.kill()
        for _ in range(unreachable.GRACE_LOOKS - 1):
            assert look(instance, watcher).began == ()
        own.start()
        assert look(instance, watcher).began == ()


def test_each_connection_counts_for_itself(mesh: MeshFolder, own: KafkaServer) -> None:
    """A stream's own host is named; a topic that is missing, or a connection described nowhere, is no silence."""
    for name, server in (
        ("far", {"server": "partner", "host": f"127.0.0.1:{free_port()}"}),
        ("odd", {"server": "odd"}),
    ):
        path = mesh.stream(f"shop.{name}", f"no-such-topic-{name}")
        contract = json.loads(path.read_text())
        contract["servers"] = [{"type": "kafka", "format": "json", "host": "localhost:9092"} | server]
        path.write_text(json.dumps(contract))
    mesh.stream("shop.missing", "no-such-topic")
    project = mesh.open()
    streams = project.domain("shop").streams
    host = next(s.server_host for s in streams if s.name == "far")
    found = unreachable.look(project.config, streams, {"main": 3, "gone": 7})
    assert found == {"main": 0, f"partner ({host})": 1, "odd (localhost:9092)": found["odd (localhost:9092)"]}
    assert unreachable.look(project.config, streams, found)[f"partner ({host})"] == 2


def test_while_a_domain_is_broken_nothing_is_forgotten(mesh: MeshFolder) -> None:
    """Nobody can say whether its connections answer."""
    config = mesh.open().config
    assert unreachable.look(config, (), {"partner": 4}, all_known=False) == {"partner": 4}
    assert unreachable.look(config, (), {"partner": 4}) == {}


def test_notes_survive_being_written_down() -> None:
    """And nothing noted is nothing missed."""
    noted = {"main": unreachable.GRACE_LOOKS, "other": unreachable.GRACE_LOOKS - 1}
    assert unreachable.down(unreachable.from_json(unreachable.to_json(noted))) == {"main"}
    assert unreachable.from_json(None) == {}
