"""A schema registry that speaks Confluent's protocol, asked through Confluent's own client."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from mesh_defs.broker.registry.failures import asked, unavailable
from mesh_defs.broker.registry.registry import AVRO, Registry, SchemaReference, SubjectVersion, texts_of
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avsc import parse_avsc
from mesh_defs.decode.schemas import RegisteredSchema
from mesh_defs.model.errors import ConfigError, UnknownSchemaError
from mesh_defs.model.registry_config import Option, RegistryConfig

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

_DEFAULTS: Final[dict[str, Option]] = {
    "timeout": 10,
    "max.retries": 4,
    "retries.wait.ms": 200,
    "retries.max.wait.ms": 2_000,
}
"""In place of the client's own, whose timeout is none and whose retries take up to a minute."""

_IMPATIENT: Final[dict[str, Option]] = {"timeout": 5, "max.retries": 0}

_UNKNOWN_ATTEMPTS: Final = 4
_UNKNOWN_SECONDS: Final = 0.2
"""A follower of the registry may not know yet what its leader has registered; the wait doubles each time."""

_REFERENCES_DEEP: Final = 32


class ServiceRegistry(Registry):
    """A registry behind an address.

    Args:
        name: Of the registry.
        config: Address and options of the client.
        patient: Whether a registry that does not answer is tried again.
    """

    def __init__(self, name: str, config: RegistryConfig, *, patient: bool = True) -> None:
        self.name = name
        self.place = _place(config.url or "")
        self._options = {**_DEFAULTS, **config.options, **({} if patient else _IMPATIENT), "url": config.url}
        self._patient = patient

    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id, as `Registry` says."""
        return self._found(f"id {schema_id}", lambda: self._client.get_schema(schema_id), schema_id)

    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Return the schema of a GUID, as `Registry` says."""
        return self._found(f"GUID {guid}", lambda: self._client.get_schema_by_guid(str(guid)), guid)

    def subjects(self) -> tuple[str, ...]:
        """Return the subjects, in order."""
        return tuple(sorted(asked(self, "list the subjects", self._get_subjects)))

    def versions(self, subject: str) -> tuple[int, ...]:
        """Return the versions of a subject, ascending."""
        try:
            found = asked(self, f"list the versions of {subject}", lambda: self._client.get_versions(subject))
        except UnknownSchemaError:
            return ()
        return tuple(sorted(found))

    def version(self, subject: str, version: int | None = None) -> SubjectVersion:
        """Return a version of a subject, the newest unless one is said."""
        wanted: Any = "latest" if version is None else version
        what = f"find the schema of {subject}, version {wanted}"
        found = asked(self, what, lambda: self._client.get_version(subject, wanted))
        schema = self._registered(found.schema, what, found.schema_id, _guid(found.guid))
        return SubjectVersion(subject=subject, version=int(found.version or 0), schema=schema)

    def incompatibilities(
        self, subject: str, text: str, references: Sequence[SchemaReference] = ()
    ) -> tuple[str, ...]:
        """Return why a schema cannot be the next version of a subject."""
        schema = self._schema(text, references)
        what = f"compare a schema with {subject}"
        try:
            fits = asked(self, what, lambda: self._client.test_compatibility(subject, schema))
        except UnknownSchemaError:
            return ()
        return () if fits else ("the registry judges it incompatible with the newest version",)

    def register(self, subject: str, text: str, references: Sequence[SchemaReference] = ()) -> SubjectVersion:
        """Register a schema; the registry decides by its own rules."""
        schema = self._schema(text, references)
        what = f"add a schema to the subject {subject!r}"
        asked(self, what, lambda: self._client.register_schema(subject, schema))
        found = asked(self, what, lambda: self._client.lookup_schema(subject, schema))
        registered = self._registered(schema, what, found.schema_id, _guid(found.guid))
        return SubjectVersion(subject=subject, version=int(found.version or 0), schema=registered)

    def problems(self) -> tuple[str, ...]:
        """Return nothing: the service looks after itself."""
        return ()

    def close(self) -> None:
        """Let go of the connection, where there is one."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            client.close()

    @cached_property
    def _client(self) -> SchemaRegistryClient:
        # Here, because it brings an HTTP client and its kin: half a second that most commands have no use for.
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

        try:
            return SchemaRegistryClient(dict(self._options))
        except (ValueError, TypeError, OSError) as error:
            # Of ssl's and the system's errors only the kind: their texts may hold paths and more.
            why = str(error) if isinstance(error, ValueError | TypeError) else type(error).__name__
            raise ConfigError(
                cannot=f"ask the schema registry {self.name}",
                why=f"its options cannot be used ({why})",
                do=f"mend [registry.{self.name}] in mesh.toml",
            ) from None

    def _get_subjects(self) -> list[str]:
        subjects: list[str] = self._client.get_subjects()
        return subjects

    def _schema(self, text: str, references: Sequence[SchemaReference]) -> Schema:
        """Return a schema for the client, checked here: registries say little about what is wrong."""
        from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - see `_client`
        from confluent_kafka.schema_registry import SchemaReference as Reference  # noqa: PLC0415

        others = [self.version(r.subject, r.version).schema for r in references]
        read_schema(text, "the new schema", texts_of(others))
        listed = [Reference(name=r.name, subject=r.subject, version=r.version) for r in references]
        return Schema(_strict(text), AVRO, listed)

    def _found(self, what: str, ask: Callable[[], Any], key: int | UUID) -> RegisteredSchema:
        """Return a schema that may be known only a moment later."""
        what = f"find the schema of {what}"
        schema_id, guid = (None, key) if isinstance(key, UUID) else (key, None)
        pause = threading.Event()
        for attempt in range(_UNKNOWN_ATTEMPTS - 1):
            try:
                return self._registered(asked(self, what, ask), what, schema_id, guid)
            except UnknownSchemaError:
                pause.wait(_UNKNOWN_SECONDS * 2**attempt)
        return self._registered(asked(self, what, ask), what, schema_id, guid)

    def _registered(
        self, schema: Any, what: str, schema_id: int | None, guid: UUID | None, *, depth: int = 0
    ) -> RegisteredSchema:
        if not isinstance(schema.schema_str, str):
            self.close()  # the client has kept the answer, and would give it again
            raise unavailable(self, what, "it answers without a schema")
        if depth > _REFERENCES_DEEP:
            raise unavailable(self, what, f"its references are nested deeper than {_REFERENCES_DEEP} levels")
        references = []
        for reference in schema.references or ():
            subject, version = reference.subject, reference.version
            found = asked(self, what, partial(self._client.get_version, subject, version, deleted=True))
            references.append(
                self._registered(found.schema, what, found.schema_id, _guid(found.guid), depth=depth + 1)
            )
        return RegisteredSchema(
            id=schema_id,
            guid=guid,
            schema_type=schema.schema_type or AVRO,
            text=schema.schema_str,
            references=tuple(references),
        )


def _strict(text: str) -> str:
    """Return a schema as JSON without comments, which not every registry understands."""
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(parse_avsc(text, "the new schema"), ensure_ascii=False)
    return text


def _place(url: str) -> str:
    """Return an address without credentials, path or query."""
    places = []
    for one in url.split(","):
        try:
            parts = urlsplit(one.strip())
            places.append(
                f"{parts.hostname or 'an address without a host'}{f':{parts.port}' if parts.port else ''}"
            )
        except ValueError:
            places.append("an address that is none")
    return ", ".join(places)


def _guid(text: str | None) -> UUID | None:
    return UUID(text) if text else None
