"""The streams of the ingest benchmark: their contracts, and records to fill their topics with."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
from confluent_kafka import Producer

from mesh_defs.broker.registry.directory import DirectoryRegistry

SUBJECT = "bench-value"
_FIRST = 1_767_225_600_000
"""2026-01-01T00:00:00Z in milliseconds."""

_HEAD = """\
apiVersion: v3.1.0
kind: DataContract
id: bench.{name}
name: Bench
version: 1.0.0
status: active
domain: bench
servers: [{{server: main, type: kafka, host: "{address}", format: {format}}}]
schema:
  - name: {name}
    physicalName: {name}
    physicalType: topic
    properties:
"""
_COLUMNS = """\
      - {name: order_id, logicalType: integer, required: true}
      - {name: customer, logicalType: string, required: true}
      - {name: amount, logicalType: number, required: true}
      - {name: quantity, logicalType: integer, physicalType: int, required: true}
      - {name: paid, logicalType: boolean, required: true}
      - {name: note, logicalType: string}
      - {name: placed_at, logicalType: timestamp, required: true}
"""
_MORE_COLUMNS = """\
      - {name: channel, logicalType: string, required: true}
      - {name: price, logicalType: number, physicalType: "decimal(9,2)", required: true}
      - {name: shop, logicalType: integer}
"""
_FOOT = """\
customProperties:
  - {{property: eventKind, value: delta}}
  - {{property: eventTime, value: placed_at}}
  - {{property: partitions, value: {partitions}}}
"""

AVRO: dict[str, Any] = {
    "type": "record",
    "name": "Order",
    "namespace": "bench",
    "fields": [
        {"name": "order_id", "type": "long"},
        {"name": "customer", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "quantity", "type": "int"},
        {"name": "paid", "type": "boolean"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "placed_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "channel", "type": {"type": "enum", "name": "Channel", "symbols": ["WEB", "APP", "SHOP"]}},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        },
        {"name": "shop", "type": ["null", "long"]},
    ],
}


@dataclass(frozen=True)
class Stream:
    """One shape of stream: what its records are written in, over how many partitions."""

    format: str
    partitions: int

    @property
    def name(self) -> str:
        """What the results call it."""
        return f"{self.format}_{self.partitions}"

    def topic(self, size: str) -> str:
        """Return the topic of a backlog's size."""
        return f"{self.name}_{size}"

    def fill(self, address: str, topic: str, records: int) -> None:
        """Produce records: of JSON 7 fields and about 170 bytes each, of Avro 10 fields and about 75 bytes."""
        producer = Producer({"bootstrap.servers": address, "linger.ms": 50, "compression.type": "lz4"})
        values = _documents(records) if self.format == "json" else _avro(records)
        for number, value in enumerate(values):
            while True:
                try:
                    producer.produce(topic, value, partition=number % self.partitions)
                    break
                except BufferError:
                    producer.poll(1)
        producer.flush()

    def project(self, folder: Path, address: str, topic: str) -> Path:
        """Write a mesh project with this stream."""
        streams = folder / "domains" / "bench" / "streams"
        streams.mkdir(parents=True)
        (folder / "mesh.toml").write_text(
            '[mesh]\nname = "bench"\n\n[registry.main]\ndirectory = "schemas"\n'
        )
        (folder / "domains" / "bench" / "domain.yaml").write_text(
            "name: bench\ndescription: Bench.\nowner: team:bench\ncontact: team:bench\n"
        )
        columns = _COLUMNS if self.format == "json" else _COLUMNS + _MORE_COLUMNS
        text = _HEAD.format(name=topic, address=address, format=self.format) + columns
        text += _FOOT.format(partitions=self.partitions)
        (streams / f"{topic}.odcs.yaml").write_text(text)
        if self.format == "avro":
            registry = DirectoryRegistry("main", folder / "schemas", "BACKWARD")
            if registry.register(SUBJECT, json.dumps(AVRO)).schema.id != 1:
                message = "the first schema of a registry is not its number 1"
                raise AssertionError(message)
        return folder


def _documents(records: int) -> Iterator[str]:
    for number in range(records):
        yield (
            f'{{"order_id":{number},"customer":"customer-{number % 9973:06}","amount":{number % 1000}.25,'
            f'"quantity":{number % 17},"paid":{"true" if number % 3 else "false"},'
            f'"note":"leave it at the door, please","placed_at":"2026-01-01T{number // 3600 % 24:02}:'
            f'{number // 60 % 60:02}:{number % 60:02}Z"}}'
        )


def _avro(records: int) -> Iterator[bytes]:
    schema = fastavro.parse_schema(AVRO)
    for number in range(records):
        buffer = io.BytesIO(b"\0\0\0\0\1")
        buffer.seek(5)
        value = {
            "order_id": number,
            "customer": f"customer-{number % 9973:06}",
            "amount": number % 1000 + 0.25,
            "quantity": number % 17,
            "paid": bool(number % 3),
            "note": "leave it at the door, please",
            "placed_at": _FIRST + number % 86_400 * 1000,
            "channel": ("WEB", "APP", "SHOP")[number % 3],
            "price": (number % 100_000).to_bytes(3, "big"),
            "shop": None if number % 5 else number % 40,
        }
        fastavro.schemaless_writer(buffer, schema, value)
        yield buffer.getvalue()
