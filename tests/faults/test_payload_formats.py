"""The canary in Avro, CloudEvents, change events and streams of several types, read by a pass and by `mesh run`."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro
import pytest

from tests.canary import CANARY, nowhere, sung
from tests.conftest import KafkaServer
from tests.ingest.resident.conftest import Run, wait_for
from tests.meshes import ORDERS, MeshFolder

NAME = CANARY.encode()
RECORD: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "order_id", "type": "long"}, {"name": "customer", "type": ["null", "string"]}],
}
GOOD = {"order_id": 1, "customer": CANARY}
KEYED = ({**ORDERS[0], "primaryKey": True}, ORDERS[1])
EVENT = {"specversion": "1.0", "id": CANARY, "source": CANARY, "type": CANARY, "subject": CANARY}
CHANGE = {
    "before": None,
    "after": GOOD,
    "op": "c",
    "ts_ms": 1,
    "source": {"connector": "postgresql", "lsn": 7},
}


def avro() -> list[bytes]:
    """Return a good payload and bad ones: no Avro, cut short, longer than its record."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(RECORD), GOOD)
    good = buffer.getvalue()
    return [good, NAME, good[:-1], good + NAME, b"\x02\x07" + NAME]


def events() -> list[dict[str, Any]]:
    """Return CloudEvents in both modes, good ones and bad ones."""
    structured = [
        EVENT | {"data": GOOD},
        EVENT | {"data": GOOD, "time": CANARY},
        EVENT | {"data": GOOD, "specversion": CANARY},
        EVENT | {"data": {"order_id": CANARY}},
        EVENT | {"data": GOOD, "datacontenttype": CANARY},
        EVENT | {"data_base64": CANARY},
        {CANARY: CANARY},
    ]
    headers = [(f"ce_{name}", value.encode()) for name, value in EVENT.items()]
    binary = [
        {"value": json.dumps(GOOD).encode(), "headers": headers},
        {"value": json.dumps(GOOD).encode(), "headers": [*headers, ("ce_time", NAME)]},
        {"value": NAME, "headers": headers},
    ]
    return [*({"value": json.dumps(event).encode(), "key": NAME} for event in structured), *binary]


def changes() -> list[bytes]:
    """Return a change and what is none, in every part of the envelope."""
    return [
        json.dumps(change).encode()
        for change in (
            CHANGE,
            CHANGE | {"op": CANARY},
            CHANGE | {"after": {"order_id": CANARY}},
            CHANGE | {"after": CANARY},
            CHANGE | {"source": {"connector": CANARY}},
            CHANGE | {"source": {"connector": "postgresql", "lsn": CANARY}},
            CHANGE | {"ts_ms": CANARY},
            {"schema": CANARY, "payload": CHANGE},
            {"op": CANARY},
        )
    ]


def typed() -> list[dict[str, Any]]:
    """Return records of a type that is declared, and of others."""
    value = json.dumps(GOOD).encode()
    return [
        {"value": value, "headers": [("type", b"placed")]},
        {"value": value, "headers": [("type", NAME)]},
        {"value": value, "headers": [("type", b"\xff" + NAME)]},
        {"value": value, "key": NAME},
    ]


def in_avro(contract: Path) -> None:
    """Let a stream's contract say that its records are plain Avro, by a schema beside it."""
    (contract.parent / "order.avsc").write_text(json.dumps(RECORD))
    document = json.loads(contract.read_text())
    document["servers"][0]["format"] = "avro"
    document["customProperties"] += [
        {"property": "framing", "value": "none"},
        {"property": "schema", "value": "order.avsc"},
    ]
    contract.write_text(json.dumps(document))


@pytest.fixture
def topics(tmp_path: Path, kafka: KafkaServer) -> tuple[MeshFolder, Mapping[str, list[Any]]]:
    """A mesh with a stream a format, and the records of each topic, not yet produced."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    kept = {"maxDeadLetterRatio": 1}
    records: dict[str, list[Any]] = {kafka.topic(): found for found in (avro(), events(), changes(), typed())}
    avros, clouds, databases, types = records
    in_avro(mesh.stream("shop.avro", avros, ORDERS, **kept))
    mesh.stream("shop.events", clouds, ORDERS, envelope="cloudevents", **kept)
    mesh.stream("shop.changes", databases, KEYED, envelope="debezium", **kept | {"eventKind": "state"})
    mesh.stream_of_types("shop.orders", types, {"placed": ORDERS, "gone": ORDERS}, **kept)
    return mesh, records


TABLES = ("avro", "events", "changes", "placed")


def rows(mesh: MeshFolder, *, times: int) -> None:
    """Assert that of each format good records became rows and bad ones dead letters, so many times."""
    for table in TABLES:
        ((good, other),) = mesh.rows(
            f"SELECT count(*) FILTER (customer = '{CANARY}'), count(*) FROM shop.{table}"  # noqa: S608
        )
        assert good >= times, (table, good, other)
    letters = dict(mesh.rows("SELECT stream, count(*) FROM shop.dead_letters GROUP BY ALL"))
    assert letters.keys() == {"avro", "events", "changes", "orders"}
    assert min(letters.values()) >= 2 * times, letters


def test_a_pass_says_nothing_whatever_the_format(
    topics: tuple[MeshFolder, Mapping[str, list[Any]]], kafka: KafkaServer
) -> None:
    """Nor do status, verification and a retry of its dead letters."""
    mesh, records = topics
    for topic, found in records.items():
        kafka.produce(topic, found)
    words = (("--verbose", "ingest"), ("status",), ("ledger", "verify"), ("dead-letters", "retry"))
    said = [mesh.cli(*arguments, check=False) for arguments in words]
    assert [done.args for done in said if sung((done.stdout + done.stderr).encode())] == []
    rows(mesh, times=1)
    nowhere(mesh.root)


def test_mesh_run_says_nothing_whatever_the_format(
    topics: tuple[MeshFolder, Mapping[str, list[Any]]], kafka: KafkaServer
) -> None:
    """Neither on its terminal nor in a file that it leaves; one of its streams is stopped by what it reads."""
    mesh, records = topics
    stopped = kafka.topic()
    mesh.stream("shop.strict", stopped, ORDERS, onError="fail")
    run = Run(mesh)
    try:
        for topic, found in records.items():
            kafka.produce(topic, found)
        kafka.produce(stopped, [{"value": NAME, "key": NAME}])
        run.until_said("breaks the contract")
        total = sum(len(found) for found in records.values())
        wait_for(lambda: accounted(mesh) == total, "all records are rows or dead letters")
        assert run.stop() == 0
    finally:
        run.end()
    assert not sung(run.log.read_bytes())
    rows(mesh, times=1)
    nowhere(mesh.root)


def accounted(mesh: MeshFolder) -> int:
    """Return how many offsets the ledgers of all streams account for."""
    return sum(line["next_offset"] or 0 for line in mesh.cli_json("status", check=False))
