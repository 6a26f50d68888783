"""A mesh project on disk, written as a person would write one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mesh_defs.contract.project import Project
from mesh_defs.ingest import PassReport, run_pass
from mesh_defs.query import Mesh

ROOT = Path(__file__).resolve().parent.parent

ORDERS: tuple[Mapping[str, Any], ...] = (
    {"name": "order_id", "logicalType": "integer", "required": True},
    {"name": "customer", "logicalType": "string"},
)


class MeshFolder:
    """A project folder whose `main` is the given Kafka.

    Args:
        root: An empty folder.
        bootstrap: Of `main`.
    """

    def __init__(self, root: Path, bootstrap: str) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        (root / "mesh.toml").write_text(
            f'[mesh]\nname = "test"\n\n[kafka.main]\n"bootstrap.servers" = "{bootstrap}"\n'
        )

    def domain(self, name: str) -> Path:
        """Declare a domain and return its folder."""
        folder = self.root / "domains" / name
        for part in ("streams", "products"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "domain.yaml").write_text(
            f"name: {name}\ndescription: The {name} domain.\nowner: team:{name}\ncontact: {name}@example.org\n"
        )
        return folder

    def stream(
        self,
        full_name: str,
        topic: str,
        properties: Sequence[Mapping[str, Any]] = ORDERS,
        **custom: Any,
    ) -> Path:
        """Declare a JSON stream; `custom` are its custom properties (`eventKind` is a delta unless given)."""
        domain, _, name = full_name.partition(".")
        folder = self.domain(domain)
        schema = {
            "name": name,
            "physicalName": topic,
            "physicalType": "topic",
            "properties": list(properties),
        }
        server = {"server": "main", "type": "kafka", "host": "localhost:9092", "format": "json"}
        return self._write(
            folder / "streams",
            full_name,
            {"servers": [server], "schema": [schema]},
            {"eventKind": "delta"} | custom,
        )

    def move(self, contract: Path, bootstrap: str) -> None:
        """Put a stream's topic on a second cluster, `other`."""
        contract.write_text(contract.read_text().replace('"server": "main"', '"server": "other"'))
        with (self.root / "mesh.toml").open("a") as config:
            config.write(f'\n[kafka.other]\n"bootstrap.servers" = "{bootstrap}"\n')

    def stream_of_types(
        self,
        full_name: str,
        topic: str,
        types: Mapping[str, Sequence[Mapping[str, Any]]],
        **custom: Any,
    ) -> Path:
        """Declare a JSON stream of several event types, each with its table's columns; called alike."""
        domain, _, _ = full_name.partition(".")
        schema = [
            {
                "name": name,
                "physicalName": topic,
                "physicalType": "topic",
                "properties": list(properties),
                "customProperties": [{"property": "eventType", "value": name}],
            }
            for name, properties in types.items()
        ]
        server = {"server": "main", "type": "kafka", "host": "localhost:9092", "format": "json"}
        return self._write(
            self.domain(domain) / "streams",
            full_name,
            {"servers": [server], "schema": schema},
            {"eventKind": "delta", "eventTypeFrom": "header:type"} | custom,
        )

    def rest(
        self,
        full_name: str,
        path: str,
        properties: Sequence[Mapping[str, Any]] = ORDERS,
        format_: str = "csv",
        **custom: Any,
    ) -> Path:
        """Declare data at rest; `custom` are its custom properties."""
        domain, _, name = full_name.partition(".")
        schema = {"name": name, "physicalType": "file", "properties": list(properties)}
        server = {"server": "files", "type": "local", "path": path, "format": format_}
        body = {"servers": [server], "schema": [schema]}
        return self._write(self.domain(domain) / "streams", full_name, body, custom)

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file of the project, at once as a rename does it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        draft.replace(path)
        return path

    def product(
        self, full_name: str, sql: str, properties: Sequence[Mapping[str, Any]], **custom: Any
    ) -> Path:
        """Declare a SQL product."""
        domain, _, name = full_name.partition(".")
        folder = self.domain(domain) / "products"
        (folder / f"{name}.sql").write_text(sql)
        schema = {"name": name, "physicalType": "table", "properties": list(properties)}
        return self._write(folder, full_name, {"schema": [schema]}, {"incremental": "full"} | custom)

    def open(self) -> Project:
        """Open the project anew, as a new process would."""
        return Project.open(self.root)

    def ingest(self, domain: str, *streams: str, **options: Any) -> PassReport:
        """Make one pass."""
        project = self.open()
        return run_pass(project, project.domain(domain), streams or None, **options)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the stores."""
        with Mesh.open(self.open()) as mesh:
            return mesh.query(sql).fetchall()

    def cli(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `mesh` as a process of its own."""
        done = subprocess.run(
            [sys.executable, "-m", "mesh_defs.cli", "--project", str(self.root), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | environment,
            timeout=300,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def cli_json(self, *arguments: str, check: bool = True) -> Any:
        """Run `mesh ... --json` and return its result."""
        return json.loads(self.cli(*arguments, "--json", check=check).stdout)

    def _write(
        self, folder: Path, full_name: str, body: Mapping[str, Any], custom: Mapping[str, Any]
    ) -> Path:
        domain, _, name = full_name.partition(".")
        document = {
            "apiVersion": "v3.1.0",
            "kind": "DataContract",
            "id": full_name,
            "name": name,
            "version": "1.0.0",
            "status": "active",
            "domain": domain,
            **body,
            "customProperties": [{"property": p, "value": v} for p, v in custom.items()],
        }
        path = folder / f"{name}.odcs.yaml"
        path.write_text(json.dumps(document, indent=1))  # JSON is YAML
        return path
