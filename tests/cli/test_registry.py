"""`mesh registry` and `mesh contract import` as people and scripts use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mesh_defs.cli.main import app
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.load import load_contract
from mesh_defs.scaffold import new_domain, new_project
from tests.registry_server import running_registry

ORDER = (
    '// what was ordered\n{"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}\n'
)
IMPORT = ("contract", "import", "--from", "avro")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a domain, a folder of schemas and an `.avsc`."""
    root = tmp_path / "mesh"
    new_project(root)
    new_domain(root, "shop")
    with (root / "mesh.toml").open("a") as toml:
        toml.write('[registry.main]\ndirectory = "schemas"\n')
    (root / "schemas").mkdir()
    (root / "order.avsc").write_text(ORDER)
    return root


def run(root: Path, *arguments: str) -> Any:
    """Run a command in this process."""
    return CliRunner().invoke(app, ["--project", str(root), *arguments])


def said(root: Path, *arguments: str) -> Any:
    """Return the JSON of a command that succeeds."""
    done = run(root, *arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    return json.loads(done.stdout)


def refused(root: Path, *arguments: str) -> str:
    """Return the one line of a command's error."""
    done = run(root, *arguments)
    assert done.exit_code != 0
    return str(done.exception)


def about(stream: str, kind: str = "delta") -> tuple[str, ...]:
    """Return the options that say what is imported."""
    return "--domain", "shop", "--stream", stream, "--topic", f"shop.{stream}.v1", "--event-kind", kind


def test_registry_commands(root: Path) -> None:
    """Add, list and check, for people and as JSON."""
    file = str(root / "order.avsc")
    added = said(root, "registry", "add", file, "--subject", "order-value")
    assert set(added[0]) == {"subject", "version", "id", "guid", "schema_type", "schema"}
    assert (added[0]["subject"], added[0]["version"], added[0]["id"], added[0]["schema"]) == (
        "order-value",
        1,
        1,
        ORDER,
    )
    assert said(root, "registry", "add", file, "--subject", "order-value") == added
    assert said(root, "registry", "list") == said(root, "registry", "list", "order-value") == added
    assert said(root, "registry", "check") == []
    assert "1 subjects, nothing is wrong" in run(root, "registry", "check").stdout
    assert added[0]["guid"] in run(root, "registry", "list").stdout
    assert run(root, "registry", "list", "nobody").exit_code == 1
    (root / "schemas" / "order-value" / "1.avsc").write_text('"int"')
    checked = run(root, "registry", "check", "--json")
    assert checked.exit_code == 1
    assert "is another one than was added" in json.loads(checked.stdout)[0]["problem"]


def test_references_of_a_schema(root: Path) -> None:
    """They are said as NAME=SUBJECT:VERSION, and an imported contract's schema stands alone."""
    (root / "money.avsc").write_text('{"type": "fixed", "name": "m.Money", "size": 8}')
    (root / "priced.avsc").write_text(ORDER.replace('"long"', '["null", "m.Money"]'))
    said(root, "registry", "add", str(root / "money.avsc"), "--subject", "money")
    arguments = ("registry", "add", str(root / "priced.avsc"), "--subject", "priced")
    assert "the type 'm.Money' is not known here" in refused(root, *arguments)
    assert "it is not NAME=SUBJECT:VERSION" in refused(root, *arguments, "--reference", "m.Money")
    said(root, *arguments, "--reference", "m.Money=money:1")
    files = said(root, *IMPORT, "registry:priced", *about("priced"))["files"]
    schema = json.loads(Path(files[1]).read_text())
    assert schema["fields"][0]["type"][1] == {"type": "fixed", "name": "Money", "namespace": "m", "size": 8}


def test_import_from_a_file_and_from_the_registry(root: Path) -> None:
    """The schema is copied byte for byte; the newest version of a subject counts."""
    found = said(root, *IMPORT, str(root / "order.avsc"), *about("orders"))
    contract, schema = map(Path, found["files"])
    assert (contract.name, schema.name, found["notes"]) == ("orders.odcs.yaml", "orders.avsc", [])
    assert schema.read_text() == ORDER
    loaded = load_contract(contract)
    assert isinstance(loaded, StreamContract)
    assert (loaded.topic, loaded.format, loaded.framing) == ("shop.orders.v1", "avro", "confluent")
    assert loaded.schema_file == schema
    said(root, "registry", "add", str(root / "order.avsc"), "--subject", "order-value")
    newer = json.dumps({"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "long"}, {"name": "note", "type": ["null", "string"], "default": None}
    ]})  # fmt: skip
    (root / "order.avsc").write_text(newer)
    said(root, "registry", "add", str(root / "order.avsc"), "--subject", "order-value")
    again = said(
        root, *IMPORT, "registry:order-value", *about("newer", "state"), "--framing", "single_object"
    )
    assert again["notes"] == ["took 'id' for the primary key; mend `primaryKey` where it is another"]
    state = load_contract(Path(again["files"][0]))
    assert isinstance(state, StreamContract)
    assert [column.name for column in state.columns] == ["id", "note"]
    assert (state.framing, state.primary_key) == ("single_object", ("id",))
    assert said(root, "contract", "lint") == []


def test_import_from_a_service(root: Path) -> None:
    """The registry that `MESH_SCHEMA_REGISTRY_URL` names replaces the folder."""
    with running_registry() as server:
        server.add(
            "order-value", {"type": "record", "name": "Order", "fields": [{"name": "x", "type": "int"}]}
        )
        runner = CliRunner(env={"MESH_SCHEMA_REGISTRY_URL": server.url})
        arguments = ["--project", str(root), *IMPORT, "registry:order-value", *about("orders")]
        done = runner.invoke(app, arguments)
        assert done.exit_code == 0, (done.output, done.exception)
        server.add("p-value", "syntax", schemaType="PROTOBUF")
        done = runner.invoke(app, ["--project", str(root), *IMPORT, "registry:p-value", *about("p")])
    assert "its schema is PROTOBUF, not Avro" in str(done.exception)
    assert (root / "domains" / "shop" / "streams" / "orders.odcs.yaml").is_file()


def test_what_import_refuses(root: Path) -> None:
    """Each in one line that says what to do; nothing is written."""
    file = str(root / "order.avsc")
    said(root, *IMPORT, file, *about("orders"))
    before = sorted((root / "domains").rglob("*"))
    other = ("--domain", "shoop", "--stream", "s", "--topic", "t", "--event-kind", "delta")
    assert (
        "there is no domain 'shoop'; make it with `mesh domain new shoop`, or name one of: shop"
        in refused(root, *IMPORT, file, *other)
    )
    assert "orders.odcs.yaml is there, and nothing is overwritten" in refused(
        root, *IMPORT, file, *about("orders")
    )
    assert "No such file or directory" in refused(root, *IMPORT, str(root / "none.avsc"), *about("s"))
    assert "does not list it" in refused(root, *IMPORT, "registry:none", *about("s"))
    (root / "bad.avsc").write_text(
        '{"type": "record",\n "name": "R",\n "fields": [{"name": "a", "type": "strin"}]}'
    )
    bad = refused(root, *IMPORT, str(root / "bad.avsc"), *about("s"))
    assert bad.endswith(
        "bad.avsc: line 3: the type 'strin' is not known here; did you mean 'string'?; mend the schema"
    )
    (root / "bad.avsc").write_text('["null", "string"]')
    assert "is a union of 0 records" in refused(root, *IMPORT, str(root / "bad.avsc"), *about("s"))
    assert sorted((root / "domains").rglob("*")) == before
