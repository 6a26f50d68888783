"""Stores of one test each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.store import DomainStore
from tests.store import kit


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a domain folder that does not exist yet."""
    return tmp_path / "data" / kit.DOMAIN


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a domain folder in which the stream is begun; copy it, since stores may be moved."""
    folder = tmp_path_factory.mktemp("template") / kit.DOMAIN
    with kit.open_store(folder) as opened:
        kit.begin(opened)
    return folder


@pytest.fixture
def store(begun: Path, folder: Path) -> Iterator[DomainStore]:
    """Return a store in which the stream is begun."""
    shutil.copytree(begun, folder)
    with kit.open_store(folder) as opened:
        yield opened
