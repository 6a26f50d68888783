"""One stream whose rows are in several tables: one account over all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.model.records import Commit
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain, verify_store
from tests.store import kit
from tests.store.test_maintain import NOTHING

TABLES = ("placed", "paid")


@pytest.fixture
def empty(folder: Path) -> Iterator[DomainStore]:
    """Return a store of no stream yet."""
    with kit.open_store(folder) as opened:
        yield opened


def append(store: DomainStore, count: int, tables: tuple[str, ...] = TABLES) -> None:
    """Store the next offsets: even rows in the first table, odd ones in the last."""
    known = store.offsets().partition(kit.STREAM, 0)
    start = 0 if known is None else known.next_offset
    advance, (whole, *letters) = kit.span(store, start, start + count)
    whole.path.unlink()
    good = [o for o in range(start, start + count) if kit.is_row(o)]
    files = [
        kit.stage(store, table, kit.rows([o for o in good if o % len(tables) == place]))
        for place, table in enumerate(tables)
    ]
    store.commit(
        Commit(
            writer="kit",
            starts=[] if known else [kit.start_of()],
            advances=[advance],
            files=[f for f in (*files, *letters) if f is not None],
            tables={kit.STREAM: tables},
        )
    )


@pytest.fixture
def filled(empty: DomainStore) -> DomainStore:
    """Return a store with two ledger entries of a stream in two tables."""
    for table in TABLES:
        empty.ensure_table(table, kit.SCHEMA)
    for _ in range(2):
        append(empty, 20)
    assert verify_store(empty, deep=True) == ()
    return empty


def test_the_store_knows_the_tables_of_a_stream(filled: DomainStore) -> None:
    """So that the account can be recounted without a contract; a table that joins is remembered."""
    offsets = filled.offsets()
    assert offsets.tables(kit.STREAM) == TABLES
    assert [offsets.owner(table) for table in (*TABLES, kit.STREAM)] == [kit.STREAM, kit.STREAM, None]
    filled.ensure_table("shipped", kit.SCHEMA)
    append(filled, 10, ("shipped",))
    assert filled.offsets().tables(kit.STREAM) == (*TABLES, "shipped")
    assert verify_store(filled) == ()


def test_a_stream_of_one_table_may_become_one_of_several(empty: DomainStore) -> None:
    """The first table stays in the account."""
    kit.begin(empty)
    kit.append(empty, 20)
    assert empty.offsets().tables(kit.STREAM) == (kit.STREAM,)
    empty.ensure_table("placed", kit.SCHEMA)
    append(empty, 20, ("placed",))
    assert empty.offsets().tables(kit.STREAM) == (kit.STREAM, "placed")
    assert verify_store(empty) == ()


def test_a_new_epoch_keeps_the_tables(filled: DomainStore) -> None:
    """Rows of earlier epochs stay where they are."""
    filled.commit(Commit(writer="kit", starts=[kit.start_of(epoch=1)]))
    assert filled.offsets().tables(kit.STREAM) == TABLES
    assert verify_store(filled) == ()


@pytest.mark.parametrize("table", TABLES)
def test_a_hole_in_any_table_is_found(filled: DomainStore, table: str) -> None:
    """Each table counts."""
    (first,) = filled.connection.execute(f"FROM {kit.DOMAIN}.{table} SELECT min(_offset)").fetchone() or (0,)
    filled.connection.execute(f"DELETE FROM {kit.DOMAIN}.{table} WHERE _offset = {first}")  # noqa: S608
    (found,) = verify_store(filled)
    assert (found.invariant, found.stream, found.offset) == ("completeness", kit.STREAM, first)


def test_a_record_in_two_tables_is_found(filled: DomainStore) -> None:
    """It is one row of one table."""
    filled.connection.execute(f"INSERT INTO {kit.DOMAIN}.paid FROM {kit.DOMAIN}.placed WHERE _offset = 4")
    (found,) = verify_store(filled)
    assert (found.invariant, found.offset) == ("uniqueness", 4)


def test_a_table_that_is_gone_is_named(filled: DomainStore) -> None:
    """The account cannot be recounted without it."""
    filled.connection.execute(f"DROP TABLE {kit.DOMAIN}.paid")
    (found,) = verify_store(filled)
    assert (found.invariant, found.message) == ("readable", "the table operations.paid does not exist")


@pytest.mark.fault(38)
def test_a_damaged_file_of_any_table_is_named(filled: DomainStore) -> None:
    """Whichever table it belongs to."""
    (path, *_) = (filled.data_folder / "main" / "paid").glob("*.parquet")
    path.unlink()
    (found,) = verify_store(filled)
    assert (found.invariant, path.name in found.message) == ("readable", True)


def test_unaccounted_files_of_any_table_are_kept(filled: DomainStore) -> None:
    """A file beyond the stream's next offset may be on its way; one below it is an orphan."""
    kit.stage(filled, "paid", kit.rows([1, 3]))
    kept = kit.stage(filled, "paid", kit.rows([41, 43]))
    (swept,) = maintain(filled, MaintenancePolicy(orphan_age=NOTHING)).steps
    assert (swept.name, swept.count) == ("sweep", 1)
    assert kept is not None
    assert kept.path.exists()
