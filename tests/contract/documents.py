"""Contract documents that the tests start from, and factories that write changed copies of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

FLIGHT_EVENTS = """\
apiVersion: v3.1.0
kind: DataContract
id: operations.flight_events
name: Flight events
version: 1.0.0
status: active
domain: operations
description:
  purpose: What happened to each departure, as it happened.
servers:
  - server: main              # a connection of mesh.toml
    type: kafka
    host: localhost:9092
    format: json
schema:
  - name: flight_events
    physicalName: operations.flight_events.v1
    physicalType: topic
    properties:
      - {name: event_id, logicalType: string, logicalTypeOptions: {format: uuid}, required: true}
      - {name: flight_id, logicalType: string, required: true}
      - name: event
        logicalType: string
        required: true
        quality:
          - metric: invalidValues
            arguments: {validValues: [scheduled, departed, arrived, cancelled]}
            mustBe: 0
      - {name: occurred_at, logicalType: timestamp, required: true}
      - {name: delay_minutes, logicalType: integer}
      - {name: fare, logicalType: number, physicalType: "decimal(12,2)", classification: internal}
      - name: route
        logicalType: object
        properties: [{name: origin, logicalType: string}, {name: dest, logicalType: string}]
      - {name: codes, logicalType: array, items: {logicalType: string}}
team:
  name: operations
  members: [{username: ops-data@example.org, role: owner}]
slaProperties:
  - {property: latency, value: 1, unit: s}
  - {property: frequency, value: 5, unit: min}
  - {property: retention, value: 400, unit: d}
customProperties:
  - {property: eventKind, value: delta}
  - {property: envelope, value: cloudevents}
  - {property: eventTime, value: occurred_at}
  - {property: eventId, value: event_id}
  - {property: allowedLateness, value: PT26H}
  - {property: partitions, value: 2}
  - {property: startFrom, value: earliest}
  - {property: onError, value: dead_letter}
  - {property: maxDeadLetterRatio, value: 0.1}
  - {property: onLoss, value: fail}
  - {property: onUnknownField, value: keep}
  - {property: retainRaw, value: false}
  - {property: subjectKey, value: flight_id}
"""

DELAY_BY_HOUR = """\
apiVersion: v3.1.0
kind: DataContract
id: punctuality.delay_by_hour
name: Delay by hour
version: 1.0.0
status: active
schema:
  - name: delay_by_hour
    physicalType: table
    properties:
      - {name: hour, logicalType: timestamp, required: true, primaryKey: true}
      - {name: origin, logicalType: string, required: true, primaryKey: true}
      - {name: flights, logicalType: integer, required: true}
      - {name: mean_delay, logicalType: number}
customProperties:
  - {property: incremental, value: window}
  - {property: eventTime, value: hour}
  - {property: window, value: PT1H}
"""

DOMAIN = """\
name: operations
description: Flights, as they happen
owner: team:operations
contact: ops-data@example.org
"""

_STREAM: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "d.s",
    "version": "1.0.0",
    "status": "active",
    "domain": "d",
    "servers": [{"server": "main", "type": "kafka", "host": "localhost:9092", "format": "json"}],
    "schema": [
        {
            "name": "s",
            "physicalName": "d.s.v1",
            "properties": [
                {"name": "id", "logicalType": "string", "required": True},
                {"name": "at", "logicalType": "timestamp"},
            ],
        }
    ],
}


def stream(**custom: Any) -> dict[str, Any]:
    """Return a small stream's document with these custom properties; a delta where no `eventKind` is said."""
    document = copy.deepcopy(_STREAM)
    said = {"eventKind": "delta"} | custom
    document["customProperties"] = [{"property": k, "value": v} for k, v in said.items() if v is not None]
    return document


def stream_of(*columns: dict[str, Any], **custom: Any) -> dict[str, Any]:
    """Return a small stream's document with these columns instead of its own."""
    document = stream(**custom)
    document["schema"][0]["properties"] = list(columns)
    return document


def stream_of_types(*types: str, **custom: Any) -> dict[str, Any]:
    """Return a document of several event types, each with the small stream's columns; of the header `kind`."""
    document = stream(**({"eventTypeFrom": "header:kind"} | custom))
    (table,) = document["schema"]
    document["schema"] = [
        copy.deepcopy(table) | {"name": name, "customProperties": [{"property": "eventType", "value": name}]}
        for name in types
    ]
    return document


def rest(
    format_: str = "csv", path: str = "rest/*.csv", columns: list[dict[str, Any]] | None = None, **custom: Any
) -> dict[str, Any]:
    """Return the document of some data at rest with these custom properties."""
    document = stream(**({"eventKind": None} | custom))
    document["servers"] = [{"server": "files", "type": "local", "path": path, "format": format_}]
    document["schema"][0] |= {"physicalName": "s", "physicalType": "file"}
    if columns is not None:
        document["schema"][0]["properties"] = columns
    return document


def product(**custom: Any) -> dict[str, Any]:
    """Return a small product's document with these custom properties."""
    document = stream_of(
        {"name": "hour", "logicalType": "timestamp", "required": True},
        {"name": "flights", "logicalType": "integer"},
    )
    document["schema"][0] |= {"name": "p", "physicalType": "table"}
    del document["servers"], document["schema"][0]["physicalName"]
    document["customProperties"] = [{"property": k, "value": v} for k, v in custom.items()]
    return document


def write_stream(root: Path, document: dict[str, Any] | str, name: str = "s", domain: str = "d") -> Path:
    """Write a stream's contract into a domain's folder."""
    return _write(root / domain / "streams" / f"{name}.odcs.yaml", document)


def write_product(
    root: Path,
    document: dict[str, Any] | str,
    name: str = "p",
    domain: str = "d",
    suffix: str | None = ".sql",
) -> Path:
    """Write a product's contract into a domain's folder, and an empty query beside it."""
    path = _write(root / domain / "products" / f"{name}.odcs.yaml", document)
    if suffix is not None:
        (path.parent / f"{name}{suffix}").write_text("")
    return path


def write_domain(root: Path, name: str = "d", **changes: str | None) -> Path:
    """Write a domain's `domain.yaml`, and return the domain's folder."""
    said = {"name": name, "description": "D", "owner": "team:d", "contact": "d@example.org"} | changes
    text = "".join(f"{key}: {value}\n" for key, value in said.items() if value is not None)
    return _write(root / name / "domain.yaml", text).parent


def _write(path: Path, document: dict[str, Any] | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    path.write_text(
        document if isinstance(document, str) else json.dumps(document, indent=1), encoding="utf-8"
    )
    return path
