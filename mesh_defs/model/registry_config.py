"""`[registry.NAME]` of ``mesh.toml``: a service by its address, or a folder of schemas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesh_defs.model.config_reader import ConfigReader, flat
from mesh_defs.model.suggest import did_you_mean

COMPATIBILITIES: Final = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
"""What a new version of a subject owes the earlier ones, in the words of Confluent's registry."""

BACKWARD: Final = "BACKWARD"

_FILES: Final = ("ssl.ca.location", "ssl.certificate.location", "ssl.key.location")
_NUMBERS: Final = ("timeout", "max.retries", "retries.wait.ms", "retries.max.wait.ms")
_TEXTS: Final = (
    *_FILES,
    "ssl.key.password",
    "basic.auth.user.info",
    "proxy",
    "bearer.auth.credentials.source",
    "bearer.auth.token",
    "bearer.auth.logical.cluster",
    "bearer.auth.identity.pool.id",
    "bearer.auth.client.id",
    "bearer.auth.client.secret",
    "bearer.auth.scope",
    "bearer.auth.issuer.endpoint.url",
    "bearer.auth.issuer.endpoint.query",
)
_OF_URL: Final = ("url", *_TEXTS, *_NUMBERS)
_OF_DIRECTORY: Final = ("directory", "compatibility")

Option = str | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryConfig:
    """A schema registry: exactly one of address and folder is given.

    Attributes:
        url: The address of a registry that speaks Confluent's protocol; several are separated by commas.
        options: Of the service's client, as `confluent_kafka.schema_registry.SchemaRegistryClient` names them.
        directory: A folder of schemas with their ids, absolute.
        compatibility: What a new version in the folder owes the earlier ones.
    """

    url: str | None = field(default=None, repr=False)
    options: Mapping[str, Option] = field(default_factory=dict, repr=False)
    directory: Path | None = None
    compatibility: str = BACKWARD


def read_registry(reader: ConfigReader, document: Mapping[str, object], name: str) -> RegistryConfig:
    """Read ``[registry.NAME]``; unquoted dotted keys are understood too."""
    path = f"registry.{name}"
    table = dict(flat(reader.table(reader.table(document, "registry", ()), path, ())))
    known: tuple[str, ...] = _OF_DIRECTORY if "directory" in table and "url" not in table else _OF_URL
    if ("url" in table) == ("directory" in table):
        reader.problems.append(f"[{path}] needs one of 'url' and 'directory'")
        known = (*_OF_URL, *_OF_DIRECTORY)
    for key in table:
        if key not in known:
            reader.problems.append(f"[{path}] unknown key '{key}', {did_you_mean(key, known)}")
    if "directory" in table:
        return RegistryConfig(
            directory=reader.folder(reader.text(table, path, "directory")),
            compatibility=_compatibility(reader, table, path),
        )
    if "url" not in table:
        return RegistryConfig()
    return RegistryConfig(url=reader.text(table, path, "url"), options=_options(reader, table, path))


def _compatibility(reader: ConfigReader, table: Mapping[str, object], path: str) -> str:
    word = reader.text(table, path, "compatibility", default=BACKWARD)
    if word not in COMPATIBILITIES:
        hint = did_you_mean(word, COMPATIBILITIES)
        reader.problems.append(f"[{path}] compatibility '{word}' is unknown, {hint}")
    return word


def _options(reader: ConfigReader, table: Mapping[str, object], path: str) -> dict[str, Option]:
    options: dict[str, Option] = {}
    for key in _TEXTS:
        if key in table:
            text = reader.text(table, path, key)
            options[key] = str(reader.folder(text)) if key in _FILES else text
    for key in _NUMBERS:
        if key in table:
            options[key] = _number(reader, table, path, key)
    return options


def _number(reader: ConfigReader, table: Mapping[str, object], path: str, key: str) -> int | float:
    value = table[key]
    if isinstance(value, str):
        filled = reader.fill(value, f"[{path}] {key}")
        value = float(filled) if filled.replace(".", "", 1).isdecimal() else None
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, int | float) or not usable or not math.isfinite(value) or value < 0:
        reader.problems.append(f"[{path}] {key} must be a number, 0 or more")
        return 0
    return value
