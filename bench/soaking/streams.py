"""The streams of the soak: what each record says, and what must be stored of it, follows from its number alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh_defs.contract.project import Project
from mesh_defs.model.config import load_config

KEYS = 61
RETENTION_SECONDS = 40
BAD = (b"{", b'{"number": "%d"}', b'{"key": "k"}', b"\xff\xfe %d")

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: {domain}.{name}
name: Soak
version: 1.0.0
status: active
domain: {domain}
servers:
  - {{server: main, type: kafka, host: "localhost:9092", format: json}}
schema:
  - name: {name}
    physicalName: soak.{domain}.{name}
    physicalType: topic
    properties:
      - {{name: number, logicalType: integer, required: true}}
      - {{name: key, logicalType: string, required: true, primaryKey: true}}
      - {{name: note, logicalType: string, required: true}}
customProperties:
  - {{property: eventKind, value: {kind}}}
  - {{property: partitions, value: {partitions}}}
  - {{property: maxDeadLetterRatio, value: 1}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """A stream of the soak.

    Attributes:
        rate: Records a second.
        transactional: Produced in transactions, of which some are aborted and some stay open for a while.
        compacted: Its topic is compacted, so that older records of a key go.
        bad_one_in: One in so many records breaks the contract; 0 for none.
        kept: Seconds for which the contract keeps rows; 0 for ever.
    """

    domain: str
    name: str
    partitions: int
    rate: int
    transactional: bool = False
    compacted: bool = False
    bad_one_in: int = 0
    kept: int = 0

    @property
    def full_name(self) -> str:
        """The table's name in SQL."""
        return f"{self.domain}.{self.name}"

    @property
    def topic(self) -> str:
        """The topic's name."""
        return f"soak.{self.domain}.{self.name}"

    @property
    def config(self) -> dict[str, str]:
        """The topic's configuration: a compacted one is cleaned as often as Kafka can."""
        if not self.compacted:
            return {}
        return {
            "cleanup.policy": "compact",
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.01",
            "delete.retention.ms": "1000",
        }

    @property
    def contract(self) -> str:
        """The contract's text."""
        kind = "state" if self.compacted else "delta"
        text = CONTRACT.format(domain=self.domain, name=self.name, kind=kind, partitions=self.partitions)
        text += "slaProperties:\n  - {property: latency, value: 1, unit: s}\n"
        return text + (f"  - {{property: retention, value: {self.kept}, unit: s}}\n" if self.kept else "")

    def is_bad(self, number: int) -> bool:
        """Say whether a record breaks the contract."""
        return bool(self.bad_one_in) and number % self.bad_one_in == 1

    def partition_of(self, number: int) -> int:
        """Return where a record goes; all of a key go to one partition."""
        return number % KEYS % self.partitions

    def value_of(self, number: int) -> bytes:
        """Return a record's value."""
        if self.is_bad(number):
            template = BAD[number // self.bad_one_in % len(BAD)]
            return template % number if b"%d" in template else template
        return json.dumps(self._document(number), separators=(",", ":")).encode()

    def stored_of(self, number: int) -> tuple[Any, ...]:
        """Return what must be stored of a record: number, key, note, key's bytes; of a dead letter its bytes."""
        if self.is_bad(number):
            return (self.value_of(number),)
        document = self._document(number)
        return (*document.values(), key_of(number))

    def _document(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "key": key_of(number).decode(),
            "note": f"{self.name} {number * 7919 % 10007}",
        }


STREAMS = (
    Stream(domain="shop", name="orders", partitions=3, rate=60),
    Stream(domain="shop", name="payments", partitions=2, rate=40, transactional=True),
    Stream(domain="lab", name="states", partitions=2, rate=40, compacted=True),
    Stream(domain="lab", name="letters", partitions=2, rate=20, bad_one_in=5),
    Stream(domain="lab", name="readings", partitions=2, rate=40, kept=RETENTION_SECONDS),
)
DOMAINS = ("shop", "lab")


def key_of(number: int) -> bytes:
    """Return a record's key: a few that come again and again."""
    return f"key-{number % KEYS}".encode()


def write_project(root: Path, address: str) -> Project:
    """Write the mesh and open it."""
    root.mkdir(parents=True)
    (root / "mesh.toml").write_text(
        f'[mesh]\nname = "soak"\n\n[kafka.main]\n"bootstrap.servers" = "{address}"\n', encoding="utf-8"
    )
    for stream in STREAMS:
        folder = root / "domains" / stream.domain / "streams"
        folder.mkdir(parents=True, exist_ok=True)
        (folder.parent / "domain.yaml").write_text(
            f"name: {stream.domain}\ndescription: Soak.\nowner: team:soak\ncontact: team:soak\n",
            encoding="utf-8",
        )
        (folder / f"{stream.name}.odcs.yaml").write_text(stream.contract, encoding="utf-8")
    return open_project(root)


def open_project(root: Path) -> Project:
    """Open the mesh; the environment's overrides are for other meshes."""
    return Project(root=root, config=load_config(root, environ={}))
