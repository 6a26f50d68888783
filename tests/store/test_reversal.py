"""Dead letters become rows in one commit, once, and the ledger bears it."""

from __future__ import annotations

import pytest

from mesh_defs.model.errors import FencedError, StoreError
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain, read_ledger, verify_store
from tests.store import kit

LEDGER = f"{kit.DOMAIN}.ledger"


@pytest.fixture
def filled(store: DomainStore) -> DomainStore:
    """Return a store with two ledger entries of 20 offsets, with dead letters at 7, 17, 27 and 37."""
    for _ in range(2):
        kit.append(store, 20)
    return store


def take_back(store: DomainStore, *offsets: int, begin: int = 0) -> None:
    """Make dead letters of the entry that begins at `begin` rows."""
    store.commit(kit.reversal(store, *offsets, begin=begin))


def test_a_reversal_balances_its_entry(filled: DomainStore) -> None:
    """Twice for one entry as well; totals follow, and no entry is changed."""
    before = read_ledger(filled)
    take_back(filled, 7)
    take_back(filled, 17)
    take_back(filled, 27, begin=20)
    assert verify_store(filled, deep=True) == ()
    assert set(before) < set(read_ledger(filled))
    assert kit.stored_offsets(filled, "dead_letters") == [(0, 37)]
    known = filled.offsets().partition(kit.STREAM, 0)
    assert known is not None
    assert (known.rows, known.dead_letters, known.next_offset) == (35, 1, 40)
    kit.append(filled, 20)
    assert verify_store(filled) == ()


def test_a_reversal_is_read_behind_its_entry(filled: DomainStore) -> None:
    """However DuckDB's threads come by the file of the one and the inlined row of the other."""
    maintain(filled, MaintenancePolicy(flush_rows=1))
    take_back(filled, 7)
    told = {tuple(e.dead_letter_count for e in read_ledger(filled)) for _ in range(100)}
    assert told == {(2, -1, 2)}


def test_a_letter_is_taken_back_once(filled: DomainStore) -> None:
    """Whoever comes second is fenced, and nothing of it is stored."""
    take_back(filled, 7)
    with pytest.raises(FencedError, match="another writer was faster"):
        take_back(filled, 7, 17)
    assert verify_store(filled) == ()
    assert len(kit.stored_offsets(filled, "dead_letters")) == 3


def test_a_reversal_must_lie_in_its_entry(filled: DomainStore) -> None:
    """One outside its range is refused before anything is written."""
    with pytest.raises(StoreError, match="outside its range"):
        take_back(filled, 27)


@pytest.mark.parametrize(
    "change",
    [
        "row_count = 2",
        "from_offset = 3",
        "dead_letter_count = -3, row_count = 3",
        "content_hash = 5",
    ],
)
def test_a_reversal_that_does_not_balance_is_found(filled: DomainStore, change: str) -> None:
    """Over other offsets, with other counts, or more than the entry had."""
    take_back(filled, 7)
    filled.connection.execute(f"UPDATE {LEDGER} SET {change} WHERE dead_letter_count < 0")  # noqa: S608
    assert "reversal" in verify_store(filled)[0].message
