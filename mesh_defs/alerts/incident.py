"""An incident, and the messages that tell of it."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is wrong."""

    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    STREAM_STOPPED = "stream_stopped"
    ASSET_STALE = "asset_stale"
    LOCATION_BROKEN = "location_broken"
    BROKER_UNREACHABLE = "broker_unreachable"


class Phase(StrEnum):
    """Whether an incident begins or ends."""

    OPENED = "opened"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One thing that is wrong, as long as it is.

    Attributes:
        subject: What it is about: `domain.table`, `domain.table:check`, a domain, a job, a connection.
        cause: The id of the event that opened it: a run's, a check evaluation's, an instant.
        summary: One line for people. It holds no record's content and no setting.
        opened_at: When it was noticed.
    """

    kind: Kind
    subject: str
    cause: str
    summary: str
    opened_at: dt.datetime

    @property
    def key(self) -> str:
        """What tells it from the other incidents that are open at the same time."""
        return f"{self.kind}:{self.subject}"

    def message_id(self, phase: Phase) -> str:
        """Return the idempotency key of the message that tells of a phase: made of the failing event's id."""
        text = f"{self.key}:{self.cause}:{phase}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def message(self, phase: Phase, mesh: str, at: dt.datetime) -> str:
        """Return the message: a CloudEvent 1.0 in structured mode, JSON.

        Args:
            phase: Whether the incident begins or ends.
            mesh: The mesh's name.
            at: When the phase was noticed.
        """
        event = {
            "specversion": "1.0",
            "id": self.message_id(phase),
            "source": f"/mesh/{mesh}",
            "type": f"mesh.incident.{phase}",
            "subject": self.subject,
            "time": _instant(at),
            "datacontenttype": "application/json",
            "data": {
                "kind": str(self.kind),
                "status": str(phase),
                "subject": self.subject,
                "cause": self.cause,
                "summary": self.summary if phase is Phase.OPENED else f"Over: {self.summary}",
                "opened_at": _instant(self.opened_at),
            },
        }
        return json.dumps(event, ensure_ascii=False)

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(
            {
                "kind": str(self.kind),
                "subject": self.subject,
                "cause": self.cause,
                "summary": self.summary,
                "opened_at": self.opened_at.isoformat(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Incident:
        """Return the incident that `to_json` wrote."""
        found = json.loads(text)
        return cls(
            kind=Kind(found["kind"]),
            subject=found["subject"],
            cause=found["cause"],
            summary=found["summary"],
            opened_at=dt.datetime.fromisoformat(found["opened_at"]),
        )


def _instant(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
