"""Schemas that nobody here wrote, from registry to contract to topic to table, without an edit."""

from __future__ import annotations

import io
import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import fastavro
from typer.testing import CliRunner

from mesh_defs.cli.main import app
from mesh_defs.contract.avsc import parse_avsc, read_avsc
from mesh_defs.contract.project import Project
from mesh_defs.query import Mesh
from tests.conftest import KafkaServer

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "avro"
RECORDS = 40


def test_each_shared_schema_becomes_a_table(tmp_path: Path, kafka: KafkaServer) -> None:
    """`mesh init`, `domain new`, `registry add`, `contract import`, `ingest`: every value is the one produced."""
    files = sorted(FOLDER.glob("*.avsc"))
    assert len(files) >= 13, f"{FOLDER} lacks schemas"
    root = tmp_path / "fresh"
    mesh(None, "init", str(root))
    with (root / "mesh.toml").open("a") as toml:
        toml.write('[registry.main]\ndirectory = "schemas"\n[kafka.main]\n')
        toml.write(f'"bootstrap.servers" = "{kafka.bootstrap}"\n')
    mesh(root, "domain", "new", "feeds")
    produced = {}
    for file in files:
        subject, topic = f"{file.stem}-value", kafka.topic()
        added = json.loads(mesh(root, "registry", "add", str(file), "--subject", subject, "--json"))
        mesh(
            root,
            *("contract", "import", "--from", "avro", f"registry:{subject}", "--domain", "feeds"),
            *("--stream", file.stem, "--topic", topic, "--event-kind", "delta"),
        )
        produced[file.stem] = produce(kafka, topic, parse_avsc(read_avsc(file), file), added[0]["id"])
    assert json.loads(mesh(root, "contract", "lint", "--json")) == []
    mesh(root, "ingest")
    with Mesh.open(Project.open(root)) as opened:
        letters = opened.query("SELECT stream, rule, path FROM feeds.dead_letters").fetchall()
        assert letters == []
        for stream, (number, records) in produced.items():
            columns = ", ".join(f'"{name}"' for name in records[0])
            sql = f"SELECT {columns}, _schema_id, _unknown FROM feeds.{stream} ORDER BY _offset"  # noqa: S608
            expected = [(*record.values(), number, None) for record in records]
            assert opened.query(sql).fetchall() == expected, stream


def mesh(root: Path | None, *arguments: str) -> str:
    """Run a command that must succeed, and return its standard output."""
    where = [] if root is None else ["--project", str(root)]
    done = CliRunner().invoke(app, [*where, *arguments])
    assert done.exit_code == 0, (arguments, done.output, done.exception)
    return done.stdout


def produce(kafka: KafkaServer, topic: str, schema: Any, number: int) -> tuple[int, list[dict[str, Any]]]:
    """Produce random records behind Confluent's frame, and return the schema's id and the records."""
    drawn = random.Random(schema["name"])
    records = [value_of(drawn, schema) for _ in range(RECORDS)]
    parsed = fastavro.parse_schema(schema)
    values = []
    for record in records:
        out = io.BytesIO(b"\0" + number.to_bytes(4, "big"))
        out.seek(0, io.SEEK_END)
        fastavro.schemaless_writer(out, parsed, record)
        values.append(out.getvalue())
    kafka.produce(topic, values)
    return number, records


def value_of(drawn: random.Random, type_: Any) -> Any:
    """Return a random value of a type that the shared schemas use."""
    if isinstance(type_, str):
        return SCALARS[type_](drawn)
    if type_.get("logicalType") == "decimal":
        most = 10 ** type_["precision"] - 1
        return Decimal(drawn.randint(-most, most)).scaleb(-type_["scale"])
    match type_["type"]:
        case "record":
            return {field["name"]: value_of(drawn, field["type"]) for field in type_["fields"]}
        case "array":
            return [value_of(drawn, type_["items"]) for _ in range(drawn.randint(0, 3))]
        case "map":
            return {text_of(drawn): value_of(drawn, type_["values"]) for _ in range(drawn.randint(0, 3))}
    return value_of(drawn, type_["type"])


def text_of(drawn: random.Random) -> str:
    """Return a text of any characters that UTF-8 holds."""
    return "".join(drawn.choices("aZ9 \0'\"\\\n\x7fäß漢😀", k=drawn.randint(0, 9)))


SCALARS = {
    "int": lambda drawn: drawn.choice([0, -1, 2**31 - 1, -(2**31), drawn.randint(-99, 99)]),
    "long": lambda drawn: drawn.choice([0, -1, 2**63 - 1, -(2**63), drawn.randint(-(2**40), 2**40)]),
    "double": lambda drawn: drawn.choice([0.0, 0.1, -1e308, 5e-324, float("inf"), drawn.gauss(0, 1e6)]),
    "string": text_of,
}
