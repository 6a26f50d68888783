"""What a new user waits for: from a clone to a green UI, and from an unknown topic to rows in SQL.

    .venv/bin/python bench/first_run.py [--parts cold,warm,again,tutorial] [--settle SECONDS]

Everything happens in a scratch HOME without any cache; settings of pip, uv and Maven that say where packages come from
are taken over. `cold` clones the checkout's last commit and runs `./mesh up`: the time until web server and daemon
answer, and until the UI is green, that is, every table and product of every domain has been materialised. `warm` does
the same in a second clone with the caches that the first one filled; `again` starts the second clone once more;
`tutorial` types the tutorial's commands up to its first question in SQL. Memory is that of all processes of `mesh up`
together, the replay, Kafka and running Dagster runs included: the most seen between its start and the end of the time
to settle after green, and at that end.
"""

from __future__ import annotations

import argparse
import http.client
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
ANSWERING = {"webserver", "daemon"}
ASSETS = "{assetNodes{assetKey{path} groupName assetMaterializations(limit:1){runId}}}"
LOOK_SECONDS = 2.0
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
        pss: Megabytes; what several processes share counts once.
        uss: Megabytes that belong to one process alone.
    """

    pss: float
    uss: float
    processes: int


@dataclass(frozen=True)
class Start:
    """How a start went.

    Attributes:
        answering: Seconds until web server and daemon answered.
        green: Seconds until every asset of every domain was materialised.
        domains: How many domains there are.
        assets: How many tables and products.
        most: The most memory seen.
        settled: The memory at the end.
    """

    answering: float
    green: float
    domains: int
    assets: int
    most: Memory
    settled: Memory


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
def up(folder: Path, environment: dict[str, str], port: int) -> Iterator[subprocess.Popen[str]]:
    """Run `./mesh up` until web server and daemon answer; stop it at the end."""
    log = folder.with_suffix(".log").open("wb")
    command = ["./mesh", "up", "--port", str(port), "--json"]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
    )
    try:
        wait_until_answering(process, Path(log.name))
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        log.close()


def wait_until_answering(process: subprocess.Popen[str], log: Path) -> None:
    """Read the parts' lines until web server and daemon run."""
    running: set[str] = set()
    if process.stdout is None:
        sys.exit("mesh up has no standard output")
    while not running >= ANSWERING:
        line = process.stdout.readline()
        if not line:
            sys.exit(f"mesh up ended early:\n{log.read_text(encoding='utf-8')[-2000:]}")
        report = json.loads(line)
        if report["state"] == "running":
            running.add(report["part"])


def materialised(port: int) -> dict[tuple[str, str], bool]:
    """Return the tables and products, and whether each has been materialised."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        body = json.dumps({"query": ASSETS})
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        nodes = json.loads(connection.getresponse().read())["data"]["assetNodes"]
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    tables = (node for node in nodes if len(node["assetKey"]["path"]) == len(("domain", "table")))
    return {tuple(node["assetKey"]["path"]): bool(node["assetMaterializations"]) for node in tables}


def memory(process: subprocess.Popen[str]) -> Memory:
    """Return what a process and all that it started take."""
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    read = [taken for member in family if (taken := _taken(member.pid)) is not None]
    return Memory(sum(pss for pss, _ in read) / 1024, sum(uss for _, uss in read) / 1024, len(read))


def _taken(pid: int) -> tuple[int, int] | None:
    """Return a process's PSS and USS in KiB, None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return None
    sizes = {words[0]: int(words[1]) for words in map(str.split, text.splitlines()[1:])}
    return sizes["Pss:"], sizes["Private_Clean:"] + sizes["Private_Dirty:"]


def start(folder: Path, environment: dict[str, str], settle: float, *, fresh: bool) -> Start:
    """Start a mesh, from before the clone where it is `fresh`, and look at it until it has settled."""
    began = time.perf_counter()
    if fresh:
        clone(folder, environment)
    port = free_port()
    with up(folder, environment, port) as process:
        answering = time.perf_counter() - began
        seen = [memory(process)]
        assets: dict[tuple[str, str], bool] = {}
        while not assets or not all(assets.values()):
            if time.perf_counter() - began > BOUND:
                missing = sorted(".".join(key) for key, done in assets.items() if not done)
                sys.exit(f"not materialised after {BOUND:.0f} s: {', '.join(missing)}")
            time.sleep(LOOK_SECONDS)
            seen.append(memory(process))
            assets = materialised(port)
        green = time.perf_counter() - began
        while time.perf_counter() - began < green + settle:
            time.sleep(LOOK_SECONDS)
            seen.append(memory(process))
    domains = {domain for domain, _ in assets}
    most = max(seen, key=lambda taken: taken.pss)
    return Start(answering, green, len(domains), len(assets), most, seen[-1])


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


def told(part: str, done: Start) -> str:
    """Return the line for a start."""
    what = "from the command" if part == "again" else "from clone"
    memories = "; ".join(
        f"{name} {taken.pss:,.0f} MB PSS, {taken.uss:,.0f} MB USS in {taken.processes} processes"
        for name, taken in (("at most", done.most), ("at the end", done.settled))
    )
    return (
        f"{part + ':':9} {done.answering:6.1f} s {what} to a UI that answers, {done.green:6.1f} s to green "
        f"({done.assets} tables and products of {done.domains} domains materialised); {memories}"
    )


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="a list of: cold, warm, again, tutorial")
    parser.add_argument(
        "--settle", type=float, default=60.0, help="seconds after green in which memory is looked at"
    )
    options = parser.parse_args()
    parts = options.parts.split(",")
    if not {"cold"} <= set(parts) <= set(PARTS):
        parser.error(f"name some of {', '.join(PARTS)}; cold is always among them")
    scratch = Path(tempfile.mkdtemp(prefix="mesh-first-run-"))
    try:
        environment = scratch_environment(scratch / "home")
        for part in filter(parts.__contains__, PARTS):
            with CONSOLE.status(part):
                if part == "tutorial":
                    seconds = tutorial(scratch / "cold", scratch / "tutorial", environment)
                    print(f"tutorial: {seconds:6.1f} s from an unknown topic to rows in SQL", flush=True)
                    continue
                name = part if part != "again" else "warm" if "warm" in parts else "cold"
                done = start(scratch / name, environment, options.settle, fresh=part != "again")
                print(told(part, done), flush=True)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
