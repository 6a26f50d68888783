"""How far a replay has come: what it produced before is found in the topics, and never produced again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from domains.replay.record import Headers, Numbered, rfc3339
from mesh_defs.broker import Broker
from mesh_defs.model.errors import ConfigError
from mesh_defs.store import FileLock

TAKE_OVER_SECONDS = 90.0
"""How long a replay that was asked to stop may take to hand over what it has produced."""

REPLAY = "replay"
SEQUENCE = "replay_sequence"
PUBLISHED = "published"


def marks(numbered: Numbered, seed: int) -> Headers:
    """Return the headers by which a record is found again, and that say when it was published."""
    return (
        (REPLAY, f"{numbered.part}/{seed}"),
        (SEQUENCE, str(numbered.sequence)),
        (PUBLISHED, rfc3339(numbered.record.published)),
    )


class Produced:
    """What stands in a topic of the records of one seed.

    Records of a part and partition are produced in the order of their numbers, so the last one says it all. The whole
    topic is read, a few seconds for a million records: other replays may stand behind this one.

    Args:
        broker: The cluster.
        topic: The topic.
        seed: The replay's.
    """

    def __init__(self, broker: Broker, topic: str, seed: int) -> None:
        self.partitions = len(broker.partitions(topic))
        self._last: dict[tuple[int, int], int] = {}
        ranges = {p: (m.low, m.end) for p, m in broker.watermarks(topic, range(self.partitions)).items()}
        with broker.reader(topic, ranges) as reader:
            while not reader.done:
                for raw in reader.read():
                    for headers in raw.headers:
                        self._look(raw.partition, dict(headers or ()), f"/{seed}".encode())

    def holds(self, numbered: Numbered, partition: int) -> bool:
        """Return whether a record is there already."""
        return numbered.sequence <= self._last.get((partition, numbered.part), -1)

    def _look(self, partition: int, headers: dict[str, bytes | None], seed: bytes) -> None:
        mark, sequence = headers.get(REPLAY), headers.get(SEQUENCE)
        if mark is not None and sequence is not None and mark.endswith(seed):
            self._last[partition, int(mark.removesuffix(seed))] = int(sequence)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only replay of the mesh: one that runs already is asked to stop, and this one goes on behind it.

    Raises:
        ConfigError: It does not stop.
    """
    lock = FileLock(folder / "replay.lock", purpose="replay")
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    asked: int | None = None
    while not lock.try_acquire():
        holder = lock.holder()
        if holder is not None and holder.pid != asked:
            asked = holder.pid
            with contextlib.suppress(ProcessLookupError):
                os.kill(asked, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise ConfigError(
                cannot="replay the year",
                why=f"another replay ({holder}) runs and does not stop",
                do="stop that process",
            )
        threading.Event().wait(0.1)
    try:
        yield
    finally:
        lock.release()
