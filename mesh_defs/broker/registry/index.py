"""The list of a folder of schemas, `registry.toml`: what people and git see of the registry."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from mesh_defs.broker.registry.registry import SchemaReference
from mesh_defs.model.errors import RegistryError

INDEX_FILE: Final = "registry.toml"

_HEADER: Final = """\
# The schemas of this folder. `mesh registry add FILE --subject S` adds one, `mesh registry check` checks them all.
# Records carry these ids: an id, once given, belongs to its schema for ever, also when its entry is removed.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A schema of the folder.

    Attributes:
        file: Its text, below the folder.
        fingerprint: Of the schema as it was added.
        references: The schemas whose names it uses.
    """

    subject: str
    version: int
    id: int
    guid: UUID
    file: str
    fingerprint: str
    references: tuple[SchemaReference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """The list, read.

    Attributes:
        last_id: The highest id that was ever given.
    """

    last_id: int = 0
    entries: tuple[Entry, ...] = field(default_factory=tuple)

    @property
    def next_id(self) -> int:
        """The id of the next schema that is new."""
        return max([self.last_id, *(entry.id for entry in self.entries)]) + 1

    def of(self, subject: str) -> tuple[Entry, ...]:
        """Return a subject's entries by version."""
        found = [entry for entry in self.entries if entry.subject == subject]
        return tuple(sorted(found, key=lambda entry: entry.version))


def file_of(subject: str, version: int) -> str:
    """Return where a schema's text stands below the folder."""
    return f"{quote(subject, safe='')}/{version}.avsc"


def read_index(folder: Path, name: str) -> Index:
    """Read a folder's list; a folder without one has no schemas.

    Args:
        folder: Of the schemas.
        name: Of the registry, for messages.

    Raises:
        RegistryError: The folder is none, or the list cannot be read.
    """
    path = folder / INDEX_FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = tuple(_entry(said) for said in document.get("schema", ()))
        return Index(last_id=int(document.get("last_id", 0)), entries=entries)
    except FileNotFoundError:
        if folder.is_dir():
            return Index()
        raise _refused(name, f"{folder} is no folder", "make it, or mend [registry.*] in mesh.toml") from None
    except OSError as error:
        raise _refused(name, f"{path}: {error.strerror}", "make the file readable") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{path} is no list of schemas ({type(error).__name__}: {error})"
        raise _refused(name, why, "mend that entry, or take the file from git") from None


def write_index(folder: Path, index: Index) -> None:
    """Replace a folder's list at once.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.NamedTemporaryFile(
        "w", dir=folder, prefix=".", suffix=".tmp", delete=False, encoding="utf-8"
    ) as file:
        file.write(_text(index))
        file.flush()
        os.fsync(file.fileno())
    temporary = Path(file.name)
    temporary.chmod(0o644)
    temporary.replace(folder / INDEX_FILE)


def _entry(said: Mapping[str, Any]) -> Entry:
    references = tuple(
        SchemaReference(name=r["name"], subject=r["subject"], version=int(r["version"]))
        for r in said.get("references", ())
    )
    return Entry(
        subject=str(said["subject"]),
        version=int(said["version"]),
        id=int(said["id"]),
        guid=UUID(said["guid"]),
        file=str(said["file"]),
        fingerprint=str(said["fingerprint"]),
        references=references,
    )


def _text(index: Index) -> str:
    ordered = sorted(index.entries, key=lambda entry: (entry.subject, entry.version))
    lines = [_HEADER, f"last_id = {index.last_id}\n", *(_block(entry) for entry in ordered)]
    return "".join(lines)


def _block(entry: Entry) -> str:
    pairs: list[tuple[str, str]] = [
        ("subject", _quoted(entry.subject)),
        ("version", str(entry.version)),
        ("id", str(entry.id)),
        ("guid", _quoted(str(entry.guid))),
        ("file", _quoted(entry.file)),
        ("fingerprint", _quoted(entry.fingerprint)),
    ]
    if entry.references:
        pairs.append(("references", f"[{', '.join(map(_reference, entry.references))}]"))
    return "\n[[schema]]\n" + _lines(pairs)


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{key} = {value}\n" for key, value in pairs)


def _reference(reference: SchemaReference) -> str:
    name, subject = _quoted(reference.name), _quoted(reference.subject)
    return f"{{name = {name}, subject = {subject}, version = {reference.version}}}"


def _quoted(text: str) -> str:
    """Return a TOML basic string, whose escapes are those of JSON but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _refused(name: str, why: str, do: str) -> RegistryError:
    return RegistryError(cannot=f"read the schema registry {name}", why=why, do=do)
