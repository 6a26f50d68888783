"""Tests of `mesh up` and `mesh process run` as a person runs them, with Kafka and Dagster."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.broker.ports import free_port
from mesh_defs.scaffold import new_domain, new_project
from mesh_defs.supervisor.family import family
from mesh_defs.supervisor.graphql import broken_locations, web_server_answers
from mesh_defs.supervisor.state import RunState, read_state

ROOT = Path(__file__).parents[2]
LONG = 240
BROKEN = '[process.broken]\ncommand = "no-such-program"\n'

Mesh = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a new project with a process."""
    new_project(tmp_path)
    with (tmp_path / "mesh.toml").open("a", encoding="utf-8") as file:
        file.write(f'[process.show]\ncommand = "python show.py one"\n{BROKEN}')
    (tmp_path / "show.py").write_text(
        "import json, os, sys\n"
        "names = ['MESH_PROJECT', 'DAGSTER_HOME', 'MESH_BOOTSTRAP_SERVERS']\n"
        "print(json.dumps([sys.argv[1:], os.getcwd(), sys.executable, *map(os.environ.get, names)]))\n"
        "raise SystemExit(7)\n",
        encoding="utf-8",
    )
    return tmp_path


@pytest.fixture
def mesh(project: Path) -> Iterator[Mesh]:
    """Return a starter of the command line; what it leaves is killed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mesh_defs.cli", "--project", str(project), *arguments],
            env={**environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    left = read_state(project / "data" / "run" / "up.json")
    for process in started:
        process.kill()
        process.communicate(timeout=LONG)
    for process in list(family(left)) if left else []:
        process.kill()


def refusal(process: subprocess.Popen[str]) -> str:
    """Return the single line with which a command refuses."""
    out, err = process.communicate(timeout=LONG)
    assert (process.returncode, out) == (1, "")
    (line,) = err.splitlines()
    return line


def until_up(process: subprocess.Popen[str]) -> dict[str, dict[str, Any]]:
    """Return the reports of the mesh's own parts once each is well."""
    assert process.stdout is not None
    assert process.stderr is not None
    reports: dict[str, dict[str, Any]] = {}
    while len(reports) < len(("kafka", "code", "resident", "webserver", "daemon")):
        line = process.stdout.readline()
        assert line, process.stderr.read()
        report = json.loads(line)
        assert report["state"] == "running"
        reports[report["part"]] = report
    return reports


def until_said(process: subprocess.Popen[str], text: str) -> str:
    """Return what a process has warned of, up to the line that holds the text."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if text in line:
            return said
    raise AssertionError(f"it never said {text!r}: {said}")


def until_ended(process: subprocess.Popen[str], part: str) -> str:
    """Return how a process of mesh.toml ended."""
    assert process.stdout is not None
    for line in process.stdout:
        report = json.loads(line)
        if report["part"] == part and report["state"] != "running":
            return str(report["state"])
    raise AssertionError(f"{part} never ended")


def state_of(project: Path) -> RunState:
    """Return what the running `mesh up` wrote down."""
    state = read_state(project / "data" / "run" / "up.json")
    assert state is not None
    return state


@pytest.mark.slow
def test_up_killed_up_again_and_stopped(project: Path, mesh: Mesh) -> None:
    """The mesh comes up with a broken domain beside a sound one, after kill -9 too, and stops in 15 seconds.

    The second time its process runs as well, and is told where the local Kafka is.
    """
    for name in ("sound", "broken"):
        new_domain(project, name)
    (project / "domains" / "broken" / "domain.yaml").write_text("nme: x\n", encoding="utf-8")
    workspace = project / "workspace.yaml"
    before = workspace.read_text(encoding="utf-8")
    new_domain(project, "forgotten")
    workspace.write_text(before, encoding="utf-8")
    port = free_port()
    first = mesh("up", "--port", str(port), "--no-replay", "--json")
    reports = until_up(first)
    assert reports["webserver"]["address"] == f"http://127.0.0.1:{port}"
    assert web_server_answers(port)
    assert set(broken_locations(port)) == {"broken"}
    said = until_said(first, "the domain broken does not load")  # told after the last part's report
    assert "workspace.yaml lacks the code location forgotten" in said
    killed = state_of(project)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=LONG)
    config = project / "mesh.toml"
    config.write_text(config.read_text(encoding="utf-8").replace(BROKEN, ""), encoding="utf-8")
    again = mesh("up", "--port", str(port), "--json")
    address = until_up(again)["kafka"]["address"]
    assert until_ended(again, "show") == "failed"
    log = (project / "data" / "logs" / "show.log").read_text(encoding="utf-8")
    assert json.loads(log)[-1] == address
    assert not list(family(killed))
    state = state_of(project)
    asked = time.monotonic()
    again.send_signal(signal.SIGTERM)
    again.communicate(timeout=LONG)
    assert time.monotonic() - asked < 15  # promised by the product, not a measure of this machine
    assert again.returncode == 0
    assert not list(family(state))
    assert {path.name for path in (project / "data" / "logs").iterdir()} >= {
        *("kafka.log", "webserver.log", "daemon.log"),
    }


def test_up_says_who_holds_the_port(mesh: Mesh) -> None:
    """A taken port is one line that names the process, before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        line = refusal(mesh("up", "--port", str(port)))
    assert f"port {port}" in line
    assert f"(process {os.getpid()})" in line


def test_up_without_a_workspace_file(project: Path, mesh: Mesh) -> None:
    """A project without workspace.yaml is told what to write."""
    (project / "workspace.yaml").unlink()
    assert "load_from:" in refusal(mesh("up"))


def test_process_run_becomes_the_program(project: Path, mesh: Mesh) -> None:
    """The program gets the added arguments, the project as its folder, and its exit code is the command's."""
    process = mesh("process", "run", "show", "--", "--speed", "max")
    out, err = process.communicate(timeout=LONG)
    assert (process.returncode, err) == (7, "")
    arguments, folder, python, root, home, kafka = json.loads(out)
    assert arguments == ["one", "--speed", "max"]
    assert Path(folder) == Path(root) == project.resolve()
    assert Path(python).parent == Path(sys.executable).parent
    assert home == str(project.resolve() / "data" / "dagster")
    assert kafka is None


@pytest.mark.slow
def test_process_run_is_told_the_local_kafka(mesh: Mesh) -> None:
    """While it runs, its address is in the program's environment, as the mesh's own commands understand it."""
    started, _ = mesh("broker", "start", "--json").communicate(timeout=LONG)
    out, _ = mesh("process", "run", "show").communicate(timeout=LONG)
    mesh("broker", "stop").communicate(timeout=LONG)
    assert json.loads(out)[-1] == json.loads(started)["address"]


def test_processes_are_listed(mesh: Mesh) -> None:
    """With their commands, in the file's order."""
    out, _ = mesh("process", "list", "--json").communicate(timeout=LONG)
    assert json.loads(out) == [
        {"name": "show", "command": "python show.py one"},
        {"name": "broken", "command": "no-such-program"},
    ]


def test_process_run_refuses_clearly(mesh: Mesh) -> None:
    """An unknown name is answered with the nearest one, a missing program with its name."""
    assert "did you mean 'show'?" in refusal(mesh("process", "run", "shwo"))
    assert "no-such-program" in refusal(mesh("process", "run", "broken"))
