"""Every block of the README and of docs/ is run, or says why it is not and is at least read by what it is for."""

from __future__ import annotations

import configparser
import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mesh_defs.model.config import load_config
from tests.conftest import KafkaServer
from tests.docs.markdown import Block, blocks
from tests.meshes import ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LONG = {
    f"{name}.md" for name in ("query", "avro-and-registries", "data-at-rest", "event-types", "change-data")
}
"""How-to pages that start much and wait for it."""
RUN = ("sh", "python", "sql")
READ = ("yaml", "toml", "ini", "text", "mermaid")
MATCH = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(?:#([^)]*))?\)")
PICTURE = re.compile(r"!\[[^\]]+\]\((?:\.\./)*(?:docs/)?images/([\w-]+)\.png\)")
TAKEN = re.compile(r'picture\("([\w-]+)"\)')
PICTURES = {f"six-{name}" for name in ("domains", "group", "plots", "checks", "broken", "automation")}
"""The graph over all domains, a group, a table's plots, its checks, a failing domain, sensors and schedules."""
PLACEHOLDER = re.compile(r"\$\{(\w+)\}")


class Reader:
    """A person who does what a page says, from its top to its end, in a scratch copy of the checkout.

    Args:
        home: An empty folder.
        bootstrap: Of the Kafka that runs already.
    """

    def __init__(self, home: Path, bootstrap: str) -> None:
        self.folder = home / "checkout"
        for name in ("domains", "schemas", "mesh.toml", "workspace.yaml"):
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                self.folder.mkdir(exist_ok=True)
                shutil.copy(source, self.folder / name)
        programs = home / "bin"
        programs.mkdir()
        for path in (programs / "mesh", self.folder / "mesh"):
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m mesh_defs.cli "$@"\n')
            path.chmod(0o755)
        self._noted = home / "folder"
        self._environment = os.environ | {
            "HOME": str(home),
            "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "MESH_BOOTSTRAP_SERVERS": bootstrap,
            "COLUMNS": "120",
            "NOTED": str(self._noted),
        }

    def follow(self, block: Block) -> None:
        """Do what one block says, and compare what it prints."""
        if block.file is not None:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.not_run is not None or block.language not in RUN:
            read(block)
        else:
            if block.first is not None:
                self._run(block, ["sh", "-ec", block.first])
            self._compare(block, self._run(block, self._command(block)))

    def lint(self) -> None:
        """See that the contracts are sound with which the page ends."""
        done = subprocess.run(
            ["mesh", "contract", "lint"],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout

    def _command(self, block: Block) -> list[str]:
        if block.language == "sql":
            return ["mesh", "sql", block.text]
        if block.language == "python":
            return [sys.executable, "-c", block.text]
        return ["sh", "-ec", f"trap 'pwd >\"$NOTED\"' EXIT\n{block.text}"]

    def _run(self, block: Block, command: list[str]) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{block.where} failed:\n{done.stdout}{done.stderr}"
        if self._noted.exists():  # a `cd` holds for the blocks that follow
            self.folder = Path(self._noted.read_text().strip())
        return done.stdout

    def _compare(self, block: Block, printed: str) -> None:
        if block.output is not None:
            same = doctest.OutputChecker().check_output(block.output, printed, MATCH)
            assert same, f"{block.where} says:\n{block.output}\nbut it printed:\n{printed}"


def read(block: Block) -> None:
    """Let a block that is not run be read by what it is for."""
    if block.language == "sh":
        subprocess.run(["sh", "-n", "-c", block.text], check=True)
    elif block.language == "python":
        compile(block.text, block.where, "exec")
    elif block.language == "yaml":
        YAML(typ="safe").load(block.text)
    elif block.language == "ini":
        configparser.ConfigParser(strict=False, interpolation=None).read_string(block.text)
    elif block.language == "mermaid":
        opened = len(re.findall(r"^\s*subgraph ", block.text, flags=re.MULTILINE))
        assert block.text.startswith("flowchart "), block.where
        assert opened == len(re.findall(r"^\s*end$", block.text, flags=re.MULTILINE)), block.where


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.slow) if page.name in LONG else page for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_page_does_what_it_says(page: Path, tmp_path: Path, kafka: KafkaServer) -> None:
    """Blocks are run in order in one scratch project; each stated output is what was printed."""
    found = list(blocks(page))
    if not found:
        return
    with kafka.admin() as admin:
        before = set(admin.list_topics(timeout=60).topics)
    reader = Reader(tmp_path, kafka.bootstrap)
    for block in found:
        reader.follow(block)
    reader.lint()
    with kafka.admin() as admin:
        made = set(admin.list_topics(timeout=60).topics) - before
    for topic in made:  # another page begins with the same names
        kafka.delete_topic(topic)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_blocks_are_of_known_kinds(page: Path) -> None:
    """A block that no test would touch does not slip in."""
    for block in blocks(page):
        assert block.language in (*RUN, *READ), f"{block.where} is of no known kind"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_configurations_load(page: Path, tmp_path: Path) -> None:
    """Each TOML block is a `mesh.toml` that the mesh takes, once its variables are there."""
    for block in blocks(page):
        if block.language == "toml":
            text = block.text if "[mesh]" in block.text else f'[mesh]\nname = "docs"\n\n{block.text}'
            (tmp_path / "mesh.toml").write_text(text, encoding="utf-8")
            load_config(tmp_path, environ=dict.fromkeys(PLACEHOLDER.findall(text), "https://value"))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file, and a heading of it where it says one."""
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        path = (page.parent / target).resolve()
        assert path.exists(), f"{page.name} links to {target}, which is not there"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{page.name} links to {target}#{anchor}, which is no heading"


def test_pictures_are_shown_and_can_be_taken_again() -> None:
    """Each picture stands in a page and is taken by a browser test under its name; the promised ones are there."""
    kept = {path.stem for path in (ROOT / "docs" / "images").glob("*.png")}
    shown = {name for page in PAGES for name in PICTURE.findall(page.read_text(encoding="utf-8"))}
    tests = (ROOT / "tests" / "browser").glob("test_*.py")
    taken = {name for test in tests for name in TAKEN.findall(test.read_text(encoding="utf-8"))}
    assert kept == shown == PICTURES
    assert kept <= taken
