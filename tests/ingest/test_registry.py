"""A pass and its registry: down, forgetful, and changed behind its back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest

from mesh_defs.model.errors import RegistryUnavailableError, SchemaChangedError
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder
from tests.registry_server import RegistryServer, running_registry

ORDER: dict[str, Any] = {"type": "record", "name": "Order", "fields": [{"name": "order_id", "type": "long"}]}
COLUMNS = ({"name": "order_id", "logicalType": "integer", "required": True},)


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    """A registry that works until it is told not to."""
    with running_registry() as running:
        yield running


@pytest.fixture
def shop(tmp_path: Path, kafka: KafkaServer, server: RegistryServer) -> tuple[MeshFolder, str]:
    """A stream of Avro records behind Confluent's frames, in a mesh whose registry that is."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    with (mesh.root / "mesh.toml").open("a") as toml:
        toml.write(
            f'[registry.main]\nurl = "{server.url}"\n"retries.wait.ms" = 1\n"retries.max.wait.ms" = 1\n'
        )
    topic = kafka.topic()
    path = mesh.stream("shop.orders", topic, COLUMNS)
    path.write_text(path.read_text().replace('"json"', '"avro"').replace("format: json", "format: avro"))
    return mesh, topic


def framed(number: int, order_id: int) -> bytes:
    """Return a record behind the frame that names a schema."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(ORDER), {"order_id": order_id})
    return b"\0" + number.to_bytes(4, "big") + out.getvalue()


@pytest.mark.fault(29)
def test_a_registry_that_is_down_fails_the_pass(
    shop: tuple[MeshFolder, str], kafka: KafkaServer, server: RegistryServer
) -> None:
    """Nothing is committed, no dead letter is made, and the next pass takes everything."""
    mesh, topic = shop
    number = server.add("orders-value", ORDER)
    kafka.produce(topic, [framed(number, 1), framed(number, 2)])
    server.failures = [(503, b"{}")] * 100
    report = mesh.ingest("shop")
    assert isinstance(report.streams[0].error, RegistryUnavailableError)
    assert mesh.rows("SELECT count(*) FROM shop.ledger") == [(0,)]
    assert mesh.rows("SELECT count(*) FROM shop.dead_letters") == [(0,)]
    server.failures = []
    mesh.ingest("shop")
    assert mesh.rows("SELECT order_id, _schema_id FROM shop.orders ORDER BY _offset") == [
        (1, number),
        (2, number),
    ]


@pytest.mark.fault(29)
def test_an_unknown_id_is_a_dead_letter(
    shop: tuple[MeshFolder, str], kafka: KafkaServer, server: RegistryServer
) -> None:
    """The records beside it are rows."""
    mesh, topic = shop
    number = server.add("orders-value", ORDER)
    kafka.produce(topic, [framed(number, 1), framed(77, 2), framed(number, 3)])
    mesh.ingest("shop")
    assert mesh.rows("SELECT order_id FROM shop.orders ORDER BY _offset") == [(1,), (3,)]
    assert mesh.rows("SELECT stage, rule, _offset FROM shop.dead_letters") == [
        ("framing", "unknown_schema", 1)
    ]


@pytest.mark.fault(30)
def test_an_id_that_means_another_schema_fails_the_pass(
    shop: tuple[MeshFolder, str], kafka: KafkaServer, server: RegistryServer
) -> None:
    """Nothing more is committed until a person has looked."""
    mesh, topic = shop
    number = server.add("orders-value", ORDER)
    kafka.produce(topic, [framed(number, 1)])
    mesh.ingest("shop")
    server.schemas[number]["schema"] = json.dumps({**ORDER, "fields": [{"name": "order_id", "type": "int"}]})
    kafka.produce(topic, [framed(number, 2)])
    report = mesh.ingest("shop")
    assert isinstance(report.streams[0].error, SchemaChangedError)
    assert mesh.rows("SELECT order_id FROM shop.orders") == [(1,)]
    assert mesh.rows("SELECT count(*) FROM shop.dead_letters") == [(0,)]
