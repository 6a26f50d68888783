"""A registry behind an address: what it answers, and all that can go wrong on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from mesh_defs.broker import free_port
from mesh_defs.broker.registry import Registry, SchemaReference, registry_for, remembered, texts_of
from mesh_defs.model.config import load_config
from mesh_defs.model.errors import (
    ConfigError,
    ContractError,
    RegistryError,
    RegistryUnavailableError,
    SchemaChangedError,
    UnknownSchemaError,
)
from tests.registry_server import RegistryServer, running_registry, write_certificate

ORDER = {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]}
QUICK = '"retries.wait.ms" = 1\n"retries.max.wait.ms" = 1\n'


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    """A registry that works until it is told not to."""
    with running_registry() as running:
        yield running


def opened(folder: Path, url: str, options: str = QUICK, **environ: str) -> Registry:
    """Open `[registry.main]` of a project as a new process would."""
    (folder / "mesh.toml").write_text(f'[registry.main]\nurl = "{url}"\n{options}')
    return registry_for(load_config(folder, environ))


def test_schemas_by_id_and_by_guid(tmp_path: Path, server: RegistryServer) -> None:
    """Each is asked for once, and is what was registered."""
    number = server.add("orders-value", ORDER)
    guid = UUID(server.schemas[number]["guid"])
    with opened(tmp_path, server.url) as registry:
        by_id = registry.by_id(number)
        assert (by_id.id, by_id.schema_type, json.loads(by_id.text)) == (number, "AVRO", ORDER)
        assert registry.by_id(number) is by_id
        by_guid = registry.by_guid(guid)
        assert (by_guid.guid, json.loads(by_guid.text)) == (guid, ORDER)
    assert server.requests == [f"GET /schemas/ids/{number}"], "the first answer told the GUID as well"
    with opened(tmp_path, server.url) as registry:
        assert json.loads(registry.by_guid(guid).text) == ORDER


def test_other_kinds_of_schemas(tmp_path: Path, server: RegistryServer) -> None:
    """JSON and Protobuf schemas are handed over as what they are."""
    number = server.add("p", 'syntax = "proto3"; message M {}', schemaType="PROTOBUF")
    with opened(tmp_path, server.url) as registry:
        assert registry.by_id(number).schema_type == "PROTOBUF"


def test_subjects_versions_and_registration(tmp_path: Path, server: RegistryServer) -> None:
    """What `mesh registry` stands on; comments are left out for registries that do not know them."""
    newer = {**ORDER, "fields": [*ORDER["fields"], {"name": "n", "type": "int", "default": 0}]}
    with opened(tmp_path, server.url) as registry:
        assert registry.subjects() == ()
        assert registry.versions("orders-value") == ()
        assert registry.incompatibilities("orders-value", json.dumps(ORDER)) == ()
        first = registry.register("orders-value", f"// the first\n{json.dumps(ORDER)}")
        again = registry.register("orders-value", json.dumps(ORDER))
        second = registry.register("orders-value", json.dumps(newer))
        assert [(v.version, v.schema.id) for v in (first, again, second)] == [(1, 1), (1, 1), (2, 2)]
        assert registry.subjects() == ("orders-value",)
        assert registry.versions("orders-value") == (1, 2)
        assert registry.version("orders-value").version == 2
        assert registry.version("orders-value", 1).schema.id == 1
        assert registry.incompatibilities("orders-value", json.dumps({**ORDER, "doc": "incompatible"}))
        with pytest.raises(UnknownSchemaError):
            registry.version("orders-value", 7)
        with pytest.raises(UnknownSchemaError):
            registry.version("nobody")
        with pytest.raises(ContractError, match="the type 'lng' is not known here"):
            registry.register("orders-value", '{"type": "array", "items": "lng"}')
    assert json.loads(server.schemas[1]["schema"]) == ORDER


def test_references_are_resolved(tmp_path: Path, server: RegistryServer) -> None:
    """Through several subjects, each schema before those that use it."""
    unit = {"type": "enum", "name": "Unit", "symbols": ["EUR"]}
    money = {"type": "record", "name": "Money", "fields": [{"name": "unit", "type": "Unit"}]}
    order = {"type": "record", "name": "Order", "fields": [{"name": "total", "type": "Money"}]}
    with opened(tmp_path, server.url) as registry:
        registry.register("unit", json.dumps(unit))
        registry.register(
            "money", json.dumps(money), (SchemaReference(name="Unit", subject="unit", version=1),)
        )
        reference = SchemaReference(name="Money", subject="money", version=1)
        added = registry.register("order", json.dumps(order), (reference,)).schema
        assert added.id is not None
        for found in (added, registry.by_id(added.id), registry.version("order").schema):
            assert [json.loads(text) for text in texts_of(found.references)] == [unit, money]


@pytest.mark.fault(29)
def test_an_unknown_id_is_unknown_after_retries(tmp_path: Path, server: RegistryServer) -> None:
    """A follower that lags behind is given time; then the same question is not put again at once."""
    with opened(tmp_path, server.url) as registry:
        with pytest.raises(
            UnknownSchemaError, match=r"find the schema of id 7 in the registry main: 127.0.0.1:\d+ knows"
        ):
            registry.by_id(7)
        assert server.requests == ["GET /schemas/ids/7"] * 4
        with pytest.raises(UnknownSchemaError):
            registry.by_id(7)
        assert len(server.requests) == 4
        with pytest.raises(UnknownSchemaError):
            registry.by_guid(uuid4())
        number = server.add("late", ORDER)
        server.failures = [(404, b'{"error_code": 40403, "message": "Schema not found"}')] * 2
        assert registry.by_id(number).id == number


@pytest.mark.fault(29)
def test_a_registry_that_is_down(tmp_path: Path) -> None:
    """No answer is no unknown id: what is missing may be had later."""
    with (
        opened(tmp_path, f"http://127.0.0.1:{free_port()}") as registry,
        pytest.raises(
            RegistryUnavailableError, match=r"it does not answer \(ConnectError\); start the registry"
        ),
    ):
        registry.by_id(1)


@pytest.mark.fault(29)
@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (
            (500, b'{"error_code": 50001, "message": "Error in the backend datastore"}'),
            r"it fails \(HTTP 500\)",
        ),
        ((503, b"<html>"), r"it fails \(HTTP 503\)"),
        ((404, b"<html>not here</html>"), r"it fails \(HTTP 404\)"),
        ((404, b'{"error_code": 404, "message": "HTTP 404 Not Found"}'), r"it fails \(HTTP 404\)"),
        ((403, b"{}"), r"it refuses the credentials \(HTTP 403\)"),
        ((200, b"<html>a proxy's page</html>"), "it answers what no registry does"),
        ((200, b"[]"), "it answers what no registry does"),
        ((200, b"{}"), "it answers without a schema"),
    ],
)
def test_a_registry_that_fails(
    tmp_path: Path, server: RegistryServer, failure: tuple[int, bytes], why: str
) -> None:
    """Whatever is no registry's word about the id fails the pass; it must not make dead letters."""
    number = server.add("orders-value", ORDER)
    server.failures = [failure] * 100
    with opened(tmp_path, server.url) as registry:
        with pytest.raises(RegistryUnavailableError, match=why):
            registry.by_id(number)
        assert len(server.requests) <= 5
        server.failures = []
        assert registry.by_id(number).id == number


def test_a_registry_that_recovers(tmp_path: Path, server: RegistryServer) -> None:
    """A few failures in between are nobody's business."""
    number = server.add("orders-value", ORDER)
    server.failures = [(500, b"{}"), (429, b"{}"), (503, b"{}")]
    with opened(tmp_path, server.url) as registry:
        assert registry.by_id(number).id == number


def test_a_registry_that_is_slow(tmp_path: Path, server: RegistryServer) -> None:
    """The timeout bounds each question."""
    number = server.add("orders-value", ORDER)
    server.released.clear()
    with (
        opened(tmp_path, server.url, '"timeout" = 0.2\n"max.retries" = 1\n' + QUICK) as registry,
        pytest.raises(RegistryUnavailableError, match=r"it does not answer \(ReadTimeout\)"),
    ):
        registry.by_id(number)


def test_basic_authentication(tmp_path: Path, server: RegistryServer) -> None:
    """The password comes from the environment, and is in no message."""
    number = server.add("orders-value", ORDER)
    server.user_info = "me:hunter3"
    option = '"basic.auth.user.info" = "me:${KEY}"\n' + QUICK
    with opened(tmp_path, server.url, option, KEY="hunter3") as registry:
        assert registry.by_id(number).id == number
    with (
        opened(tmp_path, server.url, option, KEY="wrong4") as registry,
        pytest.raises(RegistryUnavailableError, match="it refuses the credentials") as caught,
    ):
        registry.by_id(number + 1)
    assert "wrong4" not in str(caught.value)
    with opened(
        tmp_path, "http://elsewhere", MESH_SCHEMA_REGISTRY_URL=server.url.replace("//", "//me:hunter3@")
    ) as registry:
        assert registry.by_id(number).id == number
        assert "hunter3" not in registry.place


def test_tls(tmp_path: Path) -> None:
    """A certificate that nobody vouches for is refused until `ssl.ca.location` names it."""
    certificate = write_certificate(tmp_path)
    with running_registry(certificate) as server:
        number = server.add("orders-value", ORDER)
        with (
            opened(tmp_path, server.url) as registry,
            pytest.raises(RegistryUnavailableError, match="ConnectError"),
        ):
            registry.by_id(number)
        with opened(tmp_path, server.url, 'ssl.ca.location = "registry.pem"\n' + QUICK) as registry:
            assert registry.by_id(number).id == number


@pytest.mark.parametrize(
    ("url", "options", "why"),
    [
        ("registry:8081", "", "Invalid url"),
        ("http://a", '"basic.auth.user.info" = "me"\n', "must be in the form"),
        ("http://a", '"ssl.ca.location" = "missing.pem"\n', "FileNotFoundError"),
        ("http://a", '"ssl.key.location" = "missing.pem"\n', "ssl.certificate.location required"),
    ],
)
def test_options_that_cannot_be_used(tmp_path: Path, url: str, options: str, why: str) -> None:
    """The registry's table is named, not a stack of calls."""
    with opened(tmp_path, url, options) as registry, pytest.raises(ConfigError, match=why) as caught:
        registry.subjects()
    assert "mend [registry.main] in mesh.toml" in str(caught.value)


def test_a_refused_registration(tmp_path: Path, server: RegistryServer) -> None:
    """The registry's own words are handed on."""
    for status, code in ((409, 409), (422, 42201)):
        server.failures = [
            (status, json.dumps({"error_code": code, "message": "Schema being\nregistered"}).encode())
        ]
        with (
            opened(tmp_path, server.url) as registry,
            pytest.raises(RegistryError, match="Schema being registered"),
        ):
            registry.register("orders-value", json.dumps(ORDER))


@pytest.mark.fault(30)
def test_an_id_that_means_another_schema_is_an_alarm(tmp_path: Path, server: RegistryServer) -> None:
    """Across processes: what an id meant is on disk; writing the schema differently is no change."""
    number = server.add("orders-value", ORDER)
    guid = UUID(server.schemas[number]["guid"])
    with opened(tmp_path, server.url) as registry:
        registry.by_id(number)
        registry.by_guid(guid)
    server.schemas[number]["schema"] = json.dumps(dict(reversed(ORDER.items())), indent=8)
    with opened(tmp_path, server.url) as registry:
        registry.by_id(number)
        assert registry.problems() == ()
    changed: dict[str, Any] = {
        **ORDER,
        "fields": [{"name": "id", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
    }
    server.schemas[number]["schema"] = json.dumps(changed)
    for ask in (lambda r: r.by_id(number), lambda r: r.by_guid(guid)):
        with opened(tmp_path, server.url) as registry, pytest.raises(SchemaChangedError) as caught:
            ask(registry)
        assert "its fingerprint was" in caught.value.why
        assert str(tmp_path / "data" / "schema-registry" / "main") in caught.value.do
    with opened(tmp_path, server.url) as registry:
        assert [problem.split(":")[0] for problem in registry.problems()] == [
            f"use the schema {number} of the registry main",
            f"use the schema {guid} of the registry main",
        ]
    for file in (tmp_path / "data" / "schema-registry" / "main").glob("*.json"):
        file.unlink()
    with opened(tmp_path, server.url) as registry:
        assert json.loads(registry.by_id(number).text) == changed


@pytest.mark.fault(30)
def test_a_process_that_lives_asks_again(
    tmp_path: Path, server: RegistryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that comes to mean another schema is an alarm then, each time; one that cannot be asked for stays known."""
    number = server.add("orders-value", ORDER)
    monkeypatch.setattr(remembered, "AGAIN_SECONDS", 0)
    with opened(tmp_path, server.url) as registry:
        known = registry.by_id(number)
        assert registry.by_id(number) == known
        assert len(server.requests) == 2
        server.failures = [(503, b"")]
        assert registry.by_id(number) == known
        assert registry.by_id(number) == known, "and it is not asked for again at once"
        assert len(server.requests) == 3
    server.schemas[number]["schema"] = json.dumps(ORDER | {"name": "Other"})
    (tmp_path / "data" / "schema-registry" / "main" / f"{number}.json").unlink()
    with opened(tmp_path, server.url) as registry:
        registry.by_id(number)
        server.schemas[number]["schema"] = json.dumps(ORDER)
        for _ in range(2):
            with pytest.raises(SchemaChangedError):
                registry.by_id(number)


def test_a_memory_that_cannot_be_read(tmp_path: Path, server: RegistryServer) -> None:
    """Without it nobody can say that the id means what it meant."""
    number = server.add("orders-value", ORDER)
    with opened(tmp_path, server.url) as registry:
        registry.by_id(number)
    memory = tmp_path / "data" / "schema-registry" / "main" / f"{number}.json"
    memory.write_text("{")
    with opened(tmp_path, server.url) as registry, pytest.raises(RegistryError, match="cannot be read"):
        registry.by_id(number)


def test_no_registry(tmp_path: Path) -> None:
    """A mesh without one says how to name one."""
    (tmp_path / "mesh.toml").write_text("")
    with pytest.raises(ConfigError, match=r"mesh.toml has no table \[registry.main\]"):
        registry_for(load_config(tmp_path, {}))
