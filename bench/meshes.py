"""Scratch meshes of JSON streams for the benches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {domain}.{name}
name: Bench
version: 1.0.0
status: active
domain: {domain}
servers: [{{server: main, type: kafka, host: "localhost:9092", format: json}}]
schema:
  - name: {name}
    physicalName: {domain}.{name}
    physicalType: topic
    properties:
      - {{name: order_id, logicalType: integer, required: true}}
      - {{name: customer, logicalType: string, required: true}}
      - {{name: amount, logicalType: number, required: true}}
      - {{name: note, logicalType: string}}
slaProperties:
  - {{property: frequency, value: 60, unit: min}}
customProperties:
  - {{property: eventKind, value: delta}}
"""


def write_mesh(root: Path, names: Iterable[tuple[str, str]]) -> None:
    """Write a mesh of streams, each given as its domain and its name."""
    (root / "mesh.toml").write_text('[mesh]\nname = "bench"\n')
    for domain, name in names:
        streams = root / "domains" / domain / "streams"
        streams.mkdir(parents=True, exist_ok=True)
        (streams.parent / "domain.yaml").write_text(
            f"name: {domain}\ndescription: Bench.\nowner: team:bench\ncontact: team:bench\n"
        )
        (streams / f"{name}.odcs.yaml").write_text(_CONTRACT.format(domain=domain, name=name))
