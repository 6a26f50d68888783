"""A real schema registry for the slow lane: Apicurio, whose `ccompat` interface speaks Confluent's protocol."""

from __future__ import annotations

import fcntl
import http.client
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

from mesh_defs.broker import free_port
from mesh_defs.broker.local import artifacts
from mesh_defs.broker.local.lock import sha256_of
from tests.conftest import wait_for

COORDINATE = ("io.apicurio", "apicurio-registry-app", "3.3.3")
SHA256 = "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63"


def installed() -> Path:
    """Return the unpacked distribution: fetched once into the user's cache, verified before it is unpacked."""
    group, artifact, version = COORDINATE
    folder = artifacts.cache_folder().parent / f"{artifact}-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                context = artifacts._maven(Path(scratch), lambda _: None)
                component = context.project(group, artifact).at_version(version)
                archive: Path = component.artifact(classifier="all", packaging="tar.gz").resolve()
                assert sha256_of(archive) == SHA256, f"{archive.name} is not the pinned one"
                unpacked = Path(scratch) / "unpacked"
                with tarfile.open(archive) as tar:
                    tar.extractall(unpacked, filter="data")
                unpacked.rename(folder)
    return folder


@contextmanager
def running_apicurio(folder: Path) -> Iterator[str]:
    """Run a registry that keeps its schemas below a folder, and yield the address of its Confluent interface."""
    home = next(path.parent for path in installed().rglob("quarkus-run.jar"))
    port = free_port()
    environment = os.environ | {
        "APICURIO_STORAGE_KIND": "sql",
        "APICURIO_STORAGE_SQL_KIND": "h2",
        "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{folder}/registry;DB_CLOSE_ON_EXIT=FALSE",
        "QUARKUS_HTTP_HOST": "127.0.0.1",
        "QUARKUS_HTTP_PORT": str(port),
        "QUARKUS_MANAGEMENT_ENABLED": "false",
    }
    url = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    with (folder / "apicurio.log").open("wb") as log:
        command = [artifacts.java(), "-Xmx256m", "-jar", home / "quarkus-run.jar"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            wait_for(lambda: _answers(port) or process.poll() is not None, "Apicurio answers")
            assert process.poll() is None, (folder / "apicurio.log").read_text()[-2000:]
            yield url
        finally:
            process.terminate()
            process.wait(60)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/apis/ccompat/v7/subjects")
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
