"""Tests of `mesh doctor`, `mesh config show` and the completion of names, on a project without a broker."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.scaffold import new_domain, new_project
from tests.meshes import ROOT
from tests.registry_server import running_registry


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with one domain."""
    new_project(tmp_path / "mesh")
    new_domain(tmp_path / "mesh", "sales")
    return tmp_path / "mesh"


def run(root: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line on a project."""
    return subprocess.run(
        [sys.executable, "-m", "mesh_defs.cli", "--project", str(root), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def test_doctor_tries_every_part(root: Path) -> None:
    """Each part has a verdict; a local Kafka that rests is a warning, no failure."""
    done = run(root, "doctor", "--json")
    verdicts = {verdict["part"]: verdict for verdict in json.loads(done.stdout)}
    assert done.returncode == 0, verdicts
    assert set(verdicts) == {
        *("python", "extensions", "configuration", "disk", "port of the UI", "java", "jars", "port of Kafka"),
        *("code locations", "contracts", "broker main", "registry", "store sales", "daemon"),
    }
    assert verdicts["broker main"]["state"] == "warning"
    assert "mesh up" in verdicts["broker main"]["do"]
    assert "not used" in verdicts["registry"]["found"]


def test_doctor_says_which_code_locations_are_missing(root: Path) -> None:
    """An old project's workspace file lacks the mesh's own, and with it the alerts; the line to add is named."""
    (root / "workspace.yaml").write_text("load_from: []\n")
    done = run(root, "doctor", "--json")
    verdict = next(v for v in json.loads(done.stdout) if v["part"] == "code locations")
    assert done.returncode == 0
    assert verdict["state"] == "warning"
    entries = re.findall("`(- .*?)`", verdict["do"])
    (root / "workspace.yaml").write_text("\n".join(["load_from:", *entries]))
    done = run(root, "doctor", "--json")
    verdict = next(v for v in json.loads(done.stdout) if v["part"] == "code locations")
    assert verdict["state"] == "ok"


def test_doctor_says_which_definitions_are_gone(root: Path) -> None:
    """A code location whose file is not there cannot be loaded, whatever the contracts say."""
    (root / "domains" / "sales" / "definitions.py").unlink()
    done = run(root, "doctor", "--json")
    verdict = next(v for v in json.loads(done.stdout) if v["part"] == "code locations")
    assert (done.returncode, verdict["state"]) == (1, "failed")
    assert "domains/sales/definitions.py" in verdict["found"]


def test_doctor_says_what_failed(root: Path) -> None:
    """A contract that is refused, a broker that does not answer and a damaged store, a line each, exit code 1."""
    (root / "domains" / "sales" / "streams" / "x.odcs.yaml").write_text("kind: nothing\n")
    (root / "data" / "sales").mkdir(parents=True)
    (root / "data" / "sales" / "catalog.sqlite").write_bytes(b"no database")
    done = run(root, "doctor", MESH_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 1
    states = {line[:16].strip(): line[18:25].strip() for line in done.stdout.splitlines()}
    assert {part for part, state in states.items() if state == "failed"} == {
        *("contracts", "broker main", "store sales"),
    }


def test_doctor_without_a_configuration(root: Path) -> None:
    """The machine is examined all the same."""
    (root / "mesh.toml").write_text("[msh]\n")
    done = run(root, "doctor", "--json")
    assert done.returncode == 1
    assert [(v["part"], v["state"]) for v in json.loads(done.stdout)][-1] == ("configuration", "failed")


def test_config_show_hides_secrets(root: Path) -> None:
    """What the environment overrides is shown; passwords are not."""
    with (root / "mesh.toml").open("a") as file:
        file.write('[kafka.other]\n"bootstrap.servers" = "a:1"\n"sasl.password" = "${PW}"\n')
    done = run(root, "config", "show", "--json", PW="hunter2", MESH_BOOTSTRAP_SERVERS="b:2")
    shown = json.loads(done.stdout)
    assert shown["kafka"]["main"] == {"bootstrap.servers": "b:2"}
    assert shown["kafka"]["other"]["bootstrap.servers"] == "a:1"
    assert "hunter2" not in done.stdout + run(root, "config", "show", PW="hunter2").stdout


@pytest.mark.parametrize(
    ("words", "found"), [("mesh ingest sa", "sales"), ("mesh doc", "doctor"), ("mesh logs ", "")]
)
def test_shell_completes(root: Path, words: str, found: str) -> None:
    """Commands and the project's own names complete."""
    done = subprocess.run(
        [sys.executable, "-m", "mesh_defs.cli"],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "_MESH_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        },
    )
    assert done.stdout.strip() == found
    assert done.stderr == ""


def test_doctor_asks_the_registry(root: Path) -> None:
    """A folder that is sound, one with a changed file, a service that answers, and one that does not."""
    config = root / "mesh.toml"
    plain = config.read_text()
    config.write_text(plain + '\n[registry.main]\ndirectory = "schemas"\n')
    assert registry_verdict(root) == ("failed", f"{root / 'schemas'} is no folder")
    (root / "schemas").mkdir()
    (root / "a.avsc").write_text('{"type": "array", "items": "int"}')
    assert run(root, "registry", "add", str(root / "a.avsc"), "--subject", "a").returncode == 0
    assert registry_verdict(root) == ("ok", f"1 subjects in {root / 'schemas'}")
    (root / "schemas" / "a" / "1.avsc").write_text('"string"')
    assert registry_verdict(root)[0] == "failed"
    with running_registry() as server:
        server.user_info = "me:hunter3"
        config.write_text(plain + f'\n[registry.main]\nurl = "{server.url}"\n')
        assert registry_verdict(root)[1].endswith("it refuses the credentials (HTTP 401)")
        config.write_text(config.read_text() + 'basic.auth.user.info = "me:hunter3"\n')
        assert registry_verdict(root) == ("ok", f"0 subjects in {server.url.removeprefix('http://')}")
    assert registry_verdict(root)[1].endswith("it does not answer (ConnectError)")


def registry_verdict(root: Path) -> tuple[str, str]:
    """Return state and finding of the part `registry main`; no secret is in either."""
    verdicts = json.loads(run(root, "doctor", "--json").stdout)
    found = next(verdict for verdict in verdicts if verdict["part"] == "registry main")
    assert "hunter3" not in str(found)
    return found["state"], found["found"].rpartition("cannot read the schema registry main: ")[2]
