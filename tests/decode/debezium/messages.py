"""Change events as Debezium 3.6 writes them, with and without Kafka Connect's wrapper."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import fastavro

from mesh_defs.contract.choices import Envelope, EventKind
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.types import Column, Kind
from tests.decode.builders import column, stream

POSTGRESQL = {
    "version": "3.6.0.Final",
    "connector": "postgresql",
    "name": "PostgreSQL_server",
    "ts_ms": 1559033904863,
    "snapshot": "false",
    "db": "postgres",
    "sequence": '["24023119","24023128"]',
    "ts_us": 1559033904863123,
    "ts_ns": 1559033904863123000,
    "schema": "public",
    "table": "customers",
    "txId": 555,
    "lsn": 24023128,
    "xmin": None,
    "origin": None,
    "origin_lsn": None,
}
MYSQL = {
    "version": "3.6.0.Final",
    "connector": "mysql",
    "name": "mysql-server-1",
    "ts_ms": 1465491411000,
    "snapshot": "false",
    "db": "inventory",
    "sequence": None,
    "ts_us": 1465491411000000,
    "ts_ns": 1465491411000000000,
    "table": "customers",
    "server_id": 223344,
    "gtid": None,
    "file": "mysql-bin.000003",
    "pos": 484,
    "row": 0,
    "thread": 7,
    "query": None,
}
CUSTOMERS = (
    column("id", Kind.INT, required=True),
    column("first_name", Kind.STRING, required=True),
    column("email", Kind.STRING),
)
ANNE = {"id": 1, "first_name": "Anne", "email": "annek@noanswer.org"}


def changes_of(*columns: Column, **options: Any) -> StreamContract:
    """Return the contract of a stream of change events."""
    defaults: dict[str, Any] = {"envelope": Envelope.DEBEZIUM, "event_kind": EventKind.STATE}
    return stream(*columns, **(defaults | options))


def envelope(op: str, *, source: Any = POSTGRESQL, **members: Any) -> dict[str, Any]:
    """Return a change's payload; `before` and `after` are members."""
    tail = {
        "source": source,
        "transaction": None,
        "op": op,
        "ts_ms": 1559033904963,
        "ts_us": 1559033904963001,
    }
    return members | tail


def plain(op: str, **members: Any) -> str:
    """Return a change without its schema."""
    return json.dumps(envelope(op, **members))


def field(name: str, type_: str, meaning: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a field of a schema; `meaning` is the name of its semantic type."""
    named = {} if meaning is None else {"name": meaning, "version": 1}
    return {"type": type_, "optional": True, **named, "field": name, **more}


def wrapped(fields: list[dict[str, Any]], payload: dict[str, Any]) -> str:
    """Return a payload in Kafka Connect's wrapper, its rows of these fields."""
    rows = [
        {"type": "struct", "fields": fields, "optional": True, "name": "s.public.t.Value", "field": name}
        for name in ("before", "after")
    ]
    source = {"type": "struct", "fields": [], "optional": False, "name": "s.Source", "field": "source"}
    fields = [
        *rows,
        source,
        field("transaction", "struct", fields=[]),
        field("op", "string"),
        field("ts_ms", "int64"),
    ]
    schema = {
        "type": "struct",
        "fields": fields,
        "optional": False,
        "name": "s.public.t.Envelope",
        "version": 2,
    }
    return json.dumps({"schema": schema, "payload": payload})


def avro_schema(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of an envelope as Kafka Connect's Avro converter writes it."""
    row = {"type": "record", "name": "Value", "fields": fields}
    source = [("lsn", ["null", "long"]), ("ts_us", ["null", "long"]), ("sequence", ["null", "string"])]
    members = [
        ("before", ["null", row]),
        ("after", ["null", "Value"]),
        (
            "source",
            {"type": "record", "name": "Source", "fields": [{"name": n, "type": t} for n, t in source]},
        ),
        (
            "transaction",
            ["null", {"type": "record", "name": "block", "fields": [{"name": "id", "type": "string"}]}],
        ),
        ("op", "string"),
        ("ts_ms", ["null", "long"]),
    ]
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": "s.public.t",
        "fields": [{"name": name, "type": type_} for name, type_ in members],
        "connect.name": "s.public.t.Envelope",
    }


def optional(type_: str, meaning: str | None = None, **more: Any) -> list[Any]:
    """Return an optional type; `meaning` is what `connect.name` says."""
    return ["null", {"type": type_, **({} if meaning is None else {"connect.name": meaning}), **more}]


def avro_changes(
    folder: Path, fields: list[dict[str, Any]], contract: StreamContract
) -> tuple[StreamContract, Any]:
    """Return the contract of the same stream in Avro without frames, and what encodes its payloads."""
    schema = avro_schema(fields)
    path = folder / "value.avsc"
    path.write_text(json.dumps(schema))
    parsed = fastavro.parse_schema(schema)

    def encode(payload: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, {"before": None, "after": None} | payload)
        return out.getvalue()

    return dataclasses.replace(contract, format="avro", framing="none", schema_file=path), encode
