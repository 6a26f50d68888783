"""The one verification: what it compares with a real broker, from where on, and what it remembers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_defs.consistency import StreamVerification, verify_domain
from mesh_defs.consistency import compare as compare_module
from mesh_defs.store import MARKS_FILE, DomainStore, load_marks
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder

COUNT = 20


class Shop:
    """A mesh of one stream that keeps its bytes, with some good and some bad records."""

    def __init__(self, mesh: MeshFolder, kafka: KafkaServer) -> None:
        self.mesh, self._kafka = mesh, kafka
        self.topic = kafka.topic(partitions=1)
        mesh.stream("shop.orders", self.topic, retainRaw=True, maxDeadLetterRatio=1)
        self.data = mesh.open().data_folder("shop")

    def ingest(self) -> None:
        """Produce good records, a bad one and a tombstone, and take them in."""
        good = [json.dumps({"order_id": n}).encode() for n in range(COUNT - 2)]
        self._kafka.produce(self.topic, [*good, b"{", None], partition=0)
        assert self.mesh.ingest("shop").failed == ()

    def verify(self, *, full: bool = False, ask_broker: bool = True) -> StreamVerification:
        """Verify the stream."""
        project = self.mesh.open()
        (found,) = verify_domain(project, project.domain("shop"), full=full, ask_broker=ask_broker)
        return found

    def spoil(self, sql: str) -> None:
        """Change the store behind its back."""
        with DomainStore.open(self.data, "shop") as store:
            store.connection.execute(sql)


@pytest.fixture
def shop(tmp_path: Path, kafka: KafkaServer) -> Iterator[Shop]:
    """A fresh shop with one commit."""
    made = Shop(MeshFolder(tmp_path / "mesh", kafka.bootstrap), kafka)
    made.ingest()
    return made


def looked_at(found: StreamVerification) -> tuple[int, int | None]:
    """Return what a verification that found nothing looked at: offsets, and the broker's records."""
    assert found.violations == ()
    return found.recounted, found.broker_records


def test_only_what_is_new_is_compared(shop: Shop) -> None:
    """In the store and in the broker, each from its own mark on; `full` compares all."""
    assert looked_at(shop.verify()) == (COUNT, COUNT)
    assert looked_at(shop.verify()) == (0, 0)
    shop.ingest()
    assert looked_at(shop.verify(ask_broker=False)) == (COUNT, None)
    assert looked_at(shop.verify()) == (0, COUNT)
    assert looked_at(shop.verify(full=True)) == (2 * COUNT, 2 * COUNT)
    assert looked_at(shop.verify()) == (0, 0)


def test_the_whole_is_told_whatever_was_looked_at(shop: Shop) -> None:
    """Entries, offsets and rows are the ledger's, not those of the part."""
    shop.verify()
    shop.ingest()
    found = shop.verify()
    assert (found.entries, found.offsets, found.rows, found.dead_letters, found.in_gaps) == (2, 40, 38, 2, 0)


def test_a_damaged_mark_costs_a_recount(shop: Shop) -> None:
    """And is replaced by a whole one."""
    shop.verify()
    (shop.data / MARKS_FILE).write_text("{")
    assert looked_at(shop.verify()) == (COUNT, COUNT)
    assert looked_at(shop.verify()) == (0, 0)


@pytest.mark.parametrize("full", [False, True])
def test_a_row_that_the_broker_has_and_the_store_has_not(shop: Shop, *, full: bool) -> None:
    """It is named with its coordinates, every time: what is wrong is never marked."""
    shop.verify()
    shop.ingest()
    shop.spoil("DELETE FROM shop.orders WHERE _offset = 23")
    for _ in range(2):
        found = shop.verify(full=full)
        first = found.violations[0]
        assert (first.invariant, first.stream, first.epoch, first.partition, first.offset) == (
            "completeness", "orders", 0, 0, 23,
        )  # fmt: skip
        assert load_marks(shop.data) == {}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE shop.orders SET _raw = '{}'::BLOB WHERE _offset = 22",
        "UPDATE shop.orders SET _key = 'k'::BLOB WHERE _offset = 39",
        "UPDATE shop.dead_letters SET _value = '['::BLOB WHERE _offset = 38",
    ],
)
def test_bytes_that_are_kept_are_compared_without_the_broker(shop: Shop, change: str) -> None:
    """The content hash is taken again of what `retainRaw` and dead letters keep; below the mark only by `full`."""
    shop.verify()
    shop.ingest()
    assert looked_at(shop.verify(full=True))[0] == 2 * COUNT
    marks = load_marks(shop.data)
    shop.spoil(change)
    assert looked_at(shop.verify(ask_broker=False)) == (0, None)
    (first,) = shop.verify(full=True, ask_broker=False).violations
    assert (first.invariant, first.partition, first.offset) == ("content", 0, 20)
    assert "keeps other bytes in [20, 40)" in first.message
    assert marks


def test_new_bytes_are_compared_from_the_mark_on(shop: Shop) -> None:
    """Without `full` too."""
    shop.verify()
    shop.ingest()
    shop.spoil("UPDATE shop.orders SET _raw = '{}'::BLOB WHERE _offset = 22")
    (first,) = shop.verify(ask_broker=False).violations
    assert (first.invariant, first.offset) == ("content", 20)


def test_rows_from_before_the_bytes_were_kept_are_not_compared(shop: Shop) -> None:
    """Nobody knows their bytes; the entry's hash says nothing then."""
    shop.spoil("UPDATE shop.orders SET _raw = NULL WHERE _offset = 3")
    assert looked_at(shop.verify()) == (COUNT, COUNT)


def test_a_store_ahead_of_the_broker_is_a_violation(shop: Shop, kafka: KafkaServer) -> None:
    """The next offset must not lie beyond the last stable offset; each verification says so again."""
    shop.verify()
    kafka.delete_records(shop.topic, 0, COUNT)
    assert looked_at(shop.verify(full=True)) == (COUNT, 0)
    shop.spoil("UPDATE shop.offsets SET offsets = regexp_replace(offsets, '\"next\": ?20', '\"next\":30')")
    for full in (False, True):
        found = shop.verify(full=full)
        assert "the next offset is 30, the broker ends at 20" in found.violations[-1].message
        assert found.violations[0].invariant == "atomicity"


def test_the_command_says_what_it_looked_at(shop: Shop) -> None:
    """`--full` looks at everything; a violation is the exit code and a sentence."""
    assert [r["recounted"] for r in shop.mesh.cli_json("ledger", "verify")] == [COUNT]
    assert [r["recounted"] for r in shop.mesh.cli_json("ledger", "verify")] == [0]
    (told,) = shop.mesh.cli_json("ledger", "verify", "--full")
    assert (told["recounted"], told["broker_records"]) == (COUNT, COUNT)


def test_retention_that_goes_on_meanwhile_is_no_violation(
    shop: Shop, kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it takes between the question and the reading was stored; the rest is compared all the same."""
    recounts = compare_module._recounts

    def late(*arguments: Any) -> Any:
        kafka.delete_records(shop.topic, 0, COUNT // 2)
        return recounts(*arguments)

    monkeypatch.setattr(compare_module, "_recounts", late)
    assert looked_at(shop.verify(full=True)) == (COUNT, COUNT // 2)
