"""Reads whole ranges for the broker's tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from mesh_defs.broker import Broker
from mesh_defs.model.records import RawBatch

Drain = Callable[..., list[RawBatch]]


@pytest.fixture
def drain() -> Drain:
    """A function that reads ranges to their ends and returns the batches in reading order."""

    def read_all(
        broker: Broker,
        topic: str,
        ranges: Mapping[int, tuple[int, int]] | None = None,
        *,
        max_records: int = 10_000,
    ) -> list[RawBatch]:
        if ranges is None:
            marks = broker.watermarks(topic, broker.partitions(topic))
            ranges = {p: (mark.low, mark.end) for p, mark in marks.items()}
        with broker.reader(topic, ranges) as reader:
            batches: list[RawBatch] = []
            while not reader.done:
                batches.extend(reader.read(max_records))
            assert reader.positions == {p: max(from_, to) for p, (from_, to) in ranges.items()}
        return batches

    return read_all
