"""The folder of a local Kafka: its lock, its record of port and process, its files."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from mesh_defs.model.flock import is_locked

_RETRY_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What a starter wrote down before and after it started Java.

    Attributes:
        port: Of the clients' listener; remembered over restarts.
        cluster_id: Tells our broker from another one that took the port.
        pid: Of Java; None until it was started.
    """

    port: int
    cluster_id: str
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class KafkaFolder:
    """The files of one local Kafka. ``path`` is absolute; nothing needs to exist yet."""

    path: Path

    @property
    def data(self) -> Path:
        """Kafka's own data; exists only when it is completely formatted."""
        return self.path / "data"

    @property
    def properties(self) -> Path:
        """The server's properties, written anew at each start."""
        return self.path / "server.properties"

    @property
    def cluster_id(self) -> str | None:
        """The cluster id that the data was formatted with, or None before."""
        try:
            lines = (self.data / "meta.properties").read_text(encoding="ascii").splitlines()
        except FileNotFoundError:
            return None
        return next((line.partition("=")[2] for line in lines if line.startswith("cluster.id=")), None)

    def read_record(self) -> Record | None:
        """Return what the last starter wrote down, or None."""
        try:
            found = json.loads((self.path / "broker.json").read_text(encoding="utf-8"))
            return Record(port=found["port"], cluster_id=found["cluster_id"], pid=found["pid"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write_record(self, record: Record) -> None:
        """Replace the record, whole or not at all."""
        scratch = self.path / "broker.json.new"
        scratch.write_text(json.dumps(asdict(record)), encoding="utf-8")
        scratch.replace(self.path / "broker.json")

    def is_locked(self) -> bool:
        """Return whether a Kafka runs on this folder, or is being started or stopped."""
        return is_locked(self._lock)

    @contextmanager
    def locked(self, timeout: float) -> Iterator[int]:
        """Take the lock and yield its descriptor.

        The lock belongs to the open file, so a child that inherits the descriptor holds it on after the block
        has closed it here; it is free again when the last holder is gone, however it died.

        Raises:
            BlockingIOError: Another process holds the lock for longer than ``timeout`` seconds.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor, time.monotonic() + timeout)
            yield descriptor
        finally:
            os.close(descriptor)

    @property
    def _lock(self) -> Path:
        return self.path / "lock"


def _take(descriptor: int, deadline: float) -> None:
    """Take an exclusive lock; short retries, since `is_locked` of others holds a shared one for a moment."""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
            threading.Event().wait(_RETRY_SECONDS)
        else:
            return
