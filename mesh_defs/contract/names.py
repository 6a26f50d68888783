"""What may be called how."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
"""Domains, streams and products."""

NAME_RULE: Final = "a small letter first, then small letters, digits and `_`, at most 63"

TOPIC: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
"""Kafka's own rule (`org.apache.kafka.common.internals.Topic`)."""

RESERVED_DOMAINS: Final = frozenset(["main", "memory", "temp", "system", "information_schema", "pg_catalog"])
"""Names that DuckDB keeps for its own catalogs and schemas, so that no domain can be attached under them."""

_EMAIL: Final = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9-.]+")
_TEAM: Final = re.compile(r"team:\S.*")


def is_owner(text: str) -> bool:
    """Return whether a text is an owner as Dagster takes it: an e-mail address, or `team:name`."""
    return bool(_EMAIL.fullmatch(text) or _TEAM.fullmatch(text))
