"""Damaged files of the store: their offsets are read again, or it is said why they cannot be."""

from __future__ import annotations

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest.repair import repair_stream
from mesh_defs.model.errors import FencedError, MeshError, OffsetsLostError, StoreError
from mesh_defs.store import (
    DomainStore,
    MaintenancePolicy,
    accounts_of,
    find_damage,
    maintain,
    read_ledger,
    replace_file,
    verify_store,
)
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder

AT_ONCE = MaintenancePolicy(
    keep=dt.timedelta(0), grace=dt.timedelta(0), orphan_age=dt.timedelta(0), merge_files=2
)

LINES = {
    "name": "lines",
    "logicalType": "array",
    "items": {
        "logicalType": "object",
        "properties": [
            {"name": "article", "logicalType": "string"},
            {"name": "count", "logicalType": "integer"},
        ],
    },
}
ORDERS: tuple[dict[str, Any], ...] = ({"name": "order_id", "logicalType": "integer", "required": True}, LINES)
EVERYTHING = "SELECT * FROM shop.orders ORDER BY _partition, _offset"


def order(number: int) -> bytes:
    """Return one good record, with a field that no contract names at first."""
    lines = [{"article": f"a{number}", "count": number}, {"article": None, "count": 0}]
    return json.dumps({"order_id": number, "lines": lines, "paid": number % 2 == 0}).encode()


@pytest.fixture
def topic(kafka: KafkaServer) -> str:
    """A topic of two partitions."""
    return kafka.topic(partitions=2)


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer, topic: str) -> MeshFolder:
    """A stream that was stored in three commits, with a dead letter and a tombstone in each."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    folder.stream("shop.orders", topic, ORDERS, partitions=2, maxDeadLetterRatio=1)
    for begin in (0, 20, 40):
        for partition in (0, 1):
            kafka.produce(topic, [*map(order, range(begin, begin + 10)), b"{", None], partition=partition)
        assert folder.ingest("shop").row_count == 22
    return folder


def files(mesh: MeshFolder, table: str = "orders") -> list[Path]:
    """Return the files that a table reads now, oldest first."""
    with DomainStore.open(mesh.root / "data" / "shop", "shop", read_only=True) as store:
        rows = store.connection.execute(
            "SELECT data_file FROM ducklake_list_files('shop', ?)", [table]
        ).fetchall()
    return sorted((Path(row[0]) for row in rows), key=lambda path: path.stat().st_mtime_ns)


def flip(path: Path) -> None:
    """Turn a byte in the middle of a file's pages."""
    content = bytearray(path.read_bytes())
    content[len(content) // 5] ^= 0xFF
    path.write_bytes(bytes(content))


def tear(path: Path) -> None:
    """Cut a file in half."""
    os.truncate(path, path.stat().st_size // 2)


def keep_house(mesh: MeshFolder) -> None:
    """Merge all that can be merged, and forget all that went before."""
    with DomainStore.open(mesh.root / "data" / "shop", "shop") as store:
        maintain(store, AT_ONCE)


def violations(mesh: MeshFolder) -> list[str]:
    """Return what does not hold, every page of every file being read, and the broker compared."""
    project = mesh.open()
    found = [v.message for r in verify_domain(project, project.domain("shop")) for v in r.violations]
    with DomainStore.open(mesh.root / "data" / "shop", "shop", read_only=True) as store:
        return found + [v.message for v in verify_store(store, deep=True)]


def refusal(mesh: MeshFolder) -> MeshError:
    """Repair, and return why nothing came of it."""
    project = mesh.open()
    try:
        repair = repair_stream(project, project.domain("shop").streams[0])
    except MeshError as error:
        return error
    assert repair.files == ()
    (error,) = repair.refusals
    return error


def refused(mesh: MeshFolder) -> MeshError:
    """Repair in vain: the catalog and the files stay as they are."""
    before = {path: path.read_bytes() for path in (mesh.root / "data" / "shop" / "files").rglob("*.parquet")}
    error = refusal(mesh)
    after = {path: path.read_bytes() for path in (mesh.root / "data" / "shop" / "files").rglob("*.parquet")}
    assert before == after
    return error


@pytest.mark.fault(38)
@pytest.mark.parametrize("damage", [Path.unlink, tear, flip], ids=["missing", "torn", "flipped"])
def test_the_rows_of_a_damaged_file_are_read_again(mesh: MeshFolder, damage: Any) -> None:
    """Every column is as it was; the ledger holds, now and after maintenance; the damaged file is kept aside."""
    before = mesh.rows(EVERYTHING)
    damaged = files(mesh)[1]
    damage(damaged)
    was_there = damaged.exists()
    assert any(damaged.name in message for message in violations(mesh))
    (told,) = mesh.cli_json("store", "repair", "shop.orders")
    assert (told["table"], told["rows"], damaged.name in told["damage"]) == ("orders", 22, True)
    assert mesh.rows(EVERYTHING) == before
    assert violations(mesh) == []
    note = json.loads(Path(told["note"]).read_text())
    assert note["offsets"] == [[0, 0, 12, 22], [0, 0, 23, 24], [0, 1, 12, 22], [0, 1, 23, 24]]
    assert Path(told["note"]).with_suffix(".parquet").exists() == was_there
    assert not damaged.exists()
    assert "no file is damaged" in mesh.cli("store", "repair").stdout
    keep_house(mesh)
    assert mesh.rows(EVERYTHING) == before
    assert violations(mesh) == []


@pytest.mark.fault(38)
def test_a_merged_file_is_read_again(mesh: MeshFolder, kafka: KafkaServer, topic: str) -> None:
    """What maintenance wrote is as good; ingest and merges go on over it, and a filter finds every row."""
    keep_house(mesh)
    before = mesh.rows("SELECT * EXCLUDE _ingested_at FROM shop.orders ORDER BY _partition, _offset")
    (merged,) = files(mesh)
    merged.unlink()
    assert [t["rows"] for t in mesh.cli_json("store", "repair", "shop")] == [66]
    again = "SELECT * EXCLUDE _ingested_at FROM shop.orders ORDER BY _partition, _offset"
    assert mesh.rows(again) == before
    kafka.produce(topic, [order(60)])
    mesh.ingest("shop")
    keep_house(mesh)
    assert mesh.rows(f"{again} LIMIT 33") == before[:33]
    for where in ("order_id = 25", "_offset = 14", "lines[1].article = 'a25'"):
        assert mesh.rows(f"FROM shop.orders SELECT count(*) WHERE {where}") == [(2,)]
    assert mesh.rows("SELECT count(*) FROM shop.orders WHERE _ingested_at <= now()") == [(67,)]
    assert violations(mesh) == []


@pytest.mark.fault(38)
def test_todays_contract_decodes(mesh: MeshFolder, kafka: KafkaServer, topic: str) -> None:
    """A column that came since is filled from the records, and survives the next merge."""
    paid = {"name": "paid", "logicalType": "boolean"}
    mesh.stream("shop.orders", topic, (*ORDERS, paid), partitions=2, maxDeadLetterRatio=1)
    kafka.produce(topic, [order(60)])
    mesh.ingest("shop")
    files(mesh)[0].unlink()
    mesh.cli("store", "repair", "shop.orders")
    for _ in range(2):
        assert mesh.rows("SELECT count(*) FROM shop.orders WHERE paid") == [(11,)]
        assert mesh.rows("SELECT count(*) FROM shop.orders WHERE paid IS NULL AND _offset < 10") == [(0,)]
        assert violations(mesh) == []
        keep_house(mesh)


@pytest.mark.fault(38)
def test_what_the_broker_no_longer_holds_is_not_repaired(
    mesh: MeshFolder, kafka: KafkaServer, topic: str
) -> None:
    """Both offsets are said, and nothing changes; a later file is repaired all the same."""
    first, second, _ = files(mesh)
    kafka.delete_records(topic, 0, 5)
    tear(first)
    error = refused(mesh)
    assert isinstance(error, OffsetsLostError)
    assert "of the offsets 0 to 12 of partition 0 the broker holds only 5 to 36" in str(error)
    assert mesh.cli("store", "repair", check=False).returncode == 1
    tear(second)
    project = mesh.open()
    repair = repair_stream(project, project.domain("shop").streams[0])
    assert [file.rows for file in repair.files] == [22]
    assert [type(error) for error in repair.refusals] == [OffsetsLostError]


@pytest.mark.fault(38)
def test_other_bytes_than_were_stored_are_not_taken(mesh: MeshFolder) -> None:
    """The ledger's content hash decides."""
    with DomainStore.open(mesh.root / "data" / "shop", "shop") as store:
        store.connection.execute("UPDATE shop.ledger SET content_hash = 1 WHERE from_offset = 12")
    files(mesh)[1].unlink()
    error = refused(mesh)
    assert isinstance(error, StoreError)
    assert "the broker has 12 records where 12 were stored, or other bytes" in str(error)


@pytest.mark.fault(38)
def test_records_that_break_todays_contract_are_not_dropped(mesh: MeshFolder, topic: str) -> None:
    """As many rows must come as there were."""
    strict = ({**ORDERS[0], "logicalTypeOptions": {"maximum": 25}}, LINES)
    mesh.stream("shop.orders", topic, strict, partitions=2, maxDeadLetterRatio=1)
    files(mesh)[1].unlink()
    assert "by today's contract its records make 14" in str(refused(mesh))


@pytest.mark.fault(38)
def test_a_file_of_which_rows_were_deleted_meanwhile_is_not_replaced(mesh: MeshFolder) -> None:
    """Deletions go by the position of a row, and the new file's rows may stand elsewhere."""
    victim = files(mesh)[0]
    bytes_ = victim.read_bytes()
    with DomainStore.open(mesh.root / "data" / "shop", "shop") as store:
        accounts = accounts_of("orders", store.offsets().streams["orders"], read_ledger(store, "orders"))
        whole = pq.read_table(victim)
        tear(victim)
        (damaged,) = find_damage(store, store.data_folder, ["orders"], accounts)
        with store.stage("orders", whole.schema) as writer:
            writer.write(whole)
            fresh = writer.close()
        assert fresh is not None
        victim.write_bytes(bytes_)
        store.connection.execute("DELETE FROM shop.orders WHERE _partition = 0 AND _offset = 3")
        with pytest.raises(FencedError, match="rows of it were deleted meanwhile"):
            replace_file(store, store.folder, damaged, fresh, "me")
    assert len(mesh.rows(EVERYTHING)) == 65
    assert not list((mesh.root / "data" / "shop" / "quarantine").rglob("*.json"))


@pytest.mark.fault(38)
def test_a_table_that_left_the_contract_is_left_to_a_person(
    tmp_path: Path, kafka: KafkaServer, topic: str
) -> None:
    """Its columns are known to nobody any more; it is said, and no traceback."""
    mesh = MeshFolder(tmp_path / "types", kafka.bootstrap)
    both = {"orders": ORDERS, "returns": ORDERS}
    mesh.stream_of_types("shop.events", topic, both, partitions=2, eventTypeFrom="header:type")
    headers = {"orders": [("type", b"orders")], "returns": [("type", b"returns")]}
    for name in both:
        kafka.produce(topic, [{"value": order(1), "headers": headers[name]}])
    mesh.ingest("shop")
    files(mesh, "returns")[0].unlink()
    mesh.stream_of_types("shop.events", topic, {"orders": ORDERS}, partitions=2, eventTypeFrom="header:type")
    assert "today's contract has no such table" in str(refusal(mesh))


@pytest.mark.fault(38)
def test_damaged_dead_letters_are_left_to_a_person(mesh: MeshFolder) -> None:
    """Which of the missing offsets were dead letters is not known."""
    files(mesh, "dead_letters")[0].unlink()
    assert "it holds dead letters" in str(refused(mesh))
