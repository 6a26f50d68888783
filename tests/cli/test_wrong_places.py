"""Files and folders that are not what they should be: one line that says so, never a traceback."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh_defs.cli.main import main
from mesh_defs.contract.domain import read_domain
from mesh_defs.contract.project import Project
from mesh_defs.doctor import Doctor
from mesh_defs.doctor.verdict import Word, tried
from mesh_defs.ingest.failures import Failure, read_failures, write_failures
from mesh_defs.query.shell import script_path, shell_script, write_script
from mesh_defs.scaffold import new_domain, new_project
from mesh_defs.supervisor.state import read_state
from tests.meshes import ROOT

GARBAGE = bytes(range(256))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one domain."""
    new_project(tmp_path / "mesh")
    new_domain(tmp_path / "mesh", "sales")
    return tmp_path / "mesh"


def loop(path: Path) -> None:
    """Put something there that the system itself refuses to follow, whoever asks."""
    path.symlink_to(path)


def looping_domains(root: Path) -> None:
    """Let the folder of the domains lead to itself."""
    (root / "domains").rename(root / "elsewhere")
    loop(root / "domains")


def looping_state(root: Path) -> None:
    """Let the file lead to itself in which `mesh up` writes down what it started."""
    (root / "data" / "run").mkdir(parents=True)
    loop(root / "data" / "run" / "up.json")


def looping_config(root: Path) -> None:
    """Let mesh.toml lead to itself."""
    (root / "mesh.toml").unlink()
    loop(root / "mesh.toml")


@pytest.mark.parametrize(
    ("break_it", "command", "where"),
    [
        (looping_domains, "status", "domains"),
        (looping_domains, "ingest", "domains"),
        (looping_state, "down", "up.json"),
        (looping_config, "status", "mesh.toml"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    *,
    root: Path,
    break_it: Callable[[Path], None],
    command: str,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It names the place and the system's reason; the exit code is 1."""
    break_it(root)
    monkeypatch.setattr(sys, "argv", ["mesh", "--project", str(root), command])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("mesh: cannot ")
    assert where in line
    assert "symbolic links" in line


def test_the_doctor_goes_on_where_the_system_refuses() -> None:
    """A part that cannot even be tried has failed; the others are tried."""

    def attempt() -> None:
        raise PermissionError(13, "Permission denied", "/a/place")

    verdict = tried("disk", attempt)  # type: ignore[arg-type]
    assert (verdict.state, verdict.found) == (
        Word.FAILED,
        "cannot try it: the system says permission denied at /a/place",
    )


def test_the_doctor_examines_the_rest_where_the_data_folder_is_a_file(root: Path) -> None:
    """Neither the state of `mesh up` nor a store can be read: both are verdicts, and the others are there."""
    shutil.rmtree(root / "data", ignore_errors=True)
    (root / "data").write_text("")
    found = {v.part: v for v in Doctor(open_project=lambda: Project.open(root)).examine(lambda _: None)}
    assert found["mesh up"].state is Word.FAILED
    assert "not a directory" in found["mesh up"].found
    assert {"python", "disk", "contracts", "broker main", "store sales", "daemon"} <= found.keys()


def test_the_doctor_examines_the_rest_where_no_domain_can_be_found(root: Path) -> None:
    """The broker is asked all the same."""
    looping_domains(root)
    found = {v.part: v for v in Doctor(open_project=lambda: Project.open(root)).examine(lambda _: None)}
    assert found["contracts"].state is Word.FAILED
    assert {"disk", "broker main", "daemon"} <= found.keys()


def test_a_folder_of_contracts_that_is_closed_is_an_error(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams that nobody may read are not as good as none: the domain does not load."""
    streams = root / "domains" / "sales" / "streams"
    allowed = os.access
    # The tests may run as root, whom no right stops.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != streams and allowed(path, mode))
    loaded = read_domain(root / "domains" / "sales")
    assert loaded.domain is None
    assert [(f.path, f.rule) for f in loaded.findings] == [(streams, "unreadable")]


@pytest.mark.parametrize(
    "text",
    [
        GARBAGE,
        b"",
        b"[]",
        b'{"run": "x", "supervisor": {"name": "s", "pid": "12", "created": 0.0}, "parts": []}',
        b'{"run": "x", "supervisor": {"name": "s", "pid": -1, "created": 0.0}, "parts": []}',
        b'{"run": "x", "supervisor": {"name": "s", "pid": 1, "created": null}, "parts": []}',
        b'{"run": "x", "supervisor": {"name": "s", "pid": 1, "created": 0.0}, "parts": [{"pid": true}]}',
    ],
)
def test_a_damaged_state_of_a_run_counts_as_none(tmp_path: Path, text: bytes) -> None:
    """Whatever a crash or an editor left: the next `mesh up` and `mesh down` work."""
    (tmp_path / "up.json").write_bytes(text)
    assert read_state(tmp_path / "up.json") is None


@pytest.mark.parametrize("text", [GARBAGE, b"", b"[", b"[3]", b'[{"stream": "x"}]', b'{"a": 1}'])
def test_a_damaged_note_of_failures_stops_nothing(tmp_path: Path, text: bytes) -> None:
    """A crash of the machine may tear it: the next pass writes it anew."""
    (tmp_path / "failures.json").write_bytes(text)
    assert read_failures(tmp_path) == ()
    known = Failure(stream="orders", partition=0, error="E", message="m", at="2026-03-01T08:00:00Z")
    write_failures(tmp_path, {"orders"}, [known])
    assert read_failures(tmp_path) == (known,)


def test_a_damaged_script_of_the_shell_is_written_anew(root: Path) -> None:
    """Each pass brings it up to date; whatever stands there, no pass fails of it."""
    project = Project.open(root)
    script_path(project).parent.mkdir(exist_ok=True)
    script_path(project).write_bytes(GARBAGE)
    assert write_script(project).read_text(encoding="utf-8") == shell_script(project)


def test_a_store_that_is_none_is_not_called_nothing_to_ingest(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What standard output says is true also where the domain failed as a whole."""
    shutil.copytree(ROOT / "domains" / "operations", root / "domains" / "operations")
    (root / "data" / "operations").mkdir(parents=True)
    (root / "data" / "operations" / "catalog.sqlite").write_bytes(GARBAGE)
    monkeypatch.setattr(sys, "argv", ["mesh", "--project", str(root), "ingest", "operations"])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert (ended.value.code, out) == (1, "nothing was ingested\n")
    assert "file is not a database" in err
