"""Tests of the locks and of the page that justifies each dependency."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
LOCKED = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>\S+)", re.MULTILINE)


def declared() -> dict[str, list[Requirement]]:
    """Return the direct dependencies, for running and for testing."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project = document["project"]
    run = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    test = document["dependency-groups"]["test"]
    return {"run": [Requirement(text) for text in run], "test": [Requirement(text) for text in test]}


def locked(name: str) -> dict[str, set[str]]:
    """Return the versions of each package of a lock; markers may ask for several."""
    versions: dict[str, set[str]] = {}
    for match in LOCKED.finditer((ROOT / name).read_text(encoding="utf-8")):
        versions.setdefault(match["name"], set()).add(match["version"])
    return versions


def test_locks_satisfy_the_project() -> None:
    """Each declared dependency is locked in a version that the project allows."""
    run, test = locked("requirements.lock"), locked("requirements-test.lock")
    wanted = declared()
    for lock, requirements in ((run, wanted["run"]), (test, wanted["run"] + wanted["test"])):
        for requirement in requirements:
            versions = lock[canonicalize_name(requirement.name)]
            assert all(requirement.specifier.contains(version) for version in versions), requirement
    assert run.items() <= test.items(), "both locks hold the same versions"


def test_locks_hold_hashes_and_no_address() -> None:
    """Every package has hashes; no host and no path of a machine is in a lock."""
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert not re.search(r"(^|[\s=])/\w", text)
        for block in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]:
            assert "--hash=sha256:" in block, block.partition(" ")[0]


def test_each_dependency_is_justified() -> None:
    """The page has one line for each direct dependency and for nothing else."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)
    names = [requirement.name for group in declared().values() for requirement in group]
    assert sorted(listed) == sorted(names)
