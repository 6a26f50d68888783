"""Which incidents are open, and which messages each webhook has still to take."""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from mesh_defs.alerts.incident import Incident, Phase

FILE: Final = "alerts.sqlite"

_BUSY_SECONDS: Final = 10.0
_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS incidents (key TEXT PRIMARY KEY, incident TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS hooks (hook TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    hook TEXT NOT NULL,
    key TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (hook, message_id)
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A message that a webhook has not taken yet.

    Attributes:
        number: Its place in the order.
        key: Of the incident.
        message_id: The idempotency key.
    """

    number: int
    key: str
    message_id: str
    body: str


class Outbox:
    """The transactional outbox of the alerts: a SQLite file beside the stores.

    An incident and the messages that tell of it, one a webhook, are one transaction; a message leaves only when its
    webhook answered 2xx. So a dead webhook loses nothing, and a healthy one is told once, whatever the others do.
    Webhooks are known by a hash of their address, which may hold a secret.

    Args:
        folder: The mesh's data folder.
        mesh: The mesh's name, for the messages.
        webhooks: Their addresses.
    """

    def __init__(self, folder: Path, mesh: str, webhooks: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.webhooks: Mapping[str, str] = {_name(url): url for url in webhooks}
        self._mesh = mesh
        self._con = sqlite3.connect(folder / FILE, timeout=_BUSY_SECONDS, isolation_level=None)
        self._con.executescript(_LAYOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._con.close()

    def open_incidents(self) -> dict[str, Incident]:
        """Return what is known to be wrong, by key."""
        rows = self._con.execute("SELECT key, incident FROM incidents ORDER BY key")
        return {key: Incident.from_json(text) for key, text in rows}

    def note(self, name: str) -> str | None:
        """Return what `settle` noted under a name."""
        row = self._con.execute("SELECT value FROM notes WHERE name = ?", [name]).fetchone()
        return None if row is None else str(row[0])

    def settle(
        self, found: Iterable[Incident], *, at: dt.datetime, notes: Mapping[str, str] | None = None
    ) -> tuple[tuple[Incident, ...], tuple[Incident, ...]]:
        """Compare what is wrong now with what was, and put what changed into the outbox; one transaction.

        Args:
            found: Everything that is wrong now. One that is known keeps the cause that opened it.
            at: Now.
            notes: Remembered together with the incidents: how far the caller has read.

        Returns:
            The incidents that began, and those that ended.
        """
        now = {incident.key: incident for incident in found}
        self._con.execute("BEGIN IMMEDIATE")
        try:
            self._follow_webhooks(at)
            known = self.open_incidents()
            began = tuple(i for key, i in now.items() if key not in known)
            ended = tuple(i for key, i in known.items() if key not in now)
            for incident in ended:
                self._con.execute("DELETE FROM incidents WHERE key = ?", [incident.key])
                self._put(self.webhooks, incident, Phase.RESOLVED, at)
            for incident in began:
                self._con.execute("INSERT INTO incidents VALUES (?, ?)", [incident.key, incident.to_json()])
                self._put(self.webhooks, incident, Phase.OPENED, at)
            for name, value in (notes or {}).items():
                self._con.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", [name, value])
            self._con.execute("COMMIT")
        except BaseException:
            self._con.rollback()
            raise
        return began, ended

    def pending(self, hook: str, limit: int) -> tuple[Pending, ...]:
        """Return the oldest messages that a webhook has not taken."""
        rows = self._con.execute(
            "SELECT number, key, message_id, body FROM outbox WHERE hook = ? ORDER BY number LIMIT ?",
            [hook, limit],
        )
        return tuple(Pending(number=n, key=k, message_id=i, body=b) for n, k, i, b in rows)

    def waiting(self) -> int:
        """Return how many messages wait, over all webhooks."""
        return int(self._con.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def taken(self, message: Pending) -> None:
        """Forget a message that its webhook has taken."""
        self._con.execute("DELETE FROM outbox WHERE number = ?", [message.number])

    def _follow_webhooks(self, at: dt.datetime) -> None:
        """Forget webhooks that are no longer named; tell new ones what is open already."""
        before = {str(row[0]) for row in self._con.execute("SELECT hook FROM hooks")}
        for hook in before - set(self.webhooks):
            self._con.execute("DELETE FROM outbox WHERE hook = ?", [hook])
            self._con.execute("DELETE FROM hooks WHERE hook = ?", [hook])
        fresh = [hook for hook in self.webhooks if hook not in before]
        for hook in fresh:
            self._con.execute("INSERT INTO hooks VALUES (?)", [hook])
        for incident in self.open_incidents().values():
            self._put(fresh, incident, Phase.OPENED, at)

    def _put(self, hooks: Iterable[str], incident: Incident, phase: Phase, at: dt.datetime) -> None:
        body = incident.message(phase, self._mesh, at)
        for hook in hooks:
            self._con.execute(
                "INSERT OR IGNORE INTO outbox (hook, key, message_id, body) VALUES (?, ?, ?, ?)",
                [hook, incident.key, incident.message_id(phase), body],
            )


def _name(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]
