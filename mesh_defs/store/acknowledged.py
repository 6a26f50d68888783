"""What people decided about a stream, as it stands in the offsets row: losses acknowledged, epochs accepted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mesh_defs.model.corrections import EpochAcceptance, LostRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """Who acknowledged which losses of a stream, when and why."""

    at: dt.datetime
    by: str
    reason: str
    ranges: tuple[LostRange, ...]


def acknowledged_to_json(entries: Iterable[Acknowledged]) -> list[dict[str, Any]]:
    """Return what the offsets row holds of them: ranges are [epoch, partition, from, to]."""
    return [
        {
            "at": entry.at.isoformat(),
            "by": entry.by,
            "reason": entry.reason,
            "ranges": [[r.epoch, r.partition, r.from_offset, r.to_offset] for r in entry.ranges],
        }
        for entry in entries
    ]


def acknowledged_from_json(entries: Iterable[dict[str, Any]]) -> tuple[Acknowledged, ...]:
    """Read what the offsets row holds of them.

    Raises:
        ValueError: It is no such list.
    """
    return tuple(
        Acknowledged(
            at=dt.datetime.fromisoformat(entry["at"]),
            by=entry["by"],
            reason=entry["reason"],
            ranges=tuple(
                LostRange(epoch=epoch, partition=partition, from_offset=begin, to_offset=end)
                for epoch, partition, begin, end in entry["ranges"]
            ),
        )
        for entry in entries
    )


def acceptance_to_json(accepted: EpochAcceptance | None) -> dict[str, str] | None:
    """Return what the offsets row holds of who ended an epoch."""
    if accepted is None:
        return None
    return {"at": accepted.at.isoformat(), "by": accepted.by, "reason": accepted.reason}


def acceptance_from_json(entry: dict[str, str] | None) -> EpochAcceptance | None:
    """Read what the offsets row holds of who ended an epoch.

    Raises:
        ValueError: It is no such entry.
    """
    if entry is None:
        return None
    at = dt.datetime.fromisoformat(entry["at"])
    return EpochAcceptance(at=at, by=entry["by"], reason=entry["reason"])
