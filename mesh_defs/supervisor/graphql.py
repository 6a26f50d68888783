"""Asks the web server of Dagster, over loopback, whether it and the daemon are well."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"

_SECONDS: Final = 10.0
_DAEMONS: Final = "{instance{daemonHealth{allDaemonStatuses{required lastHeartbeatTime}}}}"
_LOCATIONS: Final = (
    "{workspaceOrError{__typename ... on Workspace"
    "{locationEntries{name locationOrLoadError{__typename ... on PythonError{message}}}}}}"
)


def web_server_answers(port: int) -> bool:
    """Return whether GraphQL answers."""
    return _ask(port, "{version}") is not None


def daemon_beats(port: int, since: float) -> bool:
    """Return whether every daemon that is needed has given a sign of life.

    Args:
        port: The web server's.
        since: Seconds since the epoch; an older sign is one of an earlier daemon.
    """
    data = _ask(port, _DAEMONS)
    if data is None:
        return False
    needed = [d for d in data["instance"]["daemonHealth"]["allDaemonStatuses"] if d["required"]]
    return bool(needed) and all((daemon["lastHeartbeatTime"] or 0.0) >= since for daemon in needed)


def broken_locations(port: int) -> dict[str, str]:
    """Return the code locations that do not load, each with the last line of its error."""
    data = _ask(port, _LOCATIONS) or {}
    entries = data.get("workspaceOrError", {}).get("locationEntries", [])
    found = {entry["name"]: entry["locationOrLoadError"] or {} for entry in entries}
    return {
        name: _last_line(error["message"])
        for name, error in found.items()
        if error.get("__typename") == "PythonError"
    }


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["its error has no text"])[-1].strip()


def _ask(port: int, query: str) -> Mapping[str, Any] | None:
    """Return the answer's data, or None where there is none; proxies of the environment are not asked."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_SECONDS)
    try:
        body = json.dumps({"query": query})
        connection.request("POST", "/graphql", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    data = answer.get("data") if isinstance(answer, dict) else None
    return data if isinstance(data, dict) else None
