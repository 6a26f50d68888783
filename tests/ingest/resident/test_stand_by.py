"""A resident ingester that waits for another one's end."""

from __future__ import annotations

import threading
from pathlib import Path

from mesh_defs.ingest import StreamReport
from mesh_defs.ingest.lease import RESIDENT, lease_of
from mesh_defs.ingest.resident import Ending, Resident
from tests.conftest import KafkaServer
from tests.ingest.resident.conftest import LONG, order, wait_for
from tests.meshes import MeshFolder


class Wish:
    """A wish to stop, for a thread."""

    def __init__(self) -> None:
        self._set = threading.Event()

    def asked(self) -> bool:
        """Say whether it was made."""
        return self._set.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait for it."""
        return self._set.wait(max(0.0, seconds))

    def make(self) -> None:
        """Make it."""
        self._set.set()


class Nobody:
    """Takes reports and does nothing with them."""

    def report(self, report: StreamReport) -> None:
        """Take one."""


def test_it_begins_under_the_contracts_of_the_day_it_takes_over(kafka: KafkaServer, tmp_path: Path) -> None:
    """What changed while it waited makes room for a new process, before anything is committed."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    kafka.produce(topic, [order(1)])
    project, wish, said, endings = mesh.open(), Wish(), list[str](), list[Ending]()
    other = lease_of(project.data_folder("shop"), RESIDENT)
    assert other.try_acquire()
    resident = Resident(project, project.domain("shop"), reporter=Nobody(), stop=wish, say=said.append)
    thread = threading.Thread(target=lambda: endings.append(resident.run()))
    thread.start()
    try:
        wait_for(lambda: any("this one waits" in line for line in said), "it waits")
        mesh.stream("shop.orders", topic, onError="fail")
        other.release()
        thread.join(LONG)
        assert endings == [Ending.RENEWED]
        assert not any(line.startswith("ingests ") for line in said)
    finally:
        wish.make()
        other.release()
        thread.join(LONG)
