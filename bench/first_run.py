"""What a new user waits for: from a clone to a green UI, and from an unknown topic to rows in SQL.

    .venv/bin/python bench/first_run.py [--parts cold,warm,again,tutorial] [--settle SECONDS]

Everything happens in a scratch HOME without any cache; settings of pip, uv and Maven that say where packages come from
are taken over. `cold` clones the checkout's last commit and runs `./mesh up` until web server and daemon answer; `warm`
does the same in a second clone with the caches that the first one filled; `again` starts the second clone once more;
`tutorial` types the tutorial's commands up to its first question in SQL. Memory is that of all processes of
`mesh up` together, once it is green and has settled.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.docs.markdown import Block, blocks  # noqa: E402 - the reader of pages is the tests' own

PARTS = ("cold", "warm", "again", "tutorial")
GREEN = {"webserver", "daemon"}
SETTINGS = {
    "PIP_CONFIG_FILE": (".config/pip/pip.conf", ".pip/pip.conf"),
    "UV_CONFIG_FILE": (".config/uv/uv.toml",),
}
FOREIGN = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "XDG_CACHE_HOME", "UV_CACHE_DIR", "PIP_CACHE_DIR")
BOUND = 1_800.0
CONSOLE = Console(stderr=True)


@dataclass(frozen=True)
class Memory:
    """What the processes take together.

    Attributes:
        kind: `PSS`, which shares what is shared, or `RSS`, which counts it for each.
    """

    kind: str
    megabytes: float
    processes: int


def scratch_environment(home: Path) -> dict[str, str]:
    """Return an environment with an empty HOME; only where packages come from is taken over."""
    home.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in FOREIGN and not name.startswith("MESH_")
    }
    if "MESH_MAVEN_MIRROR" in os.environ:
        environment["MESH_MAVEN_MIRROR"] = os.environ["MESH_MAVEN_MIRROR"]
    own = str(ROOT / ".venv")
    path = os.pathsep.join(p for p in environment["PATH"].split(os.pathsep) if not p.startswith(own))
    environment |= {"HOME": str(home), "PATH": path}
    for name, places in SETTINGS.items():
        found = next((Path.home() / place for place in places if (Path.home() / place).is_file()), None)
        if found is not None:
            environment.setdefault(name, str(found))
    maven = Path.home() / ".m2" / "settings.xml"
    if maven.is_file():
        (home / ".m2").mkdir()
        (home / ".m2" / "settings.xml").symlink_to(maven)
    return environment


def clone(folder: Path, environment: dict[str, str]) -> None:
    """Clone the checkout's last commit."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], env=environment, check=True)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def up(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run `./mesh up` until it is green; stop it at the end."""
    log = folder.with_suffix(".log").open("wb")
    command = ["./mesh", "up", "--port", str(free_port()), "--json"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        wait_until_green(process, Path(log.name))
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        log.close()


def wait_until_green(process: subprocess.Popen[str], log: Path) -> None:
    """Read the parts' lines until web server and daemon run."""
    running: set[str] = set()
    if process.stdout is None:
        sys.exit("mesh up has no standard output")
    while not running >= GREEN:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"mesh up ended early:\n{log.read_text(encoding='utf-8')[-2000:]}")
        report = json.loads(line)
        if report["state"] == "running":
            running.add(report["part"])


def memory(process: subprocess.Popen[str]) -> Memory:
    """Return what a process and all that it started take, Kafka's session included."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    pss = [_pss(member.pid) for member in family]
    read = [value for value in pss if value is not None]
    if read and len(read) == len(family):
        return Memory("PSS", sum(read) / 1024, len(family))
    rss = [member.memory_info().rss for member in family if member.is_running()]
    return Memory("RSS", sum(rss) / 1024 / 1024, len(family))


def _pss(pid: int) -> int | None:
    """Return a process's proportional set size in KiB, None where the kernel does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), None)


def first_start(
    folder: Path, environment: dict[str, str], settle: float, *, fresh: bool
) -> tuple[float, Memory]:
    """Return the seconds to green, from before the clone where it is `fresh`, and the memory then."""
    began = time.perf_counter()
    if fresh:
        clone(folder, environment)
    with up(folder, environment) as process:
        seconds = time.perf_counter() - began
        time.sleep(settle)
        return seconds, memory(process)


def typed(block: Block) -> bool:
    """Say whether a person types a block of the tutorial up to its first question."""
    return block.file is not None or block.language == "sh"


def tutorial(checkout: Path, folder: Path, environment: dict[str, str]) -> float:
    """Follow the tutorial up to its first answer, and return the seconds that its commands took."""
    programs = folder / "bin"
    programs.mkdir(parents=True)
    (programs / "mesh").symlink_to(checkout / "mesh")
    environment = environment | {"PATH": os.pathsep.join([str(programs), environment["PATH"]])}
    place = folder
    seconds = 0.0
    try:
        for block in filter(typed, blocks(checkout / "docs" / "tutorial.md")):
            if block.file is not None:
                (place / block.file).parent.mkdir(parents=True, exist_ok=True)
                (place / block.file).write_text(block.text, encoding="utf-8")
                continue
            script = f"trap 'pwd >\"{folder}/place\"' EXIT\n{block.text}"
            began = time.perf_counter()
            subprocess.run(
                ["sh", "-ec", script],
                cwd=place,
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=BOUND,
            )
            seconds += time.perf_counter() - began
            place = Path((folder / "place").read_text(encoding="utf-8").strip())
            if "mesh sql" in block.text:
                return seconds
    finally:
        subprocess.run(
            ["mesh", "broker", "stop"], cwd=place, env=environment, check=False, stdout=subprocess.DEVNULL
        )
    sys.exit("the tutorial asks nothing in SQL")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="a list of: cold, warm, again, tutorial")
    parser.add_argument(
        "--settle", type=float, default=20.0, help="seconds between green and looking at memory"
    )
    options = parser.parse_args()
    parts = options.parts.split(",")
    if not {"cold"} <= set(parts) <= set(PARTS):
        parser.error(f"name some of {', '.join(PARTS)}; cold is always among them")
    scratch = Path(tempfile.mkdtemp(prefix="mesh-first-run-"))
    try:
        environment = scratch_environment(scratch / "home")
        for part in PARTS:
            if part not in parts:
                continue
            with CONSOLE.status(part):
                if part == "tutorial":
                    seconds = tutorial(scratch / "cold", scratch / "tutorial", environment)
                    print(f"tutorial: {seconds:6.1f} s from an unknown topic to rows in SQL", flush=True)
                    continue
                folder = scratch / (
                    "warm" if part == "again" and "warm" in parts else "cold" if part == "again" else part
                )
                seconds, taken = first_start(folder, environment, options.settle, fresh=part != "again")
                what = "from the command" if part == "again" else "from clone"
                print(
                    f"{part + ':':9} {seconds:6.1f} s {what} to green; {taken.megabytes:,.0f} MB {taken.kind}"
                    f" in {taken.processes} processes",
                    flush=True,
                )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
