"""A backlog that is larger than memory allows: it lands in batches that are cut by bytes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder

SIZE = 100_000
"""Of a value, so that few records are many bytes."""

TEXTS = [random.Random(number).randbytes(SIZE // 2).hex() for number in range(1_000)]
"""Half of it is left by compression, as of much that is real."""

FULL = 10_000_000_000
"""Bytes of values in all."""

MOST_MEMORY = 2 << 30
"""For a process whose chunks end at 512 MB and whose row groups end at 128 MB, on the machine of any test."""


def records(count: int) -> Iterator[bytes]:
    """Yield orders whose customers have long names."""
    for number in range(count):
        yield json.dumps({"order_id": number, "customer": TEXTS[number % len(TEXTS)]}).encode()


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.fault(33)
def test_ten_gigabytes_land_in_bounded_memory(tmp_path: Path, kafka: KafkaServer) -> None:
    """The process never holds more than a part, each commit is small, and every record is there."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    mesh.stream("shop.orders", topic)
    count = FULL // SIZE
    producer = kafka.producer(compression_type="zstd", linger_ms=50)
    for value in records(count):
        while True:
            try:
                producer.produce(topic, value, partition=0)
            except BufferError:
                producer.poll(1.0)
            else:
                break
    producer.flush()
    peak = ingest(mesh)
    assert peak < MOST_MEMORY
    ((rows, size),) = mesh.rows("SELECT count(*), sum(length(customer)) FROM shop.orders")
    assert (rows, size) == (count, count * SIZE)
    ((entries, most),) = mesh.rows("SELECT count(*), max(row_count) FROM shop.ledger")
    assert entries >= FULL // (600 << 20)
    assert most * SIZE < 600 << 20
    mesh.cli("ledger", "verify")


def ingest(mesh: MeshFolder) -> int:
    """Make a pass in a process of its own, and return the most memory that it held, in bytes."""
    command = [sys.executable, "-m", "mesh_defs.cli", "--project", str(mesh.root), "ingest"]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024
