"""Code locations that the daemon does not reach: their sensors stand still."""

from __future__ import annotations

import json
from collections.abc import Mapping

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorState, InstigatorType, SensorInstigatorData

SILENT_LOOKS = 6
"""After so many looks, 30 s apart, at a sensor that stood still its location counts as broken. Looks are counted, not
seconds: a machine that slept raises no alarm."""

Silence = Mapping[str, tuple[float, int]]
"""For each location, its sensors' newest tick (seconds since the epoch), and how many looks saw that one before."""


def look(
    instance: dg.DagsterInstance, sensors: Mapping[str, frozenset[str]], before: Silence
) -> dict[str, tuple[float, int]]:
    """Return the newest tick of each location that has a sensor running, and how often it was seen already.

    Args:
        instance: Dagster.
        sensors: For each location, the sensors that its files declare; others are of the past.
        before: What the last look returned.
    """
    ticks: dict[str, float] = {}
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        location = state.repository_selector.location_name
        if state.is_running and state.instigator_name in sensors.get(location, ()):
            ticks[location] = max(ticks.get(location, 0.0), _tick(state))
    found = {}
    for location, tick in ticks.items():
        seen, looks = before.get(location, (None, 0))
        found[location] = (tick, looks + 1 if seen == tick else 0)
    return found


def silent(silence: Silence) -> frozenset[str]:
    """Return the locations that have been silent for too long."""
    return frozenset(location for location, (_, looks) in silence.items() if looks >= SILENT_LOOKS)


def to_json(silence: Silence) -> str:
    """Return the text that `from_json` reads."""
    return json.dumps(silence)


def from_json(text: str | None) -> Silence:
    """Return what `to_json` wrote; nothing where there is no text."""
    return {name: (tick, looks) for name, (tick, looks) in json.loads(text or "{}").items()}


def _tick(state: InstigatorState) -> float:
    data = state.instigator_data
    if not isinstance(data, SensorInstigatorData):
        return 0.0
    return max(data.last_tick_timestamp or 0.0, data.last_tick_start_timestamp or 0.0)
