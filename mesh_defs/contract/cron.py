"""Schedules as crontab(5) writes them: five fields, ranges, steps, lists, names, and the words `@daily` and so on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_WORDS: Final = frozenset(["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"])
_ITEM: Final = re.compile(r"(?:\*|(?P<low>[0-9a-z]+)(?:-(?P<high>[0-9a-z]+))?)(?:/(?P<step>[0-9]+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Field:
    """One of the five.

    Attributes:
        names: What may stand for the numbers, from `low` on.
    """

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()


_FIELDS: Final = (
    _Field(name="minute", low=0, high=59),
    _Field(name="hour", low=0, high=23),
    _Field(name="day of the month", low=1, high=31),
    _Field(name="month", low=1, high=12, names=_MONTHS),
    _Field(name="day of the week", low=0, high=7, names=_DAYS),
)


def cron_trouble(text: str) -> str | None:
    """Return why a schedule cannot be kept; None where it can.

    Besides what no crontab would take, that is one whose day never comes, such as the 31st of April.
    """
    words = text.casefold().split()
    if words and words[0] in _WORDS and len(words) == 1:
        return None
    if len(words) != len(_FIELDS):
        return f"cron has five fields, or one of {', '.join(sorted(_WORDS))}"
    sets: list[frozenset[int]] = []
    for field, word in zip(_FIELDS, words, strict=True):
        found = _numbers(field, word)
        if found is None:
            return f"{word!r} is no {field.name}: {field.low} to {field.high}, with `*`, `,`, `-` and `/`"
        sets.append(found)
    _, _, days, months, _ = sets
    if all(min(days) > _LONGEST[month - 1] for month in months):
        return f"day {min(days)} never comes in that month"
    return None


def _numbers(field: _Field, word: str) -> frozenset[int] | None:
    """Return the numbers that a field names, None where it is none."""
    found: set[int] = set()
    for item in word.split(","):
        match = _ITEM.fullmatch(item)
        if match is None:
            return None
        low, high = field.low, field.high
        step = int(match["step"] or 1)
        if match["low"] is not None:
            first = _number(field, match["low"])
            last = _number(field, match["high"] or match["low"])
            if last == 0 and first and field.names is _DAYS:
                last = field.high  # Sunday is the first day and the last
            if first is None or last is None or last < first:
                return None
            low, high = first, field.high if match["step"] and match["high"] is None else last
        if not 0 < step <= field.high:
            return None
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _number(field: _Field, word: str) -> int | None:
    if word in field.names:
        return field.low + field.names.index(word)
    if not word.isdecimal():
        return None
    return int(word) if len(word) <= 2 and field.low <= int(word) <= field.high else None  # noqa: PLR2004
