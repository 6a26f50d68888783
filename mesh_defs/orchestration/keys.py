"""How the mesh's things are called in Dagster: keys, groups, tags of runs."""

from __future__ import annotations

import hashlib
import re

import dagster as dg

from mesh_defs.contract.contract import Domain
from mesh_defs.model.errors import ConfigError

TOPIC = "topic"
"""The middle part of a topic's key: `[domain, "topic", name]`."""

FILE = "file"
"""The middle part of the key of files: `[domain, "file", name]`."""

DOMAIN_TAG = "mesh/domain"
"""The tag of the runs that a domain's sensor asked for."""

LEDGER_CHECK = "ledger"
MOVING_CHECK = "partitions_moving"
FRESHNESS_CHECK = "freshness"
UNKNOWN_CHECK = "new_unknown_fields"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TAG_LIMIT = 63
_DOTS = frozenset({".", ".."})


def table_key(domain: str, name: str) -> dg.AssetKey:
    """Return the key of a stream's or a product's table.

    Dagster makes folders of keys; a part such as ``..`` would lead out of its storage.

    Raises:
        ConfigError: A part is no name of the mesh.
    """
    for part in (domain, name):
        if not _NAME.fullmatch(part):
            raise ConfigError(
                cannot=f"show the table {domain!r}.{name!r}",
                why=f"{part!r} is no name of a domain, stream or product",
                do="begin with a lower-case letter and use at most 63 lower-case letters, digits and underscores",
            )
    return dg.AssetKey([domain, name])


def table_keys(domain: Domain) -> dict[str, tuple[dg.AssetKey, ...]]:
    """Return, for each stream and input of a domain, the keys of the tables that it fills."""
    return {c.name: tuple(table_key(domain.name, t.name) for t in c.tables) for c in domain.ingested}


def file_key(domain: str, name: str) -> dg.AssetKey:
    """Return the key of the files that data at rest is loaded from.

    Raises:
        ConfigError: A part is no name of the mesh.
    """
    owner, table = table_key(domain, name).path
    return dg.AssetKey([owner, FILE, table])


def topic_key(domain: str, topic: str) -> dg.AssetKey:
    """Return the key of a topic.

    Raises:
        ConfigError: Kafka allows no topic of that name.
    """
    if not _TOPIC.fullmatch(topic) or topic in _DOTS:
        raise ConfigError(
            cannot=f"show the topic {topic!r} of {domain}",
            why="Kafka allows no topic of that name",
            do="use at most 249 letters, digits, dots, underscores and hyphens",
        )
    return dg.AssetKey([domain, TOPIC, topic])


def attempt_tag(stream: str) -> str:
    """Return the tag that says for the how manieth time a run was asked for the same news of a stream."""
    return _hidden_tag("mesh_attempt", stream)


def asked_tag(stream: str) -> str:
    """Return the tag that says which news of a stream a run was asked for."""
    return _hidden_tag("mesh_asked", stream)


def _hidden_tag(what: str, stream: str) -> str:
    """Return a tag of runs that the pages do not show: two a stream would bury everything else there."""
    name = f"{what}.{stream}"
    if len(name) > _TAG_LIMIT:
        digest = hashlib.sha256(stream.encode()).hexdigest()[:12]
        name = f"{name[: _TAG_LIMIT - len(digest) - 1]}.{digest}"
    return f".dagster/{name}"
