"""Whether a cluster that was silent answers again is found out without waiting for it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.broker import Brokers, free_port
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.resident.knocks import Knocks
from mesh_defs.model.errors import BrokerUnavailableError, MeshError
from tests.conftest import KafkaServer
from tests.ingest.resident.conftest import wait_for
from tests.meshes import MeshFolder

BOTH = {"orders", "returns"}


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def project_of(mesh: MeshFolder, kafka: KafkaServer, port: int) -> tuple[Project, list[StreamContract]]:
    """Return a mesh whose `orders` are on a real Kafka and whose `returns` are on a port, and both contracts."""
    mesh.stream("shop.orders", kafka.topic())
    mesh.move(mesh.stream("shop.returns", kafka.topic()), f"127.0.0.1:{port}")
    project = mesh.open()
    contracts = {c.name: c for c in project.domain("shop").live.streams}
    assert contracts["returns"].server == "other"
    return project, [contracts["orders"], contracts["returns"]]


def names(contracts: list[StreamContract]) -> list[str]:
    """Return the streams' names."""
    return [contract.name for contract in contracts]


def test_nobody_waits_for_a_silent_cluster(kafka: KafkaServer, tmp_path: Path, silent: int) -> None:
    """While its answer is awaited the others are ready, one that answers again among them."""
    project, contracts = project_of(MeshFolder(tmp_path / "mesh", kafka.bootstrap), kafka, silent)
    with Brokers(project.config, timeout=60) as brokers:
        knocks = Knocks(brokers)
        assert names(knocks.sort(contracts, set())[0]) == ["orders", "returns"]
        wait_for(lambda: names(knocks.sort(contracts, BOTH)[0]) == ["orders"], "the one cluster answers")
        for _ in range(20):
            ready, errors = knocks.sort(contracts, {"returns"})
            assert (names(ready), errors) == (["orders"], {})
        brokers.forget(contracts[1])
        assert names(knocks.sort(contracts, {"returns"})[0]) == ["orders"]


def test_a_cluster_that_does_not_answer_in_time_is_told_again(kafka: KafkaServer, tmp_path: Path) -> None:
    """With the reason; and then it is asked anew."""
    project, contracts = project_of(MeshFolder(tmp_path / "mesh", kafka.bootstrap), kafka, free_port())
    with Brokers(project.config, timeout=1) as brokers:
        knocks = Knocks(brokers)
        for _ in range(2):
            found: dict[str, MeshError] = {}

            def told(found: dict[str, MeshError] = found) -> bool:
                ready, errors = knocks.sort(contracts, {"returns"})
                assert names(ready) == ["orders"]
                found.update(errors)
                return bool(errors)

            wait_for(told, "the time is over")
            assert isinstance(found["returns"], BrokerUnavailableError)
            assert "Connection refused" in found["returns"].why
