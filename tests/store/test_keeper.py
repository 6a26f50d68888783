"""The keeper of catalogs: no transaction is the last to close one, and nothing else changes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh_defs.store import CatalogKeeper, verify_store
from mesh_defs.store.engine import CATALOG_FILE
from tests.meshes import ROOT
from tests.store import kit

KEEP = """
import sys
from pathlib import Path
from mesh_defs.store import CatalogKeeper
keeper = CatalogKeeper()
for _ in sys.stdin:
    keeper.keep([Path(sys.argv[1])])
    print("kept", flush=True)
"""


@contextmanager
def kept(folder: Path) -> Iterator[Callable[[], None]]:
    """Run a keeper of one store; yields what makes it look again, and waits until it has looked."""
    command = [sys.executable, "-c", KEEP, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def look() -> None:
            print(file=process.stdin, flush=True)
            assert process.stdout is not None
            assert process.stdout.readline() == "kept\n"

        try:
            yield look
        finally:
            process.kill()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with a begun stream."""
    folder = tmp_path / kit.DOMAIN
    with kit.open_store(folder) as store:
        kit.begin(store)
    return folder


def log_of(folder: Path) -> Path:
    """Return SQLite's log beside a catalog."""
    return folder / f"{CATALOG_FILE}-wal"


def test_a_kept_catalog_keeps_its_log(folder: Path) -> None:
    """Without a keeper each transaction writes the log back and deletes it; with one it stays."""
    with kit.open_store(folder) as store:
        kit.append(store, 20)
        assert not log_of(folder).exists()
        with kept(folder) as look:
            look()
            kit.append(store, 20)
            assert log_of(folder).stat().st_size > 0
            look()
            kit.append(store, 20)
            assert verify_store(store, deep=True) == ()


def test_a_keeper_that_is_killed_leaves_everything_readable(folder: Path) -> None:
    """The log that it kept is taken up by whoever comes next."""
    with kit.open_store(folder) as store, kept(folder) as look:
        look()
        kit.append(store, 20)
    assert log_of(folder).exists()
    with kit.open_store(folder) as store:
        kit.append(store, 20)
        assert verify_store(store, deep=True) == ()
        assert len(kit.stored_offsets(store)) > 20
    assert not log_of(folder).exists()


def test_a_catalog_that_is_replaced_is_opened_anew(folder: Path, tmp_path: Path) -> None:
    """The log of the new one is neither deleted nor mixed up with that of the old one."""
    other = tmp_path / "other"
    with kit.open_store(other) as store:
        kit.begin(store)
        kit.append(store, 50)
    with kept(folder) as look:
        look()
        (other / CATALOG_FILE).replace(folder / CATALOG_FILE)
        log_of(folder).unlink(missing_ok=True)
        (folder / f"{CATALOG_FILE}-shm").unlink(missing_ok=True)
        look()
        with kit.open_store(folder) as store:
            assert store.offsets().streams[kit.STREAM].partitions[0].next_offset == 50
            kit.begin(store, 1)
            assert log_of(folder).exists()
            look()
            assert log_of(folder).exists()


def test_what_cannot_be_kept_is_left_alone(tmp_path: Path) -> None:
    """No folder, no catalog, no database: nothing is made, nothing raised."""
    torn = tmp_path / "torn"
    torn.mkdir()
    (torn / CATALOG_FILE).write_bytes(b"no database" * 100)
    keeper = CatalogKeeper()
    keeper.keep([tmp_path / "none", tmp_path, torn])
    keeper.close()
    assert not (tmp_path / "none").exists()
    assert sorted(path.name for path in torn.iterdir()) == [CATALOG_FILE]
