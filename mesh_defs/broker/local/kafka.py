"""The local Apache Kafka: one node on the loopback address, durable, started and stopped by the mesh."""

from __future__ import annotations

import datetime as dt
import logging
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from mesh_defs.broker.local.artifacts import ensure_jars, java
from mesh_defs.broker.local.folder import KafkaFolder, Record
from mesh_defs.broker.local.formatting import format_data
from mesh_defs.broker.local.health import wait_until_healthy
from mesh_defs.broker.local.process import (
    Java,
    find_java,
    output_file,
    refused_a_port,
    start_error,
    started_at,
)
from mesh_defs.broker.local.settings import java_command, server_properties, write_properties
from mesh_defs.broker.ports import LOOPBACK, free_port, is_free, who_holds
from mesh_defs.model.errors import ProcessError

_log = logging.getLogger(__name__)

USUAL_PORT: Final = 9092

_LOCK_SECONDS: Final = 2.0
_KILL_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.1
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalKafkaStatus:
    """Whether a local Kafka runs, and where.

    Attributes:
        running: Whether Java lives; it may still be starting.
        pid: Of Java.
        port: Where it listens, or did the last time.
        since: When Java was started.
        address: ``host:port`` for clients, None while it does not run.
        folder: Where its data is.
        log_file: Where it writes its log.
    """

    running: bool
    pid: int | None
    port: int | None
    since: dt.datetime | None
    address: str | None
    folder: Path
    log_file: Path


class LocalKafka:
    """A local Kafka on one folder.

    The folder is locked before Java starts and Java inherits the lock: a second Kafka on the same data would
    damage the first one's metadata log before it looked at Kafka's own lock file.

    Args:
        folder: Where its data lives.
        log_file: Its log; ``kafka.log`` in the folder by default. Bounded to three files of 8 MB.
        port: The port to listen on. By default the one of the last time, else 9092, else any free one.
        properties: Server properties beyond the mesh's own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        log_file: Path | None = None,
        port: int | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = KafkaFolder(folder.resolve())
        self._log_file = (log_file or folder / "kafka.log").resolve()
        self._port = port
        self._extra = dict(properties or {})
        self._child: Java | None = None

    @classmethod
    def of_mesh(cls, data: Path, *, port: int | None = None) -> LocalKafka:
        """Return the local Kafka of a mesh whose data folder is ``data``."""
        return cls(data / "kafka" / "main", log_file=data / "logs" / "kafka.log", port=port)

    def status(self) -> LocalKafkaStatus:
        """Return whether it runs, and where. Takes a few milliseconds and asks no broker."""
        if self._child is not None:
            self._child.poll()  # a dead child is reaped
        record = self._folder.read_record()
        process = self._process(record) if self._folder.is_locked() else None
        running = process is not None and record is not None
        return LocalKafkaStatus(
            running=running,
            pid=process.pid if process else None,
            port=record.port if record else None,
            since=started_at(process) if process else None,
            address=_address(record.port) if running and record else None,
            folder=self._folder.path,
            log_file=self._log_file,
        )

    def start(self, *, adopt: bool = False, timeout: float = 60.0) -> LocalKafkaStatus:
        """Start it and wait until it answers a client.

        1. The jars are verified, and fetched the first time.
        2. The folder is locked; then its data is formatted, the first time.
        3. Port and cluster id are written down, Java is started with the lock.
        4. A client asks until the cluster answers under its id.

        Args:
            adopt: Take over one that already runs on the folder, whoever started it, instead of refusing.
            timeout: Seconds for step 4.

        Raises:
            BrokerError: Java or the jars cannot be had.
            ProcessError: One runs already, the port is taken, or Java ended or did not answer in time.
        """
        jars = ensure_jars()
        try:
            with self._folder.locked(_LOCK_SECONDS) as lock:
                return self._start_locked(jars, lock, timeout)
        except BlockingIOError:
            if adopt:
                return self._adopt(timeout)
            raise self._already_running() from None

    def usual_port(self) -> int:
        """Return the port that the next start takes, unless another program has it."""
        record = self._folder.read_record()
        return self._port or (record.port if record else USUAL_PORT)

    def stop(self, timeout: float = 30.0) -> bool:
        """Stop it with SIGTERM, and with SIGKILL after ``timeout`` seconds; it may be anybody's child.

        Returns:
            Whether one was running.
        """
        process = self._process(self._folder.read_record()) if self._folder.is_locked() else None
        if process is None:
            return False
        try:
            process.terminate()
            self._wait(process, timeout)
        except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
            _log.warning(
                "the local Kafka (process %d) did not stop in %.0f s: killing it", process.pid, timeout
            )
            process.kill()
            self._wait(process, _KILL_SECONDS)
        except psutil.NoSuchProcess:
            return True
        return True

    def _start_locked(self, jars: tuple[Path, ...], lock: int, timeout: float) -> LocalKafkaStatus:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        cluster_id = self._folder.cluster_id or format_data(self._folder, jars, self._log_file)
        for attempt in range(_ATTEMPTS):
            port = self._choose_port(attempt)
            process = self._spawn(jars, lock, port, cluster_id)
            if self._wait_healthy(process, port, cluster_id, timeout):
                return self.status()
            # Who took the port may be gone again: then only the log knows.
            if who_holds(port) is None and not refused_a_port(self._log_file):
                raise self._failed(f"Java ended with code {process.returncode}")
        raise self._failed(f"each of {_ATTEMPTS} ports was taken before Java listened there")

    def _wait_healthy(self, process: Java, port: int, cluster_id: str, timeout: float) -> bool:
        """Return True when it answers, False when Java ended; stop it when the wait ends otherwise."""
        try:
            healthy = wait_until_healthy(
                _address(port), cluster_id, timeout=timeout, is_alive=lambda: process.poll() is None
            )
        except BaseException:  # an interrupt above all: nobody would wait for this Java any more
            self.stop()
            raise
        if not healthy and process.poll() is None:
            self.stop()
            raise self._failed(f"it did not answer at {_address(port)} in {timeout:.0f} s")
        return healthy

    def _spawn(self, jars: tuple[Path, ...], lock: int, port: int, cluster_id: str) -> Java:
        self._write_properties(self._folder.properties, self._folder.data, port)
        self._folder.write_record(Record(port=port, cluster_id=cluster_id))
        command = java_command(
            java(), jars, log=self._log_file, main="kafka.Kafka", arguments=[str(self._folder.properties)]
        )
        with output_file(self._log_file).open("wb") as output:
            process = Java(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder.path,
                pass_fds=(lock,),
                start_new_session=True,  # a Ctrl-C in the terminal is for who started it, not for Kafka
            )
        self._child = process
        self._folder.write_record(Record(port=port, cluster_id=cluster_id, pid=process.pid))
        return process

    def _write_properties(self, path: Path, data: Path, port: int) -> None:
        properties = server_properties(data=data, port=port, controller_port=free_port(), extra=self._extra)
        write_properties(path, properties)

    def _choose_port(self, attempt: int) -> int:
        """Return the port to try; only one that the caller asked for is insisted on."""
        if self._port is not None:
            holder = who_holds(self._port)
            if holder is not None:
                raise _taken(self._port, holder)
            return self._port
        record = self._folder.read_record()
        for port in (record.port if record else USUAL_PORT, USUAL_PORT):
            if attempt == 0 and is_free(port):
                return port
        return free_port()

    def _adopt(self, timeout: float) -> LocalKafkaStatus:
        """Wait until the one that holds the folder answers; when it ends instead, start our own."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            record = self._folder.read_record()
            if record is not None and wait_until_healthy(
                _address(record.port),
                record.cluster_id,
                timeout=_LOCK_SECONDS,
                is_alive=self._folder.is_locked,
            ):
                return self.status()
            if not self._folder.is_locked():
                return self.start(timeout=timeout)
            threading.Event().wait(_POLL_SECONDS)
        raise self._failed(f"the one that runs already (process {self.status().pid}) does not answer")

    def _process(self, record: Record | None) -> psutil.Process | None:
        return find_java(self._folder, None if record is None else record.pid)

    def _wait(self, process: psutil.Process, timeout: float) -> None:
        """Wait until the process is gone; a child of our own is reaped too."""
        if self._child is not None and self._child.pid == process.pid:
            self._child.wait(timeout)
        else:
            process.wait(timeout)

    def _already_running(self) -> ProcessError:
        status = self.status()
        return ProcessError(
            cannot=f"start a local Kafka on {status.folder}",
            why=f"one runs there already (process {status.pid}, {status.address})",
            do="use that one, or stop it with `mesh broker stop`",
        )

    def _failed(self, why: str) -> ProcessError:
        return start_error(why, self._log_file)


def _address(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def _taken(port: int, holder: str) -> ProcessError:
    return ProcessError(
        cannot=f"start the local Kafka on port {port}",
        why=f"{holder} listens there",
        do="stop that program, or choose another port",
    )
