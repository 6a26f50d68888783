"""The registry's client against a real one: what Apicurio says is what the mesh understands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesh_defs.broker.registry import SchemaReference, registry_for, texts_of
from mesh_defs.model.config import load_config
from mesh_defs.model.errors import RegistryUnavailableError, UnknownSchemaError
from tests.apicurio import running_apicurio

FOLDER = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "avro"


@pytest.mark.slow
def test_a_real_registry(tmp_path: Path) -> None:
    """Registering, looking up by id, references, compatibility, unknown ids, and the registry's end."""
    (tmp_path / "mesh.toml").write_text('[registry.main]\nurl = "${URL}"\n"retries.wait.ms" = 1\n')
    order = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
    money = '{"type":"record","name":"Money","namespace":"m","fields":[{"name":"cents","type":"long"}]}'
    priced = '{"type":"record","name":"Priced","fields":[{"name":"price","type":"m.Money"}]}'
    with running_apicurio(tmp_path) as url:
        config = load_config(tmp_path, {"URL": url})
        with registry_for(config) as registry:
            files = sorted(FOLDER.glob("*.avsc"))
            assert len(files) >= 13, f"{FOLDER} lacks schemas"
            for file in files:
                added = registry.register(f"{file.stem}-value", file.read_text(encoding="utf-8"))
                assert added.version == 1
                assert added.schema.id is not None
                found = registry.by_id(added.schema.id)
                assert json.loads(found.text)["fields"] == json.loads(added.schema.text)["fields"]
                assert registry.version(f"{file.stem}-value").schema.id == added.schema.id
            assert registry.subjects() == tuple(sorted(f"{file.stem}-value" for file in files))

            first = registry.register("orders", json.dumps(order))
            assert registry.register("orders", json.dumps(order)) == first
            newer = {**order, "fields": [*order["fields"], {"name": "n", "type": "int", "default": 0}]}
            assert registry.incompatibilities("orders", json.dumps(newer)) == ()
            assert registry.register("orders", json.dumps(newer)).version == 2
            assert registry.versions("orders") == (1, 2)

            registry.register("money", money)
            reference = SchemaReference(name="m.Money", subject="money", version=1)
            with_money = registry.register("priced", priced, (reference,)).schema
            assert with_money.id is not None
            assert texts_of(registry.by_id(with_money.id).references) == (money,)

            with pytest.raises(UnknownSchemaError):
                registry.by_id(999_999)
            with pytest.raises(UnknownSchemaError):
                registry.version("nobody")
            assert registry.versions("nobody") == ()
            assert registry.problems() == ()
    with registry_for(config) as registry, pytest.raises(RegistryUnavailableError):
        registry.by_id(1)
