"""Code servers that web server and daemon share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dagster._grpc.client import DagsterGrpcClient

from mesh_defs.contract.workspace import WORKSPACE
from mesh_defs.scaffold import new_domain, new_project
from tests.conftest import wait_for
from tests.meshes import ROOT

BOUND = 300.0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of a sound domain and a broken one."""
    new_project(tmp_path)
    for name in ("sound", "broken"):
        new_domain(tmp_path, name)
    (tmp_path / "domains" / "broken" / "domain.yaml").write_text("nme: x\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def sockets() -> Iterator[Path]:
    """A folder with a short path: the system bounds that of a socket."""
    folder = Path(tempfile.mkdtemp(prefix="mesh-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def shared(project: Path, sockets: Path) -> Iterator[Path]:
    """The workspace file of running code servers; when they are asked to end, nothing is left of them."""
    written = project / "shared.yaml"
    arguments = [str(project / WORKSPACE), str(sockets), str(written)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mesh_defs.orchestration.code_servers", *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(ROOT), "MESH_PROJECT": str(project)},
    )
    try:
        wait_for(written.exists, "the code servers are there", BOUND)
        yield written
    finally:
        family = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        process.wait(BOUND)
        _, left = psutil.wait_procs(family, timeout=BOUND)
    assert left == []
    assert not sockets.exists()


def clients(shared: Path) -> dict[str, DagsterGrpcClient]:
    """Return a client of each location."""
    entries = [entry["grpc_server"] for entry in json.loads(shared.read_text())["load_from"]]
    return {entry["location_name"]: DagsterGrpcClient(socket=entry["socket"]) for entry in entries}


def test_a_broken_location_says_why_and_is_reloaded(project: Path, shared: Path) -> None:
    """The sound one lists its definitions, the broken one its error; mended and reloaded it is sound too."""
    found = clients(shared)
    assert set(found) == {"mesh-platform", "sound", "broken"}
    assert "SerializableErrorInfo" not in found["sound"].list_repositories()
    assert "unknown key" in found["broken"].list_repositories()
    shutil.copy(project / "domains" / "sound" / "domain.yaml", project / "domains" / "broken" / "domain.yaml")
    text = (project / "domains" / "broken" / "domain.yaml").read_text().replace("sound", "broken")
    (project / "domains" / "broken" / "domain.yaml").write_text(text)
    found["broken"].reload_code(BOUND)
    assert "SerializableErrorInfo" not in found["broken"].list_repositories()


def test_a_location_that_is_added_is_served(project: Path, shared: Path) -> None:
    """A new domain is there when Dagster reads the shared file again."""
    new_domain(project, "added")
    wait_for(lambda: "added" in clients(shared), "the new location is served", BOUND)
    assert "SerializableErrorInfo" not in clients(shared)["added"].list_repositories()
