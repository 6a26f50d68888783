"""Ids are for ever: what each one meant is remembered across processes, and another meaning is an alarm."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias
from uuid import UUID

from mesh_defs.broker.registry.identity import fingerprint
from mesh_defs.broker.registry.registry import Registry, SchemaReference, SubjectVersion
from mesh_defs.decode.schemas import RegisteredSchema
from mesh_defs.model.errors import (
    RegistryError,
    RegistryUnavailableError,
    SchemaChangedError,
    UnknownSchemaError,
)

FOLDER: Final = "schema-registry"
"""In the mesh's data folder; no domain can have this name."""

_UNKNOWN_SECONDS: Final = 10.0
"""How long an id that the registry did not know is not asked for again: a batch may be full of it."""

AGAIN_SECONDS: Final = 60.0
"""After so long a process asks again what an id means: it may live for weeks, and a registry be filled anew."""

_LATER_SECONDS: Final = 600.0
"""So long after a registry that does not answer, or has forgotten the id: what it meant stays known meanwhile."""


_Ask: TypeAlias = Callable[[Registry], RegisteredSchema]


class Remembered(Registry):
    """A registry that asks another one, now and then for each id, and compares with what was learnt before.

    Args:
        inner: The registry.
        folder: Holds a file for each id that was ever used.
        again: The same registry, for what is known already: it neither waits long nor remembers by itself.
    """

    def __init__(self, inner: Registry, folder: Path, again: Registry) -> None:
        self.name = inner.name
        self.place = inner.place
        self._inner = inner
        self._again = again
        self._folder = folder
        self._known: dict[int | UUID, tuple[float, RegisteredSchema]] = {}
        self._unknown: dict[int | UUID, tuple[float, UnknownSchemaError]] = {}

    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id, as `Registry` says."""
        return self._asked(schema_id, lambda registry: registry.by_id(schema_id))

    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Return the schema of a GUID, as `Registry` says."""
        return self._asked(guid, lambda registry: registry.by_guid(guid))

    def subjects(self) -> tuple[str, ...]:
        """Return the subjects."""
        return self._inner.subjects()

    def versions(self, subject: str) -> tuple[int, ...]:
        """Return the versions of a subject."""
        return self._inner.versions(subject)

    def version(self, subject: str, version: int | None = None) -> SubjectVersion:
        """Return a version of a subject."""
        return self._inner.version(subject, version)

    def incompatibilities(
        self, subject: str, text: str, references: Sequence[SchemaReference] = ()
    ) -> tuple[str, ...]:
        """Return why a schema cannot be the next version."""
        return self._inner.incompatibilities(subject, text, references)

    def register(self, subject: str, text: str, references: Sequence[SchemaReference] = ()) -> SubjectVersion:
        """Register a schema."""
        return self._inner.register(subject, text, references)

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong in the registry, and every id in use that it gave to another schema or forgot."""
        found = list(self._inner.problems())
        for path in sorted(self._folder.glob("*.json")):
            try:
                self._of(path.stem)
            except (SchemaChangedError, UnknownSchemaError) as error:
                found.append(f"{error.cannot}: {error.why}")
        return tuple(found)

    def close(self) -> None:
        """Let go of connections."""
        self._inner.close()
        self._again.close()

    def _of(self, stem: str) -> RegisteredSchema:
        return self.by_id(int(stem)) if stem.isdecimal() else self.by_guid(UUID(stem))

    def _asked(self, key: int | UUID, ask: _Ask) -> RegisteredSchema:
        due, known = self._known.get(key, (0.0, None))
        if known is not None:
            return known if time.monotonic() < due else self._asked_again(key, ask, known)
        since, error = self._unknown.get(key, (0.0, None))
        if error is not None and time.monotonic() - since < _UNKNOWN_SECONDS:
            raise error
        try:
            found = ask(self._inner)
        except UnknownSchemaError as unknown:
            self._unknown[key] = (time.monotonic(), unknown)
            raise
        return self._learnt(key, found)

    def _asked_again(self, key: int | UUID, ask: _Ask, known: RegisteredSchema) -> RegisteredSchema:
        try:
            return self._learnt(key, ask(self._again))
        except (RegistryUnavailableError, UnknownSchemaError):
            self._known[key] = (time.monotonic() + _LATER_SECONDS, known)
            return known
        finally:
            # Its client remembers as well, for as long as it is open.
            self._again.close()

    def _learnt(self, key: int | UUID, found: RegisteredSchema) -> RegisteredSchema:
        self._compare(key, found)
        self._known[key] = (time.monotonic() + AGAIN_SECONDS, found)
        return found

    def _compare(self, key: int | UUID, found: RegisteredSchema) -> None:
        path = self._folder / f"{key}.json"
        now = fingerprint(found)
        before = self._before(path)
        if before is None:
            self._write(path, {"fingerprint": now, "schemaType": found.schema_type, "schema": found.text})
        elif before != now:
            raise SchemaChangedError(
                cannot=f"use the schema {key} of the registry {self.name}",
                why=f"it is another one than before: its fingerprint was {before} and is {now}",
                do=f"find out who replaced the registry or gave the number again; where the new schema is right for "
                f"every record that carries the number, remove {path}",
            )

    def _before(self, path: Path) -> str | None:
        try:
            said = json.loads(path.read_text(encoding="utf-8"))["fingerprint"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RegistryError(
                cannot=f"compare a schema of the registry {self.name} with what it was",
                why=f"{path} cannot be read ({type(error).__name__})",
                do="make the file readable, or remove it",
            ) from None
        return str(said)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._folder, delete=False, encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError as error:
            raise RegistryError(
                cannot=f"remember a schema of the registry {self.name}",
                why=f"{path.parent}: {error.strerror or 'the system refused'}",
                do="make room there, or make the folder writable",
            ) from None
