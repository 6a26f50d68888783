"""SIGKILL between the tables of one stream: all of them move together, or none does."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from tests.conftest import KafkaServer
from tests.faults.test_kills import STEPS, Shop
from tests.meshes import ORDERS, MeshFolder

TYPES = ("placed", "paid", "shipped")


class TypedShop(Shop):
    """The shop with three event types in its topic, in turn; each tenth record is of none of them.

    Args:
        folder: The project.
        kafka: The broker.
    """

    def __init__(self, folder: MeshFolder, kafka: KafkaServer) -> None:
        super().__init__(folder, kafka)
        types = dict.fromkeys(TYPES, ORDERS)
        folder.stream_of_types("shop.orders", self._topic, types, partitions=2, maxDeadLetterRatio=1)

    def produce(self, count: int) -> None:
        """Produce the next numbers."""
        for partition in (0, 1):
            records = [
                {
                    "value": json.dumps({"order_id": n}).encode(),
                    "headers": [("type", self.type_of(n).encode())],
                }
                for n in range(self.produced, self.produced + count)
                if n % 2 == partition
            ]
            self._kafka.produce(self._topic, records, partition=partition)
        self.produced += count

    @staticmethod
    def type_of(number: int) -> str:
        """Return the type of a record."""
        return "lost" if number % 10 == 9 else TYPES[number % 3]

    def whole(self) -> None:
        """Make one more pass; assert that every number is once in its type's table, and the ledger holds."""
        assert self.mesh.ingest("shop").failed == ()
        for table in TYPES:
            wanted = [(n,) for n in range(self.produced) if self.type_of(n) == table]
            assert self.mesh.rows(f"FROM shop.{table} SELECT order_id ORDER BY 1") == wanted
        assert self.mesh.rows("SELECT count(*) FROM shop.dead_letters") == [(self.produced // 10,)]
        project = self.mesh.open()
        for result in verify_domain(project, project.domain("shop"), full=True):
            assert result.violations == ()


@pytest.fixture
def shop(tmp_path: Path, kafka: KafkaServer) -> Iterator[TypedShop]:
    """A fresh project with its topic; at the end everything is there."""
    made = TypedShop(MeshFolder(tmp_path / "mesh", kafka.bootstrap), kafka)
    yield made
    made.whole()


@pytest.mark.slow
@pytest.mark.fault(1, 2)
def test_sigkill_before_each_step_of_the_commit(shop: TypedShop) -> None:
    """In the middle of several commits; the next pass goes on with what the last one left."""
    for number, step in enumerate(STEPS):
        shop.produce(100)
        process = shop.start(step, nth=1 + number % 2)
        assert process.wait(timeout=300) == -signal.SIGKILL
        shop.never_backwards()
