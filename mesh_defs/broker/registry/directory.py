"""A folder of schemas in git, served as a registry: no service is needed, and people read it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import UUID

from mesh_defs.broker.registry.identity import fingerprint, guid_of
from mesh_defs.broker.registry.index import INDEX_FILE, Entry, Index, file_of, read_index, write_index
from mesh_defs.broker.registry.registry import AVRO, Registry, SchemaReference, SubjectVersion, texts_of
from mesh_defs.contract.avro.compatible import why_unreadable
from mesh_defs.contract.avro.defaults import wrong_defaults
from mesh_defs.contract.avro.schema import read_schema
from mesh_defs.contract.avro.types import AvroSchema
from mesh_defs.contract.avsc import read_avsc
from mesh_defs.decode.schemas import RegisteredSchema
from mesh_defs.model.errors import ContractError, RegistryError, SchemaChangedError, UnknownSchemaError

_LONGEST_SUBJECT: Final = 200


class DirectoryRegistry(Registry):
    """A folder of schemas.

    The list `registry.toml` says what each file is. Ids are given once: a schema that is registered under a second
    subject keeps its id, as in Confluent's registry, and an id is never given again.

    Args:
        name: Of the registry.
        folder: Of the schemas, absolute.
        compatibility: What a new version owes the earlier ones.
    """

    def __init__(self, name: str, folder: Path, compatibility: str) -> None:
        self.name = name
        self.place = str(folder)
        self._folder = folder
        self._compatibility = compatibility

    def by_id(self, schema_id: int) -> RegisteredSchema:
        """Return the schema of an id, as `Registry` says."""
        index = read_index(self._folder, self.name)
        return self._schema(
            index, next((e for e in index.entries if e.id == schema_id), None), f"id {schema_id}"
        )

    def by_guid(self, guid: UUID) -> RegisteredSchema:
        """Return the schema of a GUID, as `Registry` says."""
        index = read_index(self._folder, self.name)
        return self._schema(index, next((e for e in index.entries if e.guid == guid), None), f"GUID {guid}")

    def subjects(self) -> tuple[str, ...]:
        """Return the subjects, in order."""
        return tuple(sorted({entry.subject for entry in read_index(self._folder, self.name).entries}))

    def versions(self, subject: str) -> tuple[int, ...]:
        """Return the versions of a subject, ascending."""
        return tuple(entry.version for entry in read_index(self._folder, self.name).of(subject))

    def version(self, subject: str, version: int | None = None) -> SubjectVersion:
        """Return a version of a subject, the newest unless one is said."""
        index = read_index(self._folder, self.name)
        entry = _pick(index, subject, version)
        what = f"subject {subject}" + ("" if version is None else f", version {version}")
        schema = self._schema(index, entry, what)
        return SubjectVersion(subject=subject, version=entry.version if entry else 0, schema=schema)

    def incompatibilities(
        self, subject: str, text: str, references: Sequence[SchemaReference] = ()
    ) -> tuple[str, ...]:
        """Return why a schema cannot be the next version of a subject."""
        index = read_index(self._folder, self.name)
        schema = _read(self._new(index, text, references), "the new schema")
        return (*wrong_defaults(schema), *self._misfits(index, index.of(subject), schema))

    def register(self, subject: str, text: str, references: Sequence[SchemaReference] = ()) -> SubjectVersion:
        """Add a schema: its file first, then the list, under a lock that other commands wait for."""
        if not subject.strip(". ") or len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
            raise self._refusal(subject, "that is no name of a subject", "name it as `TOPIC-value`")
        try:
            with self._alone():
                return self._add(subject, text, tuple(references))
        except OSError as error:
            why = f"{error.filename or self._folder}: {error.strerror}"
            raise self._refusal(subject, why, "make the folder writable") from None

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong: files that changed or are missing, ids given twice, versions that do not fit."""
        index = read_index(self._folder, self.name)
        found = [*self._unlisted(index), *_doubles(index)]
        if index.last_id < max((entry.id for entry in index.entries), default=0):
            found.append("last_id is below the highest id of the list")
        for subject in sorted({entry.subject for entry in index.entries}):
            try:
                found += self._subject_problems(index, index.of(subject))
            except (RegistryError, ContractError) as error:
                found.append(f"{subject}: {error.why}")
        return tuple(found)

    def close(self) -> None:
        """Do nothing: nothing is held open."""

    def _add(self, subject: str, text: str, references: tuple[SchemaReference, ...]) -> SubjectVersion:
        index = read_index(self._folder, self.name)
        schema = self._new(index, text, references)
        mark, entries = fingerprint(schema), index.of(subject)
        there = next((entry for entry in entries if entry.fingerprint == mark), None)
        if there is not None:
            found = self._schema(index, there, subject)
            return SubjectVersion(subject=subject, version=there.version, schema=found)
        read = _read(schema, f"the new schema of {subject}")
        wrong = wrong_defaults(read)
        if wrong:
            raise self._refusal(subject, "; ".join(wrong), "mend the defaults, or leave them out")
        misfits = self._misfits(index, entries, read)
        if misfits:
            why = f"it is not {self._compatibility} compatible: {'; '.join(misfits)}"
            raise self._refusal(subject, why, "change the schema so that it is, or name another subject")
        version = entries[-1].version + 1 if entries else 1
        same = next((entry.id for entry in index.entries if entry.fingerprint == mark), None)
        entry = Entry(
            subject=subject,
            version=version,
            id=index.next_id if same is None else same,
            guid=guid_of(schema),
            file=file_of(subject, version),
            fingerprint=mark,
            references=references,
        )
        self._keep(index, entry, text)
        found = replace(schema, id=entry.id, guid=entry.guid)
        return SubjectVersion(subject=subject, version=version, schema=found)

    def _keep(self, index: Index, entry: Entry, text: str) -> None:
        path = self._folder / entry.file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        last = max(index.last_id, entry.id)
        write_index(self._folder, Index(last_id=last, entries=(*index.entries, entry)))

    def _new(self, index: Index, text: str, references: Sequence[SchemaReference]) -> RegisteredSchema:
        return RegisteredSchema(
            id=None, guid=None, schema_type=AVRO, text=text, references=self._references(index, references)
        )

    def _references(
        self, index: Index, references: Sequence[SchemaReference]
    ) -> tuple[RegisteredSchema, ...]:
        return tuple(
            self._schema(
                index, _pick(index, r.subject, r.version), f"subject {r.subject}, version {r.version}"
            )
            for r in references
        )

    def _schema(self, index: Index, entry: Entry | None, what: str) -> RegisteredSchema:
        if entry is None:
            raise UnknownSchemaError(
                cannot=f"find the schema of {what} in the registry {self.name}",
                why=f"{self._folder / INDEX_FILE} does not list it",
                do="`mesh registry list` shows what is there, `mesh registry add` adds a schema",
            )
        path = self._folder / entry.file
        schema = RegisteredSchema(
            id=entry.id,
            guid=entry.guid,
            schema_type=AVRO,
            text=read_avsc(path),
            references=self._references(index, entry.references),
        )
        now = fingerprint(schema)
        if now != entry.fingerprint:
            raise SchemaChangedError(
                cannot=f"use the schema {entry.id} of the registry {self.name}",
                why=f"{path} is another one than was added: its fingerprint was {entry.fingerprint} and is {now}",
                do="take the file from git as it was; `mesh registry add` adds a changed schema as a new version",
            )
        return schema

    def _misfits(self, index: Index, entries: Sequence[Entry], schema: AvroSchema) -> tuple[str, ...]:
        level = self._compatibility
        if not level.endswith("_TRANSITIVE"):
            entries = entries[-1:]
        found: list[str] = []
        for entry in entries if level != "NONE" else ():
            earlier = _read(
                self._schema(index, entry, entry.subject), f"{entry.subject}, version {entry.version}"
            )
            if level.startswith(("BACKWARD", "FULL")):
                reasons = why_unreadable(reader=schema, writer=earlier)
                found += [f"it cannot read version {entry.version} at {reason}" for reason in reasons]
            if level.startswith(("FORWARD", "FULL")):
                reasons = why_unreadable(reader=earlier, writer=schema)
                found += [f"version {entry.version} cannot read it at {reason}" for reason in reasons]
        return tuple(found)

    def _subject_problems(self, index: Index, entries: Sequence[Entry]) -> list[str]:
        found: list[str] = []
        for position, entry in enumerate(entries):
            what = f"{entry.subject}, version {entry.version}"
            schema = _read(self._schema(index, entry, what), what)
            found += [f"{what}: {misfit}" for misfit in self._misfits(index, entries[:position], schema)]
        return found

    def _unlisted(self, index: Index) -> list[str]:
        listed = {entry.file for entry in index.entries}
        files = sorted(path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*.avsc"))
        return [
            f"{file} is not listed: `mesh registry add` adds a schema" for file in files if file not in listed
        ]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until no other process adds a schema."""
        self._folder.mkdir(parents=True, exist_ok=True)
        # The folder itself: the list is replaced, and a lock on it would be one on what it was.
        lock = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _refusal(self, subject: str, why: str, do: str) -> RegistryError:
        return RegistryError(cannot=f"add a schema to the subject {subject!r}", why=why, do=do)


def _pick(index: Index, subject: str, version: int | None) -> Entry | None:
    entries = index.of(subject)
    if version is None:
        return entries[-1] if entries else None
    return next((entry for entry in entries if entry.version == version), None)


def _read(schema: RegisteredSchema, source: str) -> AvroSchema:
    return read_schema(schema.text, source, texts_of(schema.references))


def _doubles(index: Index) -> list[str]:
    """Return the ids that mean two schemas, and the versions that stand twice: what merges of branches leave."""
    marks: dict[int, set[str]] = {}
    places: dict[tuple[str, int], int] = {}
    for entry in index.entries:
        marks.setdefault(entry.id, set()).add(entry.fingerprint)
        places[entry.subject, entry.version] = places.get((entry.subject, entry.version), 0) + 1
    twice = [
        f"the id {number} is given to {len(m)} schemas" for number, m in sorted(marks.items()) if len(m) > 1
    ]
    return twice + [f"{s}, version {v}: stands {n} times" for (s, v), n in sorted(places.items()) if n > 1]
