"""Where Maven artifacts come from: a mirror that the person named, or jgo's own default."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

_log = logging.getLogger(__name__)

MIRROR_VARIABLE: Final = "MESH_MAVEN_MIRROR"


def remote_repositories() -> dict[str, str] | None:
    """Return jgo's ``remote_repos``: the mirror in ``MESH_MAVEN_MIRROR`` or Maven's settings, else None."""
    url = os.environ.get(MIRROR_VARIABLE) or _settings_mirror(Path.home() / ".m2" / "settings.xml")
    return {"central": url.rstrip("/")} if url else None


def _settings_mirror(path: Path) -> str | None:
    """Return the mirror of the central repository that Maven's settings name.

    The rules of ``mirrorOf`` are those of Maven's guide "Using Mirrors for Repositories".
    """
    try:
        root = ET.parse(path).getroot()  # noqa: S314 - the person's own settings
    except FileNotFoundError:
        return None
    except (OSError, ET.ParseError) as error:
        _log.warning("Maven's settings %s cannot be read, so no mirror is taken from there: %s", path, error)
        return None
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        url = (mirror.findtext("{*}url") or "").strip()
        if url and _covers_central(mirror.findtext("{*}mirrorOf") or ""):
            return url
    return None


def _covers_central(mirror_of: str) -> bool:
    words = {word.strip() for word in mirror_of.split(",")}
    return "!central" not in words and bool(words & {"*", "central", "external:*"})
