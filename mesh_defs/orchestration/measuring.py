"""When the rules of a table are measured: with each report, as long as that takes little of the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import dagster as dg

SHARE: Final = 20
"""Measuring a table takes this part of the time at most: what took a second rests for so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A table that moved since its rules were measured.

    Attributes:
        domain: Its domain.
        stream: The stream that fills it.
        key: The table's.
    """

    domain: str
    stream: str
    key: dg.AssetKey


@dataclass(slots=True)
class Measuring:
    """Notes which tables are to be measured, and from when on. All instants are in seconds of one clock."""

    _wanted: dict[dg.AssetKey, Wanted] = field(default_factory=dict)
    _due: dict[dg.AssetKey, float] = field(default_factory=dict)

    def want(self, wanted: Wanted) -> None:
        """Take note that a table moved."""
        self._wanted[wanted.key] = wanted

    def take(self, now: float) -> Wanted | None:
        """Return a table whose time has come, and forget that it moved; None where there is none."""
        ready = next((w for w in self._wanted.values() if self._due.get(w.key, now) <= now), None)
        return None if ready is None else self._wanted.pop(ready.key)

    def took(self, key: dg.AssetKey, began: float, ended: float) -> float:
        """Take note of how long a table was measured, and return for how many seconds it rests now."""
        rest = SHARE * (ended - began)
        self._due[key] = ended + rest
        return rest

    def left(self, now: float) -> float | None:
        """Return the seconds until the next table's time comes; None where none waits."""
        waits = [max(0.0, self._due.get(key, now) - now) for key in self._wanted]
        return min(waits, default=None)
