"""Opening: created once, whole or not at all, found again wherever it was moved."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from mesh_defs.model.errors import LayoutError, StoreError
from mesh_defs.store import DomainStore, attach_domain, connect_engine, engine, verify_store
from mesh_defs.store.lane import current_snapshot
from mesh_defs.store.newest import NEWEST_FILE
from tests.store import kit


def test_a_new_store_has_its_platform_tables(folder: Path) -> None:
    """The first opening lays out catalog, files folder and tables; the second changes nothing."""
    assert not DomainStore.exists(folder)
    with kit.open_store(folder) as store:
        assert store.tables() == ("dead_letters", "ledger", "offsets")
        assert store.offsets().streams == {}
        snapshot = store.snapshot()
    assert DomainStore.exists(folder)
    assert {p.name for p in folder.iterdir()} >= {"catalog.sqlite", "files", "writer.lock"}
    with kit.open_store(folder) as store:
        assert store.snapshot() == snapshot


def test_the_catalog_is_in_wal_mode(folder: Path) -> None:
    """Readers and the writer do not wait for each other (bytes 18 and 19 of SQLite's header say so)."""
    with kit.open_store(folder):
        pass
    assert (folder / "catalog.sqlite").read_bytes()[18:20] == b"\x02\x02"


def test_reading_before_the_first_pass_is_a_clear_error(folder: Path) -> None:
    """A store that does not exist is not created by a reader."""
    with pytest.raises(StoreError, match="has no store yet"):
        kit.open_store(folder, read_only=True)
    assert not folder.exists()
    with pytest.raises(StoreError, match="run `mesh ingest operations` once"):
        attach_domain(connect_engine(), kit.DOMAIN, folder)


def test_a_leftover_of_an_interrupted_creation_is_replaced(folder: Path) -> None:
    """What a killed creation left behind is no store, and the next writer begins again."""
    folder.mkdir(parents=True)
    (folder / "catalog.sqlite.draft").write_bytes(b"half a catalog")
    (folder / "catalog.sqlite.draft-journal").write_bytes(b"half a journal")
    with kit.open_store(folder) as store:
        assert store.offsets().streams == {}
    assert not list(folder.glob("*.draft*"))


@pytest.mark.fault(39)
def test_a_store_that_lost_its_catalog_does_not_begin_anew(store: DomainStore) -> None:
    """Its files are there: whoever opens it is told, and nothing resets itself."""
    kit.append(store, 20)
    store.close()
    before = kit.files_under(store.folder)
    for path in store.folder.glob("catalog.sqlite*"):
        path.unlink()
    assert DomainStore.exists(store.folder)
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"its catalog .* is gone, and files of its tables are there"):
            kit.open_store(store.folder, read_only=read_only)
    assert kit.files_under(store.folder) == before
    assert not (store.folder / "catalog.sqlite").exists()


def test_a_moved_folder_keeps_working(store: DomainStore, tmp_path: Path) -> None:
    """Files are found relative to where the folder is now, for reading and for writing."""
    kit.append(store, 20)
    store.close()
    moved = tmp_path / "elsewhere" / "with 'quotes'"
    moved.parent.mkdir()
    shutil.move(store.folder, moved)
    with kit.open_store(moved) as opened:
        kit.append(opened, 20)
        assert verify_store(opened, deep=True) == ()
    with kit.open_store(moved, read_only=True) as opened:
        assert len(kit.stored_offsets(opened)) == 32


@pytest.mark.parametrize(("layout", "text"), [(2, "newer .* update the mesh"), (0, "older .* ingest again")])
def test_another_layout_is_refused_with_a_remedy(store: DomainStore, layout: int, text: str) -> None:
    """A store of another layout is not touched; the message says which version to take."""
    document = f'{{"layout": {layout}, "rest": "unknown"}}'
    store.connection.execute(f"UPDATE {kit.DOMAIN}.offsets SET offsets = '{document}'")  # noqa: S608
    store.close()
    for read_only in (True, False):
        with pytest.raises(LayoutError, match=f"(?s){text}"):
            kit.open_store(store.folder, read_only=read_only)


def test_a_damaged_offsets_row_is_named(store: DomainStore) -> None:
    """A row that is no document is reported as damage, not as a traceback."""
    store.connection.execute(f"UPDATE {kit.DOMAIN}.offsets SET offsets = '{{'")  # noqa: S608
    with pytest.raises(StoreError, match="damaged"):
        store.offsets()


@pytest.mark.fault(39)
def test_a_torn_catalog_is_an_error_of_the_store(store: DomainStore) -> None:
    """A catalog that is no database any more is reported at opening."""
    store.close()
    catalog = store.folder / "catalog.sqlite"
    catalog.write_bytes(b"\x00" * catalog.stat().st_size)
    with pytest.raises(StoreError, match="attach the store of domain operations"):
        kit.open_store(store.folder)


def test_readers_attach_while_a_writer_is_in_its_transaction(store: DomainStore) -> None:
    """A reader that comes in the middle of a commit sees the snapshot before it, and then the one after."""
    kit.append(store, 20)
    seen: list[int] = []

    def look(step: int) -> None:
        if step == 7:
            with kit.open_store(store.folder, read_only=True) as reader:
                seen.append(len(kit.stored_offsets(reader)))

    kit.append(store, 20, on_step=look)
    with kit.open_store(store.folder, read_only=True) as reader:
        seen.append(len(kit.stored_offsets(reader)))
    assert seen == [16, 32]


def test_readers_cannot_write(store: DomainStore) -> None:
    """A read-only store refuses to change anything."""
    with (
        kit.open_store(store.folder, read_only=True) as reader,
        pytest.raises(duckdb.Error, match="read-only"),
    ):
        reader.connection.execute(f"DELETE FROM {kit.DOMAIN}.ledger")  # noqa: S608


def test_several_domains_join_in_one_connection(store: DomainStore, tmp_path: Path) -> None:
    """Each domain is attached under its own name, quoted where it must be; instants are shown in UTC."""
    kit.append(store, 20)
    with DomainStore.open(tmp_path / "other", "select") as other:
        assert other.tables() == ("dead_letters", "ledger", "offsets")
    con = connect_engine(memory_limit="200MB", threads=1, temp_directory=tmp_path / "spill")
    attach_domain(con, kit.DOMAIN, store.folder)
    attach_domain(con, "select", tmp_path / "other")
    query = f'SELECT count(*) FROM {kit.DOMAIN}.events, "select".offsets'  # noqa: S608
    assert con.execute(query).fetchone() == (16,)
    assert con.execute("SELECT current_setting('TimeZone')").fetchone() == ("UTC",)
    con.close()


def test_a_missing_wheel_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an extension's wheel, the error names the package and the way without it."""
    monkeypatch.setattr(engine, "extension_path", lambda _name: None)
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(StoreError, match=r"install duckdb-extension-ducklake==.*INSTALL ducklake"):
        connect_engine()


def test_nothing_is_installed_by_itself() -> None:
    """Extensions are neither fetched nor loaded by name, and never unsigned."""
    con = connect_engine()
    names = ("autoinstall_known_extensions", "autoload_known_extensions", "allow_unsigned_extensions")
    for name in names:
        assert con.execute("SELECT current_setting(?)", [name]).fetchone() == (False,)
    con.close()


@pytest.mark.parametrize("text", ["", "x", "\u00e9", "-7", "999\n"])
def test_an_older_catalog_is_told_from_a_hint_that_is_none(store: DomainStore, text: str) -> None:
    """A commit notes its snapshot beside the catalog; what is no number says nothing."""
    kit.append(store, 1)
    newest = store.folder / NEWEST_FILE
    assert int(newest.read_text(encoding="ascii")) == current_snapshot(store.connection, kit.DOMAIN)
    newest.write_text(text, encoding="utf-8")
    for read_only in (True, False):
        with DomainStore.open(store.folder, kit.DOMAIN, read_only=read_only) as again:
            assert (again.restored is not None) is text.startswith("999")
    kit.append(store, 1)
    with DomainStore.open(store.folder, kit.DOMAIN, read_only=True) as again:
        assert (again.restored is not None) is text.startswith("999"), "a commit does not make up for it"
    newest.unlink()
    kit.append(store, 1)
    with DomainStore.open(store.folder, kit.DOMAIN, read_only=True) as again:
        assert again.restored is None
