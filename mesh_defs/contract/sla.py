"""`slaProperties`: latency, frequency and retention as durations, and schedules."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from typing import Final

from mesh_defs.contract.contract import ContractBase, Domain, SlaProperty
from mesh_defs.contract.cron import cron_trouble
from mesh_defs.contract.custom import Sort
from mesh_defs.contract.document import Node
from mesh_defs.contract.report import Report

MEASURED: Final = frozenset(["latency", "frequency", "retention"])
"""The promises that the mesh keeps or watches; all others are only shown."""

RETENTION: Final = "retention"

CRON: Final = "cron"
"""The scheduler that the mesh runs; also meant where a schedule names none."""

SHORTEST_FREQUENCY: Final = dt.timedelta(seconds=60)

_UNITS: Final = {
    **dict.fromkeys(["ms", "millisecond", "milliseconds"], dt.timedelta(milliseconds=1)),
    **dict.fromkeys(["s", "sec", "second", "seconds"], dt.timedelta(seconds=1)),
    **dict.fromkeys(["m", "min", "minute", "minutes"], dt.timedelta(minutes=1)),
    **dict.fromkeys(["h", "hr", "hour", "hours"], dt.timedelta(hours=1)),
    **dict.fromkeys(["d", "day", "days"], dt.timedelta(days=1)),
    **dict.fromkeys(["w", "week", "weeks"], dt.timedelta(weeks=1)),
    **dict.fromkeys(["y", "yr", "year", "years"], dt.timedelta(days=365)),
}


def sla_duration(contract: ContractBase, name: str) -> dt.timedelta | None:
    """Return the duration that a contract promises.

    Args:
        contract: A contract.
        name: `latency` (produce to queryable), `frequency` (at least one event in it) or `retention`.

    Returns:
        The first such promise; a year counts 365 days. None where there is none.
    """
    promise = next((p for p in contract.sla if p.property == name), None)
    return None if promise is None else _duration(promise)


def retentions(domain: Domain) -> dict[str, dt.timedelta]:
    """Return how long the rows of each stream are kept that promises it; others are kept for ever.

    Only streams lose rows by age: data at rest is what its files are, and a product what its inputs make of it.
    """
    found = ((stream.name, sla_duration(stream, RETENTION)) for stream in domain.streams)
    return {name: span for name, span in found if span is not None}


def sla_schedules(contract: ContractBase) -> tuple[str, ...]:
    """Return the schedules of a contract's service levels that can be kept, each once, as cron writes them."""
    said = (p.schedule for p in contract.sla if p.schedule and _is_cron(p.scheduler))
    return tuple(dict.fromkeys(text for text in said if cron_trouble(text) is None))


def check_sla(promise: SlaProperty, node: Node, sort: Sort, report: Report) -> None:
    """Warn of a promise that the mesh would have to keep, but cannot: it is only shown then."""
    for message in _troubles(promise, sort):
        report.warning(node, "sla", message)
    if promise.property not in MEASURED:
        return
    duration = _duration(promise)
    if duration is None:
        message = (
            f"{promise.property} is shown, but not kept: say a number above 0 in ms, s, min, h, d, w or y"
        )
        report.warning(node, "sla", message)
    elif promise.property == "frequency" and duration < SHORTEST_FREQUENCY:
        message = "frequency is watched every 60 s at best: a shorter one is judged as 60 s"
        report.warning(node, "sla", message)


def _troubles(promise: SlaProperty, sort: Sort) -> Iterator[str]:
    if promise.property == RETENTION and sort is not Sort.STREAM:
        yield "retention is shown, but not kept: only tables of streams lose rows by age"
    if promise.schedule is None and promise.scheduler is None:
        return
    if sort is not Sort.PRODUCT:
        yield "the schedule is shown, but not kept: only products are computed by the clock"
    elif not _is_cron(promise.scheduler):
        yield f"the schedule is shown, but not kept: the scheduler {promise.scheduler!r} is not known, only cron is"
    elif promise.schedule is None:
        yield "a scheduler without `schedule` does nothing; say when"
    elif (trouble := cron_trouble(promise.schedule)) is not None:
        yield f"the schedule {promise.schedule!r} is shown, but not kept: {trouble}"


def _is_cron(scheduler: str | None) -> bool:
    return (scheduler or CRON).casefold() == CRON


def _duration(promise: SlaProperty) -> dt.timedelta | None:
    unit = _UNITS.get((promise.unit or "").casefold())
    value = promise.value
    if unit is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or value <= 0:
        return None
    try:
        return value * unit
    except OverflowError:
        return None
