"""The resident maintainer: stores that are written to without end stay small."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.ingest.resident import Maintainer
from mesh_defs.store import DomainStore, verify_store
from mesh_defs.store.files import live_files
from tests.meshes import MeshFolder
from tests.store import kit

COMMITS = 30


class Wish:
    """Wants to stop once it was asked so often, never where that is None."""

    def __init__(self, after: int | None = None) -> None:
        self._after = after
        self.waited: list[float] = []

    def asked(self) -> bool:
        """Say whether it is time."""
        if self._after is None:
            return False
        self._after -= 1
        return self._after < 0

    def wait(self, seconds: float) -> bool:
        """Wait for nothing."""
        self.waited.append(seconds)
        return self.asked()


@pytest.fixture
def mesh(tmp_path: Path) -> MeshFolder:
    """Return a mesh with a store of many small files, beside a domain that has none."""
    mesh = MeshFolder(tmp_path / "mesh", "localhost:1")
    mesh.stream("alpha.nothing", "nothing")
    mesh.stream(f"{kit.DOMAIN}.{kit.STREAM}", kit.STREAM)
    with DomainStore.open(_folder(mesh), kit.DOMAIN) as store:
        kit.begin(store)
        for _ in range(COMMITS):
            kit.append(store, 10)
    return mesh


def test_a_round_makes_few_files_of_many(mesh: MeshFolder) -> None:
    """It waits first, maintains every store that is there, makes none, and asks for a new process."""
    said: list[tuple[str, str]] = []
    wish = Wish()
    assert _maintainer(mesh, wish, said).run()
    assert wish.waited == [12.5]
    assert said == []
    assert not (mesh.root / "data" / "alpha").exists()
    assert _files(mesh) == 1
    with DomainStore.open(_folder(mesh), kit.DOMAIN, read_only=True) as store:
        assert verify_store(store) == ()


def test_told_to_stop_it_begins_no_further_transaction(mesh: MeshFolder) -> None:
    """While it waits, between two domains, and between two transactions of one."""
    assert not _maintainer(mesh, Wish(0), []).run()
    assert not _maintainer(mesh, Wish(3), []).run()
    assert _files(mesh) == COMMITS
    assert not _maintainer(mesh, Wish(4), []).run()
    with DomainStore.open(_folder(mesh), kit.DOMAIN) as store:
        kit.append(store, 10)
        assert verify_store(store) == ()


def test_what_it_cannot_do_it_says_and_goes_on(mesh: MeshFolder) -> None:
    """A domain whose contract cannot be read keeps no other from its turn."""
    (mesh.root / "domains" / "alpha" / "domain.yaml").write_text("name: [")
    said: list[tuple[str, str]] = []
    assert _maintainer(mesh, Wish(), said).run()
    ((name, line),) = said
    assert name == "alpha"
    assert "domain.yaml" in line
    assert _files(mesh) == 1


def _maintainer(mesh: MeshFolder, wish: Wish, said: list[tuple[str, str]]) -> Maintainer:
    return Maintainer(mesh.open(), (), stop=wish, say=lambda name, line: said.append((name, line)), wait=12.5)


def _folder(mesh: MeshFolder) -> Path:
    return mesh.root / "data" / kit.DOMAIN


def _files(mesh: MeshFolder) -> int:
    with DomainStore.open(_folder(mesh), kit.DOMAIN, read_only=True) as store:
        return len(live_files(store.connection, kit.DOMAIN, kit.STREAM))
