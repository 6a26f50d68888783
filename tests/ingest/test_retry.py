"""Dead letters decoded again: those that pass become rows where they stood."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.ingest import Limits
from tests.conftest import KafkaServer
from tests.meshes import ORDERS, MeshFolder

LOOSE = ({**ORDERS[0], "required": False}, ORDERS[1])


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> Iterator[MeshFolder]:
    """A project on the session's Kafka; at the end its ledger must hold, also against the broker."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    yield folder
    project = folder.open()
    for name in project.domain_names():
        for result in verify_domain(project, project.domain(name)):
            assert result.violations == ()


def test_what_passes_now_becomes_rows_at_its_own_offsets(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """A reversal balances each ledger entry in the same commit; no entry is changed; what still fails stays."""
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2, maxDeadLetterRatio=1)
    good = json.dumps({"order_id": 1}).encode()
    mended = {"value": b'{"customer": "a"}', "key": b"", "headers": [("h", b"\xff"), ("h", None)]}
    kafka.produce(topic, [good, mended, b"{", mended, good, mended], partition=0)
    kafka.produce(topic, [mended], partition=1)
    mesh.ingest("shop", limits=Limits(rows=2, batch=2))
    before = mesh.rows("SELECT * FROM shop.ledger ORDER BY ALL")
    mesh.stream("shop.orders", topic, LOOSE, partitions=2, maxDeadLetterRatio=1)
    (told,) = mesh.cli_json("dead-letters", "retry", "shop.orders")
    assert (told["tried"], told["stored"], told["kept"], told["rules"]) == (5, 4, 1, {"json_syntax": 1})
    rows = mesh.rows("SELECT _partition, _offset, customer, _key, _headers FROM shop.orders ORDER BY ALL")
    headers = [{"name": "h", "value": b"\xff"}, {"name": "h", "value": None}]
    assert [row for row in rows if row[2]] == [
        (partition, offset, "a", b"", headers) for partition, offset in ((0, 1), (0, 3), (0, 5), (1, 0))
    ]
    assert mesh.rows("SELECT _partition, _offset, _value FROM shop.dead_letters") == [(0, 2, b"{")]
    after = mesh.rows("SELECT * FROM shop.ledger ORDER BY ALL")
    assert [row for row in before if row not in after] == []
    reversals = mesh.rows(
        "SELECT sum(row_count), sum(dead_letter_count), sum(content_hash) FROM shop.ledger WHERE dead_letter_count < 0"
    )
    assert reversals == [(4, -4, 0)]
    (snapshot,) = mesh.rows("SELECT commit_message FROM shop.snapshots() ORDER BY snapshot_id DESC LIMIT 1")
    assert snapshot[0].startswith("retry ")


def test_a_retry_in_which_nothing_passes_changes_nothing(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """Neither a commit nor a file; and ingest goes on behind it."""
    topic = kafka.topic()
    mesh.stream("shop.orders", topic, maxDeadLetterRatio=1)
    kafka.produce(topic, [b"{", b"{}"])
    mesh.ingest("shop")
    before = mesh.rows("SELECT max(snapshot_id) FROM shop.snapshots()")
    (told,) = mesh.cli_json("dead-letters", "retry")
    assert (told["tried"], told["stored"], told["snapshot"]) == (2, 0, None)
    assert mesh.rows("SELECT max(snapshot_id) FROM shop.snapshots()") == before
    kafka.produce(topic, [json.dumps({"order_id": 1}).encode()])
    assert mesh.ingest("shop").row_count == 1


def test_an_event_type_that_joins_takes_its_dead_letters_back(mesh: MeshFolder, kafka: KafkaServer) -> None:
    """They become rows of the new table, in the account of the same stream."""
    topic = kafka.topic()
    types = {"placed": ORDERS}
    mesh.stream_of_types("shop.orders", topic, {**types, "other": ORDERS}, maxDeadLetterRatio=1)
    good = json.dumps({"order_id": 1}).encode()
    kafka.produce(topic, [{"value": good, "headers": [("type", name)]} for name in (b"placed", b"shipped")])
    mesh.ingest("shop")
    assert mesh.rows("SELECT rule FROM shop.dead_letters") != []
    mesh.stream_of_types("shop.orders", topic, {**types, "other": ORDERS, "shipped": ORDERS})
    (told,) = mesh.cli_json("dead-letters", "retry", "shop")
    assert told["stored"] == 1
    assert mesh.rows("SELECT _offset, order_id FROM shop.shipped") == [(1, 1)]


def test_data_at_rest_is_not_retried(mesh: MeshFolder) -> None:
    """A clear sentence says what to do instead; with the whole domain it is passed over."""
    mesh.rest("shop.prices", "prices.csv")
    mesh.file("prices.csv", "order_id,customer\n1,a\nx,b\n")
    mesh.ingest("shop")
    done = mesh.cli("dead-letters", "retry", "shop.prices", check=False)
    assert done.returncode == 1
    assert "data at rest" in done.stderr
    assert "mesh ingest shop.prices" in done.stderr
    assert mesh.cli_json("dead-letters", "retry", "shop") == []
