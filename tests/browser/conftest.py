"""A real web server and daemon over a small mesh, and a real browser."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from mesh_defs.broker import free_port
from mesh_defs.devtools.chromium import find_chromium
from mesh_defs.orchestration import prepare_home
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder
from tests.orchestration.mesh_of_two import mesh_of_two, order

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = "MESH_SCREENSHOTS"
"""Names a folder for the pictures of the documentation; unset, none are taken."""

BOUND = 300.0
"""Seconds after which a wait fails; the first start of six code servers takes a minute on two cores."""

PAGE_MS = 120_000
"""How long a page may take to show what is expected, milliseconds; generous, for slow machines."""

DEFINITIONS = """from pathlib import Path

from mesh_defs.orchestration import build_domain

defs = build_domain(Path(__file__).parent)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dagster:
    """A running web server with its daemon.

    Attributes:
        mesh: The project that they show: `shop` and `sales` are well, `broken` is not.
        orders: The topic of `shop.orders`.
        returns: The topic of `shop.returns`, which stops at a bad record.
    """

    mesh: MeshFolder
    port: int
    orders: str
    returns: str

    def breaks(self) -> None:
        """Make the contract of `broken` one that cannot be read."""
        self.mesh.stream("broken.orders", self.orders, envelopp="none")

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    def ask(self, query: str) -> Any:
        """Ask over GraphQL; None while nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                "POST", "/graphql", json.dumps({"query": query}), {"Content-Type": "application/json"}
            )
            return json.loads(connection.getresponse().read())["data"]
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def materialised(self, *path: str) -> int:
        """Return how often an asset was materialised, up to 100."""
        query = "{assetOrError(assetKey:{path:%s}){... on Asset{assetMaterializations(limit:100){runId}}}}"
        data = self.ask(query % json.dumps(path))
        return len(((data or {}).get("assetOrError") or {}).get("assetMaterializations", []))

    def evaluated(self, domain: str, table: str, check: str) -> int:
        """Return how often a check was evaluated, up to 100."""
        query = '{assetCheckExecutions(assetKey:{path:["%s","%s"]},checkName:"%s",limit:100){status}}'
        data = self.ask(query % (domain, table, check)) or {}
        return len([e for e in data.get("assetCheckExecutions", []) if e["status"] != "IN_PROGRESS"])


def wait_until(condition: Callable[[], object], what: str, bound: float = BOUND) -> None:
    """Wait until a condition holds; fail the test where it does not within `bound` seconds."""
    deadline = time.monotonic() + bound
    while not condition():
        assert time.monotonic() < deadline, f"waited {bound:.0f} s in vain until {what}"
        threading.Event().wait(0.5)


@pytest.fixture(scope="session")
def dagster(tmp_path_factory: pytest.TempPathFactory, kafka: KafkaServer) -> Iterator[Dagster]:
    """Dagster over a mesh of two domains and a broken one, after the sensors brought in the first records."""
    root = tmp_path_factory.mktemp("browser") / "mesh"
    orders = kafka.topic(partitions=2, name="shop.orders.v1")
    returns = kafka.topic(name="shop.returns.v1")
    mesh = mesh_of_two(root, kafka.bootstrap, orders, returns)
    mesh.stream("shop.returns", returns, onError="fail")
    found = Dagster(mesh=mesh, port=free_port(), orders=orders, returns=returns)
    found.breaks()
    kafka.produce(orders, [*(order(n) for n in range(40)), b"not json"], partition=0)
    kafka.produce(orders, [order(n) for n in range(25)], partition=1)
    _write_locations(mesh, ("shop", "sales", "broken"))
    with _programs(found):
        wait_until(lambda: found.materialised("sales", "totals"), "the product is there")
        yield found


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a real browser."""
    chromium = find_chromium()
    if chromium is None:
        pytest.skip("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=ARGUMENTS)
        opened = browser.new_page(viewport={"width": 1400, "height": 860}, device_scale_factor=1)
        opened.set_default_timeout(PAGE_MS)
        expect.set_options(timeout=PAGE_MS)
        yield opened
        browser.close()


@pytest.fixture
def picture(page: Page) -> Callable[[str], None]:
    """Takes a picture of the page under a name, where the person asked for pictures."""

    def take(name: str) -> None:
        folder = os.environ.get(SCREENSHOTS)
        if folder:
            page.wait_for_load_state("networkidle")
            page.screenshot(path=str(Path(folder) / f"{name}.png"), animations="disabled")

    return take


def _write_locations(mesh: MeshFolder, domains: tuple[str, ...]) -> None:
    entries = []
    for domain in domains:
        (mesh.root / "domains" / domain / "definitions.py").write_text(DEFINITIONS)
        entries.append(
            f"  - python_file: {{relative_path: domains/{domain}/definitions.py, "
            f"working_directory: ., location_name: {domain}}}\n"
        )
    (mesh.root / "workspace.yaml").write_text("load_from:\n" + "".join(entries))


@contextmanager
def _programs(dagster: Dagster) -> Iterator[None]:
    """Run the web server and the daemon; afterwards nothing of them is left."""
    home = prepare_home(dagster.mesh.open())
    environment = {
        **{k: v for k, v in os.environ.items() if not re.match("DAGSTER_|MESH_", k)},
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": str(ROOT),
    }
    commands = (
        ["dagster_webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(dagster.port)],
        ["dagster._daemon", "run", "-w", "workspace.yaml"],
    )
    with (home.parent / "dagster.log").open("wb") as log, ExitStack() as started:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=dagster.mesh.root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            started.callback(_end, process)
        yield


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program as Ctrl-C would, and then whatever is left of its session."""
    os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(60)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)
