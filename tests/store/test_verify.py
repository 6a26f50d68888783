"""The verification finds what is wrong, and names the first of it."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mesh_defs.model.errors import StoreError
from mesh_defs.model.records import Commit, Gap, PartitionAdvance
from mesh_defs.store import DomainStore, Violation, verify_store
from tests.store import kit

EVENTS = f"{kit.DOMAIN}.{kit.STREAM}"


@pytest.fixture
def filled(store: DomainStore) -> DomainStore:
    """Return a store with three ledger entries of one partition and one of another."""
    for _ in range(3):
        kit.append(store, 20)
    advance, files = kit.span(store, 0, 20, partition=1)
    store.commit(Commit(writer="kit", starts=[kit.start_of(1)], advances=[advance], files=files))
    assert verify_store(store) == ()
    return store


def spoil(store: DomainStore, sql: str) -> Violation:
    """Change the tables behind the store's back, and return the one violation that follows."""
    store.connection.execute(sql)
    (violation,) = verify_store(store)
    assert violation.stream == kit.STREAM
    return violation


def test_a_missing_row_is_the_first_hole(filled: DomainStore) -> None:
    """Rows that vanished are named by their offsets."""
    found = spoil(filled, f"DELETE FROM {EVENTS} WHERE _offset BETWEEN 32 AND 34 AND _partition = 0")  # noqa: S608
    assert (found.invariant, found.partition, found.offset) == ("completeness", 0, 32)
    assert "no row, dead letter or gap for the offsets [32, 35)" in found.message


def test_a_missing_dead_letter_is_a_hole_too(filled: DomainStore) -> None:
    """Dead letters count as much as rows."""
    table = f"{kit.DOMAIN}.dead_letters"
    found = spoil(filled, f"DELETE FROM {table} WHERE _partition = 1 AND _offset = 7")  # noqa: S608
    assert (found.invariant, found.partition, found.offset) == ("completeness", 1, 7)


def test_a_row_stored_twice_is_found(filled: DomainStore) -> None:
    """A duplicate is a duplicate even where a hole keeps the count right."""
    found = spoil(filled, f"UPDATE {EVENTS} SET _offset = 41 WHERE _offset = 40")  # noqa: S608
    assert (found.invariant, found.partition, found.offset) == ("uniqueness", 0, 41)


def test_the_same_file_added_twice_is_found(filled: DomainStore) -> None:
    """Registering a file twice doubles its rows."""
    path = next(iter(kit.files_under(filled.data_folder / "main" / kit.STREAM)))
    call = f"CALL ducklake_add_data_files('{kit.DOMAIN}', '{kit.STREAM}', ['{path}'])"
    assert spoil(filled, call).invariant == "uniqueness"


def test_rows_outside_the_account_are_found(filled: DomainStore) -> None:
    """A row beyond the next offset, in a gap, or of an unknown partition belongs to no account."""
    found = spoil(filled, f"UPDATE {EVENTS} SET _offset = 1000 WHERE _offset = 8 AND _partition = 0")  # noqa: S608
    assert (found.invariant, found.offset) == ("completeness", 1000)
    found = spoil(filled, f"UPDATE {EVENTS} SET _offset = 9 WHERE _offset = 1000")  # noqa: S608
    assert (found.invariant, found.offset) == ("completeness", 9)
    filled.connection.execute(f"UPDATE {EVENTS} SET _offset = 8 WHERE _offset = 9")  # noqa: S608
    found = spoil(filled, f"INSERT INTO {EVENTS}(_epoch, _partition, _offset) VALUES (0, 9, 0)")  # noqa: S608
    assert (found.invariant, found.partition) == ("completeness", 9)


def test_a_row_that_became_a_dead_letter_is_found(filled: DomainStore) -> None:
    """Rows and dead letters are compared one by one with each ledger entry."""
    filled.connection.execute(f"DELETE FROM {EVENTS} WHERE _offset = 21")  # noqa: S608
    found = spoil(
        filled,
        f"INSERT INTO {kit.DOMAIN}.dead_letters(stream, _epoch, _partition, _offset) "  # noqa: S608
        f"VALUES ('{kit.STREAM}', 0, 0, 21)",
    )
    assert (found.invariant, found.offset) == ("completeness", 20)
    assert "holds 15 rows and 3 dead letters in [20, 40), where the ledger has 16 and 2" in found.message


@pytest.mark.parametrize(
    ("change", "invariant", "offset"),
    [
        ("DELETE FROM {} WHERE from_offset = 20", "monotony", 20),
        ("UPDATE {} SET from_offset = 10 WHERE from_offset = 20", "monotony", 10),
        ("DELETE FROM {} WHERE from_offset = 40", "atomicity", 40),
        ("UPDATE {} SET content_hash = content_hash - 1 WHERE from_offset = 20", "atomicity", None),
        ("UPDATE {} SET row_count = row_count + 1 WHERE from_offset = 20", "completeness", 20),
        ("UPDATE {} SET stream = 'ghost' WHERE from_offset = 20", "monotony", 20),
    ],
)
def test_a_ledger_that_disagrees_is_found(
    filled: DomainStore, change: str, invariant: str, offset: int | None
) -> None:
    """Entries that are missing, overlap, or do not add up are named where they begin."""
    filled.connection.execute(change.format(f"{kit.DOMAIN}.ledger"))
    first = verify_store(filled, [kit.STREAM])[0]
    assert (first.invariant, first.partition, first.offset) == (invariant, 0, offset)


def test_entries_of_an_unknown_stream_are_found(filled: DomainStore) -> None:
    """A ledger entry without offsets is an account that nobody keeps."""
    filled.connection.execute(f"UPDATE {kit.DOMAIN}.ledger SET stream = 'ghost' WHERE partition = 1")  # noqa: S608
    assert {v.invariant for v in verify_store(filled, ["ghost"])} == {"atomicity", "readable"}


def test_only_the_streams_asked_for_are_verified(filled: DomainStore) -> None:
    """A violation elsewhere is not told."""
    filled.connection.execute(f"DELETE FROM {EVENTS}")  # noqa: S608
    assert verify_store(filled, ["another"]) == ()
    assert verify_store(filled, [kit.STREAM]) != ()


@contextmanager
def changed(path: Path, content: bytes) -> Iterator[None]:
    """Give a file another content for a while."""
    before = path.read_bytes()
    path.write_bytes(content)
    yield
    path.write_bytes(before)


@pytest.mark.fault(38)
def test_damaged_files_are_named(filled: DomainStore) -> None:
    """A missing, a truncated and a bit-flipped file are violations that name the file."""
    path = max(kit.files_under(filled.data_folder / "main" / kit.STREAM))
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[20] ^= 0xFF
    for content, deep, text in (
        (whole[:-5], False, "bytes where the catalog knows"),
        (bytes(flipped), True, "damaged inside"),
    ):
        with changed(path, content):
            (found,) = verify_store(filled, deep=deep)
            assert (found.invariant, found.partition) == ("readable", None)
            assert str(path) in found.message
            assert text in found.message
    path.rename(path.with_suffix(".away"))
    (found,) = verify_store(filled)
    assert (found.invariant, str(path) in found.message) == ("readable", True)
    path.with_suffix(".away").rename(path)
    assert verify_store(filled, deep=True) == ()


def test_a_damaged_ledger_is_an_error(filled: DomainStore) -> None:
    """Without the ledger nothing can be verified."""
    filled.connection.execute(f"CALL ducklake_flush_inlined_data('{kit.DOMAIN}', table_name => 'ledger')")
    (path,) = kit.files_under(filled.data_folder / "main" / "ledger")
    path.unlink()
    with pytest.raises(StoreError, match="its ledger is damaged"):
        verify_store(filled)


def test_long_gaps_are_accounted_for_without_being_spelt_out(store: DomainStore) -> None:
    """A gap of two milliards of offsets costs no memory where no record lies in the partition."""
    advance = PartitionAdvance(
        stream=kit.STREAM,
        epoch=0,
        partition=0,
        from_offset=0,
        to_offset=3_000_000,
        row_count=0,
        dead_letter_count=0,
        gaps=(Gap(kind="lost", from_offset=0, to_offset=3_000_000),),
        content_hash=0,
        contract_version="1.0.0",
    )
    store.commit(Commit(writer="kit", advances=[advance]))
    moved, files = kit.span(store, 3_000_000, 3_000_020)
    store.commit(Commit(writer="kit", advances=[dataclasses.replace(moved)], files=files))
    assert verify_store(store) == ()


def test_a_store_is_verified_while_a_writer_goes_on(store: DomainStore) -> None:
    """The verification sees one snapshot, whatever is committed meanwhile."""
    stop = threading.Event()

    def write() -> None:
        with kit.open_store(store.folder) as writer:
            while not stop.is_set():
                kit.append(writer, 15)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with kit.open_store(store.folder, read_only=True) as reader:
            assert [verify_store(reader) for _ in range(10)] == [()] * 10
    finally:
        stop.set()
        thread.join()
