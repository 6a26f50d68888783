"""The example's six domains as a newcomer sees them after `mesh up`."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Page, expect

from mesh_defs.broker import free_port
from tests.browser.conftest import wait_until
from tests.meshes import ROOT

# Whichever comes first waits for the whole example, and Dagster reloads one location after the other.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

Picture = Callable[[str], None]

DOMAINS = ("fleet", "network", "operations", "passengers", "punctuality", "weather")
TABLES = {
    ("operations", "flight_events"),
    ("operations", "flight_states"),
    ("weather", "observations"),
    ("fleet", "aircraft"),
    ("network", "airports"),
    ("network", "airlines"),
    ("passengers", "bookings"),
    ("passengers", "profiles"),
    ("punctuality", "flights"),
    ("punctuality", "delay_by_hour"),
    ("punctuality", "weather_impact"),
    ("punctuality", "aircraft_day"),
}
MATERIALISED = "{assetNodes{assetKey{path} assetMaterializations(limit:3){runId}}}"
OPEN = "/asset-groups?expanded=global%40global%3Apunctuality%2Cglobal%40global%3Anetwork"
"""The graph with two domains opened."""


RELOAD_MS = 600_000
"""Dagster reloads one location after the other."""


class Example:
    """`mesh up` in a copy of the example, as a fresh clone is.

    Args:
        root: An empty folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        ignored = shutil.ignore_patterns("__pycache__")
        for name in ("domains", "schemas"):
            shutil.copytree(ROOT / name, root / name, ignore=ignored)
        for name in ("mesh.toml", "workspace.yaml"):
            shutil.copy(ROOT / name, root / name)
        self.port = free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}
        self._log = (root / "up.log").open("wb")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "mesh_defs.cli",
                "--project",
                str(root),
                "up",
                "--port",
                str(self.port),
            ],
            env=environment | {"PYTHONPATH": str(ROOT)},
            stdout=self._log,
            stderr=self._log,
        )

    def url(self, path: str) -> str:
        """Return the address of a page."""
        return f"http://127.0.0.1:{self.port}{path}"

    def materialised(self) -> dict[tuple[str, ...], int]:
        """Return how often each asset was materialised, up to three times."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = json.dumps({"query": MATERIALISED})
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
            nodes: list[dict[str, Any]] = json.loads(connection.getresponse().read())["data"]["assetNodes"]
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            connection.close()
        return {tuple(node["assetKey"]["path"]): len(node["assetMaterializations"]) for node in nodes}

    def stop(self) -> list[psutil.Process]:
        """Send SIGTERM and return what is left of its processes."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=120)
        self._log.close()
        _, alive = psutil.wait_procs(family, timeout=30)
        return alive


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """The example, up, its replay running, each of its tables materialised."""
    running = Example(tmp_path_factory.mktemp("example"))
    try:
        wait_until(
            lambda: {table for table, times in running.materialised().items() if times} >= TABLES,
            "all tables and products are materialised",
            bound=1_200,
        )
        yield running
    finally:
        left = running.stop()
    assert left == []


def settled(page: Page) -> None:
    """Wait until the graph has the state of its assets."""
    expect(page.get_by_text("fetching statuses")).to_have_count(0)
    expect(page.get_by_text("Loading")).to_have_count(0)


def test_six_domains_in_one_graph(example: Example, page: Page, picture: Picture) -> None:
    """Each domain is a group; the lines between them lead from its tables to the products of punctuality."""
    page.goto(example.url("/asset-groups"))
    page.get_by_text("Hide navigation").click()
    page.set_viewport_size({"width": 1200, "height": 640})
    page.goto(example.url("/asset-groups"))
    for domain in DOMAINS:
        expect(page.get_by_text(domain, exact=True).last).to_be_visible()
    settled(page)
    picture("six-domains")
    page.set_viewport_size({"width": 1500, "height": 900})
    page.goto(example.url(OPEN))
    for name in ("airports", "airlines", "flights", "delay_by_hour", "weather_impact", "aircraft_day"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    settled(page)
    picture("six-graph")


def test_a_domain_is_a_page(example: Example, page: Page, picture: Picture) -> None:
    """Its group shows the products, and what of other domains they read."""
    page.goto(example.url("/asset-groups"))
    page.get_by_text("Hide navigation").click()
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(example.url("/locations/__repository__@punctuality/asset-groups/punctuality"))
    for name in ("flights", "delay_by_hour", "weather_impact", "aircraft_day", "observations", "airlines"):
        expect(page.get_by_text(name, exact=True).first).to_be_visible()
    settled(page)
    picture("six-group")


def test_an_events_table_has_plots(example: Example, page: Page, picture: Picture) -> None:
    """Rows and lag over time, from the passes of the resident ingester and of runs."""
    wait_until(
        lambda: example.materialised()[("operations", "flight_events")] > 2,
        "there are points to draw",
        bound=600,
    )
    page.goto(example.url("/assets/operations/flight_events"))
    page.get_by_text("Plots", exact=True).click()
    page.get_by_text("lag", exact=True).scroll_into_view_if_needed()
    expect(page.get_by_text("rows", exact=True)).to_be_visible()
    picture("six-plots")


def test_checks_of_a_stream(example: Example, page: Page, picture: Picture) -> None:
    """The ledger, the contract's rules and the platform's own checks, each with its verdict."""
    page.goto(example.url("/assets/operations/flight_events?view=checks&checkDetail=ledger"))
    expect(page.get_by_text("is a row, a dead letter or a recorded gap, once")).to_be_visible()
    expect(page.get_by_text("Passed", exact=True)).to_be_visible()
    picture("six-checks")


def test_sensors_and_schedules_of_all_domains(example: Example, page: Page, picture: Picture) -> None:
    """Every domain has its own, and they are on."""
    page.set_viewport_size({"width": 1400, "height": 1500})
    page.goto(example.url("/automation"))
    for domain in DOMAINS:
        expect(page.get_by_role("link", name=re.compile(f"{domain}__")).first).to_be_visible()
    # Three of each domain with sources, two of the one with products alone, three of the mesh itself.
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(3 * len(DOMAINS) + 2)
    picture("six-automation")


def test_a_domain_that_breaks_is_alone(example: Example, page: Page, picture: Picture) -> None:
    """A slip in the contract of one domain: its location fails with the reason, the others stay loaded."""
    contract = example.root / "domains" / "weather" / "streams" / "observations.odcs.yaml"
    sound = contract.read_text(encoding="utf-8")
    contract.write_text(sound.replace("eventKind", "eventKnd"), encoding="utf-8")
    try:
        page.goto(example.url("/deployment/locations"))
        page.get_by_role("button", name="Reload all").click()
        expect(page.get_by_text("Failed", exact=True)).to_be_visible(timeout=RELOAD_MS)
        expect(page.get_by_text("Loaded", exact=True)).to_have_count(len(DOMAINS), timeout=RELOAD_MS)
        picture("six-broken")
    finally:
        contract.write_text(sound, encoding="utf-8")
    page.goto(example.url("/deployment/locations"))
    page.get_by_role("button", name="Reload all").click()
    expect(page.get_by_text("Loaded", exact=True)).to_have_count(len(DOMAINS) + 1, timeout=RELOAD_MS)
