"""Java as a process: found again by the next starter, and what to say when it fails."""

from __future__ import annotations

import datetime as dt
import subprocess
from pathlib import Path
from typing import Final

import psutil

from mesh_defs.broker.local.folder import KafkaFolder
from mesh_defs.model.errors import ProcessError

_TAIL_BYTES: Final = 32_768


class Java(subprocess.Popen[bytes]):
    """Java, which outlives its starter by design: no warning when the handle goes first."""

    def __del__(self) -> None:
        """Leave the process alone."""


def find_java(folder: KafkaFolder, pid: int | None) -> psutil.Process | None:
    """Return the Kafka of a folder: as written down, or, where its starter died too early, as found."""
    if pid is not None and _runs_on(pid, folder):
        return psutil.Process(pid)
    found = next((p.pid for p in psutil.process_iter() if _runs_on(p.pid, folder)), None)
    return None if found is None else psutil.Process(found)


def _runs_on(pid: int, folder: KafkaFolder) -> bool:
    """Return whether a process is a Kafka on our properties: process ids are used again."""
    try:
        return psutil.Process(pid).cmdline()[-2:] == ["kafka.Kafka", str(folder.properties)]
    except psutil.Error:
        return False


def started_at(process: psutil.Process) -> dt.datetime | None:
    """Return when a process was started, None where it is gone."""
    try:
        return dt.datetime.fromtimestamp(process.create_time(), dt.UTC)
    except psutil.Error:
        return None


def output_file(log_file: Path) -> Path:
    """Return where Java itself writes, before and beside Kafka's log."""
    return log_file.with_suffix(".out")


def refused_a_port(log_file: Path) -> bool:
    """Return whether the end of the log says that another program had a port of ours."""
    try:
        with log_file.open("rb") as file:
            file.seek(max(0, log_file.stat().st_size - _TAIL_BYTES))
            return b"failed to bind to" in file.read()
    except FileNotFoundError:
        return False


def start_error(why: str, log_file: Path) -> ProcessError:
    """Return the error of a start that failed, with the files to read."""
    return ProcessError(
        cannot="start the local Kafka", why=why, do=f"read {log_file} and {output_file(log_file)}"
    )
