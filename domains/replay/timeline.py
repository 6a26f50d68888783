"""The records of all streams in the order in which they were published."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domains.replay import aircraft, flights, passengers, weather
from domains.replay.material import Material
from domains.replay.record import START, Numbered, Records

Generator = Callable[[Material, int], Records]

GENERATORS: Mapping[str, Generator] = {
    aircraft.STREAM: aircraft.changes,
    passengers.PROFILES: passengers.profiles,
    weather.STREAM: weather.observations,
    flights.EVENTS: flights.events,
    flights.STATES: flights.states,
    passengers.BOOKINGS: passengers.bookings,
}
"""Every stream that is replayed, by full name; of records of one instant, those of the first come first."""


@dataclass(frozen=True, slots=True, order=True)
class _Head:
    """The next record of a part that is open."""

    published: int
    part: int
    record: Numbered = field(compare=False)
    rest: Iterator[Numbered] = field(compare=False)


def timeline(material: Material, parts: Sequence[int], streams: Collection[str]) -> Iterator[Numbered]:
    """Yield the records of some streams in the order of their publication.

    A part does not depend on others, so that each can be replayed alone. Months overlap by a day or so; a part is
    opened when its time has come, which bounds memory to two or three of them.
    """
    generators = [generator for name, generator in GENERATORS.items() if name in streams]
    waiting = list(parts)
    heads: list[_Head] = []
    while waiting or heads:
        while waiting and (not heads or _begin(waiting[0]) <= heads[0].published):
            part = waiting.pop(0)
            _push(heads, part, _merged(material, part, generators))
        if heads:
            head = heapq.heappop(heads)
            yield head.record
            _push(heads, head.part, head.rest)


def _push(heads: list[_Head], part: int, rest: Iterator[Numbered]) -> None:
    numbered = next(rest, None)
    if numbered is not None:
        heapq.heappush(heads, _Head(numbered.record.published, part, numbered, rest))


def _begin(part: int) -> int:
    """Return an instant before which nothing of a part is published, microseconds since the epoch."""
    if part == START:
        return 0
    month = dt.datetime(2013, part, 1, tzinfo=dt.UTC)
    return int((month - dt.timedelta(days=1)).timestamp()) * 1_000_000


def _merged(material: Material, part: int, generators: Sequence[Generator]) -> Iterator[Numbered]:
    numbered = [_numbered(generator(material, part), part) for generator in generators]
    return heapq.merge(*numbered, key=lambda n: n.record.published)


def _numbered(records: Records, part: int) -> Iterator[Numbered]:
    for sequence, record in enumerate(records):
        yield Numbered(record=record, part=part, sequence=sequence)
