"""Change events from a real Kafka: deletes, tombstones and truncates land, and the ledger holds."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest

from mesh_defs.consistency import verify_domain
from mesh_defs.contract.quality import quality_rules
from mesh_defs.ingest import Limits
from mesh_defs.quality import measure, unknown_fields
from mesh_defs.store import DomainStore
from tests.conftest import KafkaServer
from tests.decode.debezium.messages import avro_schema, optional
from tests.meshes import MeshFolder

_PROPERTIES = (
    {"name": "id", "logicalType": "integer", "required": True, "primaryKey": True},
    {"name": "name", "logicalType": "string", "required": True},
    {"name": "since", "logicalType": "date", "physicalType": "epoch_d"},
)


def _change(op: str, lsn: int, **images: Any) -> dict[str, Any]:
    source = {"connector": "postgresql", "lsn": lsn, "sequence": json.dumps([str(lsn - 1), str(lsn)])}
    payload = images | {"source": source | {"ts_ms": 1_357_034_400_000 + lsn}, "op": op}
    key = (images.get("after") or images.get("before") or {}).get("id")
    return {"key": None if key is None else json.dumps({"id": key}), "value": json.dumps(payload)}


def _life(number: int) -> list[dict[str, Any]]:
    """Return the changes of one row, from its insert to its tombstone."""
    row = {"id": number, "name": f"n{number}", "since": number}
    created = _change("c", 10 * number + 1, before=None, after=row)
    updated = _change("u", 10 * number + 2, before=row, after=row | {"name": "changed"})
    deleted = _change("d", 10 * number + 3, before=row, after=None)
    return [created, updated, deleted, {"key": deleted["key"], "value": None}]


@pytest.mark.fault(47)
def test_changes_land_as_events(tmp_path: Path, kafka: KafkaServer) -> None:
    """In chunks of any size; what is no change is a dead letter, and every record is accounted for."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    custom = {"eventKind": "state", "envelope": "debezium", "maxDeadLetterRatio": 1}
    mesh.stream("crm.customers", topic, _PROPERTIES, **custom)
    records = [record for number in range(1, 20) for record in _life(number)]
    records += [_change("t", 1_000), {"key": b"k", "value": b'{"id":1,"name":"flat"}'}]
    kafka.produce(topic, records)
    mesh.ingest("crm", limits=Limits(rows=7, batch=5))
    counts = mesh.rows(
        "SELECT _op, _tombstone, count(*), count(id) FROM crm.customers GROUP BY ALL ORDER BY ALL"
    )
    assert counts == [
        ("c", False, 19, 19),
        ("d", False, 19, 0),
        ("t", False, 1, 0),
        ("u", False, 19, 19),
        (None, True, 19, 0),
    ]
    seen = mesh.rows(
        "SELECT name, since::VARCHAR, _before, _source_position, epoch_ms(_event_time), _key FROM crm.customers "
        "WHERE _offset IN (1, 2, 76) ORDER BY _offset"
    )
    assert seen == [
        (
            "changed",
            "1970-01-02",
            '{"id":1,"name":"n1","since":"1970-01-02"}',
            _position(12),
            _time(12),
            b'{"id": 1}',
        ),
        (None, None, '{"id":1,"name":"n1","since":"1970-01-02"}', _position(13), _time(13), b'{"id": 1}'),
        (None, None, None, _position(1_000), _time(1_000), None),
    ]
    assert mesh.rows("SELECT stage, rule, _offset FROM crm.dead_letters") == [
        ("envelope", "debezium_envelope", 77)
    ]
    order = (
        "SELECT list(_offset ORDER BY _source_position) = list(_offset ORDER BY _offset) FROM crm.customers"
    )
    assert mesh.rows(f"{order} WHERE _op IS NOT NULL") == [(True,)]
    project = mesh.open()
    (result,) = verify_domain(project, project.domain("crm"))
    assert result.violations == ()
    assert mesh.ingest("crm").row_count == 0


def _position(lsn: int) -> str:
    return f"{lsn - 1:020}:{lsn:020}"


def _time(lsn: int) -> int:
    return 1_357_034_400_000 + lsn


def test_rules_are_measured_on_rows_alone(tmp_path: Path, kafka: KafkaServer) -> None:
    """Changes without a row, and tombstones, have no values that break rules; a message is no unknown field."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic()
    rule = {"metric": "nullValues", "mustBe": 0}
    properties = [_PROPERTIES[0], {"name": "name", "logicalType": "string", "quality": [rule]}]
    mesh.stream("crm.customers", topic, properties, eventKind="state", envelope="debezium")
    kafka.produce(topic, [*_life(1), _change("t", 99), _change("m", 100, message={"prefix": "p"})])
    mesh.ingest("crm")
    project = mesh.open()
    (contract,) = project.domain("crm").streams
    with DomainStore.open(project.data_folder("crm"), "crm", read_only=True) as store:
        (found,) = measure(store.connection, contract, quality_rules(contract))
        unknown = unknown_fields(store, contract, dt.datetime.now(dt.UTC))
    assert (found.value, found.row_count, found.passed) == (0, 2, True)
    assert unknown.names == (("since", 2),)


def test_an_imported_contract_ingests(tmp_path: Path, kafka: KafkaServer) -> None:
    """From a connector's schema in a registry to the table, through the command line alone."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    mesh.domain("crm")
    with (mesh.root / "mesh.toml").open("a") as config:
        config.write('\n[registry.main]\ndirectory = "schemas"\n')
    fields = [
        {"name": "id", "type": "int"},
        {"name": "name", "type": optional("string")},
        {"name": "since", "type": optional("int", "io.debezium.time.Date")},
        {"name": "seen_at", "type": optional("long", "io.debezium.time.MicroTimestamp")},
    ]
    schema = avro_schema(fields)
    (tmp_path / "value.avsc").write_text(json.dumps(schema))
    topic = kafka.topic()
    mesh.cli("registry", "add", str(tmp_path / "value.avsc"), "--subject", f"{topic}-value")
    where = ("--domain", "crm", "--stream", "customers", "--topic", topic)
    said = ("--event-kind", "state", "--primary-key", "id", "--envelope", "debezium")
    mesh.cli("contract", "import", "--from", "avro", f"registry:{topic}-value", *where, *said)
    mesh.cli("contract", "lint")
    parsed = fastavro.parse_schema(schema)

    def framed(op: str, lsn: int, **images: Any) -> bytes:
        out = io.BytesIO(b"\0" + (1).to_bytes(4))
        out.seek(0, io.SEEK_END)
        payload = {"before": None, "after": None, "source": {"lsn": lsn}, "op": op} | images
        fastavro.schemaless_writer(out, parsed, payload)
        return out.getvalue()

    row = {"id": 1, "name": "Anne", "since": 1, "seen_at": 1}
    records = [framed("c", 1, after=row), framed("d", 2, before=row), {"key": b"k", "value": None}]
    kafka.produce(topic, records)
    mesh.ingest("crm")
    found = mesh.rows(
        "SELECT _op, id, name, since::VARCHAR, epoch_us(seen_at), _schema_id, _before FROM crm.customers "
        "ORDER BY _offset"
    )
    told = '{"id":1,"name":"Anne","since":"1970-01-02","seen_at":"1970-01-01T00:00:00.000001Z"}'
    assert found == [
        ("c", 1, "Anne", "1970-01-02", 1, 1, None),
        ("d", None, None, None, None, 1, told),
        (None,) * 7,
    ]
