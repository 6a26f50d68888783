"""Tests of ``./mesh``: real environments from a tiny lock, built with each tool that this machine has."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).parents[2] / "mesh"
TOOLS = [tool for tool in ("pip", "uv") if tool == "pip" or shutil.which(tool)]
SYSTEM = ("cat", "chmod", "cksum", "dirname", "grep", "id", "ln", "mv", "readlink", "rm", "sh", "uname")
MAIN = "import json, os, sys; print(json.dumps({'args': sys.argv[1:], 'cwd': os.getcwd(), 'path': sys.path}))"


def wheel(folder: Path, name: str) -> str:
    """Write a wheel of one empty module and return its line for a lock."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b'=').decode()},{len(body)}\n"
        for file, body in files.items()
    )
    with zipfile.ZipFile(path, "w") as archive:
        for file, body in files.items():
            archive.writestr(file, body)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """A checkout with the launcher, a tiny package and tiny locks, and a PATH of its own."""

    root: Path
    programs: Path
    wheels: Path

    def lock(self, run: str, test: str) -> None:
        """Write both locks."""
        (self.root / "requirements.lock").write_text(run, encoding="utf-8")
        (self.root / "requirements-test.lock").write_text(test, encoding="utf-8")

    def program(self, name: str, script: str) -> None:
        """Put a program of the test's own on the PATH."""
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def command(self, *args: str, start: Path | None = None) -> subprocess.Popen[str]:
        """Start the launcher, by its own path or another one."""
        return subprocess.Popen(
            [str(start or self.root / "mesh"), *args],
            cwd=self.programs,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def run(self, *args: str, start: Path | None = None) -> tuple[int, str, str]:
        """Run the launcher and return exit code, standard output and standard error."""
        process = self.command(*args, start=start)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def environment(self) -> Mapping[str, str]:
        """Return an environment whose only package source is the test's own folder."""
        return {
            "PATH": str(self.programs),
            "HOME": str(self.programs),
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "UV_NO_INDEX": "1",
            "UV_OFFLINE": "1",
            "UV_FIND_LINKS": str(self.wheels),
            "UV_CACHE_DIR": str(self.programs / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def installed(self) -> set[str]:
        """Return which of the tiny packages the environment has."""
        return {path.stem for path in self.root.glob(".venv/lib/python*/site-packages/tiny*.py")}

    def compiled(self) -> set[str]:
        """Return which of the tiny packages have bytecode."""
        found = self.root.glob(".venv/lib/python*/site-packages/__pycache__/tiny*.pyc")
        return {path.name.partition(".")[0] for path in found}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout in a folder with a blank in its name; pip only, until a test adds uv."""
    root, programs, wheels = tmp_path / "two words", tmp_path / "bin", tmp_path / "wheels"
    for folder in (root / "mesh_defs" / "cli", programs, wheels):
        folder.mkdir(parents=True)
    shutil.copy2(LAUNCHER, root / "mesh")
    (root / "mesh_defs" / "__init__.py").touch()
    (root / "mesh_defs" / "cli" / "__init__.py").touch()
    (root / "mesh_defs" / "cli" / "__main__.py").write_text(MAIN, encoding="utf-8")
    for tool in SYSTEM:
        (programs / tool).symlink_to(shutil.which(tool) or tool)
    (programs / "python3").symlink_to(sys.base_exec_prefix + f"/bin/python3.{sys.version_info.minor}")
    made = Checkout(root=root, programs=programs, wheels=wheels)
    one, two = wheel(wheels, "tiny_one"), wheel(wheels, "tiny_two")
    made.lock(one, one + two)
    return made


def use(checkout: Checkout, tool: str) -> None:
    """Let the launcher find uv where the test is about it; a shim of it may need the whole PATH."""
    if tool == "uv":
        checkout.program("uv", f"PATH='{os.environ['PATH']}' HOME='{Path.home()}' exec uv \"$@\"")


@pytest.mark.parametrize("tool", TOOLS)
def test_builds_once_and_leaves_standard_output_alone(checkout: Checkout, tool: str) -> None:
    """The first call builds, compiles and runs; the second one runs at once and changes no file."""
    use(checkout, tool)
    code, out, err = checkout.run("--verbose", "status", "a b")
    assert code == 0, err
    result = json.loads(out)
    assert result["args"] == ["--verbose", "status", "a b"]
    assert result["cwd"] == str(checkout.programs)
    assert str(checkout.root) in result["path"]
    assert str(checkout.programs) not in result["path"]
    assert f"bringing up .venv with {tool}" in err
    assert checkout.installed() == checkout.compiled() == {"tiny_one"}
    before = {path: path.lstat().st_mtime_ns for path in checkout.root.rglob("*")}
    code, again, err = checkout.run("status")
    assert (code, err) == (0, "")
    assert json.loads(again)["args"] == ["status"]
    assert before == {path: path.lstat().st_mtime_ns for path in checkout.root.rglob("*")}


@pytest.mark.parametrize("tool", TOOLS)
def test_changed_lock_and_test_lock(checkout: Checkout, tool: str) -> None:
    """`test` adds the development tools, running needs no more then, and a changed lock is followed."""
    use(checkout, tool)
    assert checkout.run("--project", "test", "up")[0] == 0
    assert checkout.installed() == {"tiny_one"}
    assert "bringing up" in checkout.run("--project", "somewhere", "test", "--all")[2]
    assert checkout.installed() == {"tiny_one", "tiny_two"}
    assert checkout.run("up")[2] == ""
    three = wheel(checkout.wheels, "tiny_three")
    checkout.lock(three, three)
    assert checkout.run("up")[0] == 0
    assert checkout.installed() == {"tiny_three"}


@pytest.mark.parametrize("tool", TOOLS)
def test_two_at_once_and_a_killed_one(checkout: Checkout, tool: str) -> None:
    """A half-built environment is redone, by one of two that start together while the other waits."""
    use(checkout, tool)
    half = checkout.root / ".venv" / "bin"
    half.mkdir(parents=True)
    (half / "python").symlink_to(checkout.programs / "python3")
    both = [checkout.command(name) for name in ("first", "second")]
    ended = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert sum("bringing up" in err for _, err in ended) == 1
    assert sorted(json.loads(out)["args"][0] for out, _ in ended) == ["first", "second"]


def test_through_links_and_after_a_move(checkout: Checkout, tmp_path: Path) -> None:
    """A chain of links finds the checkout, and a moved checkout gets a new environment."""
    (tmp_path / "far").symlink_to(tmp_path / "bin" / "near")
    (tmp_path / "bin" / "near").symlink_to(Path("..") / "two words" / "mesh")
    assert checkout.run("x", start=tmp_path / "far")[0] == 0
    moved = checkout.root.rename(tmp_path / "moved")
    code, out, err = checkout.run("x", start=moved / "mesh")
    assert code == 0
    assert "bringing up" in err
    assert str(moved) in json.loads(out)["path"]
    assert json.loads(checkout.run("x", start=moved / ".venv" / "bin" / "mesh")[1])["args"] == ["x"]


@pytest.mark.slow
def test_wrong_hash_is_refused(checkout: Checkout) -> None:
    """A package that is not what the lock says ends the start, and the next call tries again."""
    good = (checkout.root / "requirements.lock").read_text(encoding="utf-8")
    checkout.lock(good.partition("sha256:")[0] + "sha256:" + "0" * 64, good)
    for _ in range(2):
        code, out, err = checkout.run("up")
        assert code != 0
        assert out == ""
        assert err.splitlines()[-1].startswith("mesh: cannot bring up .venv")
    checkout.lock(good, good)
    assert checkout.run("up")[0] == 0


def only_line(checkout: Checkout) -> str:
    """Return the single line with which the launcher refuses."""
    code, out, err = checkout.run("up")
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    return line


def test_debian_python_without_ensurepip(checkout: Checkout) -> None:
    """Debian's python3 without its venv package gives the one command to run."""
    real = (checkout.programs / "python3").readlink()
    checkout.program("python3", f'case $2 in *ensurepip*) exit 1 ;; esac\nexec "{real}" "$@"')
    checkout.program("apt-get", "exit 0")
    checkout.program("id", "echo 1000")
    assert only_line(checkout).endswith("run: sudo apt install python3-venv")
    checkout.program("id", "echo 0")
    assert only_line(checkout).endswith("run: apt install python3-venv")


@pytest.mark.parametrize(
    ("system", "advice"),
    [("Linux", "with your system's package manager"), ("Darwin", "run: brew install python3")],
)
def test_old_or_missing_python(checkout: Checkout, system: str, advice: str) -> None:
    """A Python that is too old, or none, is told in one line with what to run."""
    checkout.program("uname", f"echo {system}")
    checkout.program("python3", "case $2 in *print*) echo 3.9 ;; *) exit 1 ;; esac")
    assert "python3 is 3.9" in only_line(checkout)
    (checkout.programs / "python3").unlink()
    line = only_line(checkout)
    assert "none was found" in line
    assert line.endswith(advice)


def test_windows_is_told_to_use_wsl(checkout: Checkout) -> None:
    """A shell of Windows is told to use WSL."""
    checkout.program("uname", "echo MINGW64_NT-10.0")
    assert "WSL" in only_line(checkout)


def test_folder_that_cannot_be_written(checkout: Checkout) -> None:
    """A checkout that does not take an environment is told in one line."""
    (checkout.root / ".venv.lock").mkdir()
    assert "cannot write to" in only_line(checkout)
