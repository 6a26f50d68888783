"""Dates, times, instants (RFC 3339) and durations (ISO 8601), as contracts write them: strict and exact."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME: Final = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_OFFSET: Final = r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
_DURATION: Final = re.compile(
    r"P(?:(?P<weeks>[0-9]{1,9})W)?(?:(?P<days>[0-9]{1,9})D)?"
    r"(?:T(?:(?P<hours>[0-9]{1,9})H)?(?:(?P<minutes>[0-9]{1,9})M)?"
    r"(?:(?P<seconds>[0-9]{1,9})(?:\.(?P<fraction>[0-9]{1,6}))?S)?)?"
)
_CALENDAR: Final = re.compile(r"P([0-9]+[YM])+")


def parse_date(text: str) -> dt.date:
    """Read a date.

    Raises:
        ValueError: It is none.
    """
    if re.fullmatch(_DATE, text):
        try:
            return dt.date.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(f"{text!r} is no date: write it as 2013-01-31")


def parse_time(text: str) -> dt.time:
    """Read a time of day, without an offset.

    Raises:
        ValueError: It is none.
    """
    if re.fullmatch(_TIME, text):
        try:
            return dt.time.fromisoformat(text)
        except ValueError:
            pass
    raise ValueError(f"{text!r} is no time of day: write it as 17:30:00")


def parse_timestamp(text: str, *, zoned: bool) -> dt.datetime:
    """Read a timestamp.

    Args:
        text: As RFC 3339 writes it; a space may stand for the `T` (section 5.6).
        zoned: Whether an offset is demanded, and the result is in UTC; otherwise none may stand there.

    Raises:
        ValueError: It is none, or has an offset too many or too few.
    """
    if re.fullmatch(f"{_DATE}[Tt ]{_TIME}{_OFFSET if zoned else ''}", text):
        try:
            moment = dt.datetime.fromisoformat(text.upper())
            return moment.astimezone(dt.UTC) if zoned else moment
        except (ValueError, OverflowError):
            pass
    example = "2013-01-31T17:30:00Z" if zoned else "2013-01-31T17:30:00"
    offset = "with an offset or Z" if zoned else "without an offset"
    raise ValueError(f"{text!r} is no timestamp {offset}: write it as {example}")


def parse_duration(text: str) -> dt.timedelta:
    """Read a duration of fixed length.

    Args:
        text: As ISO 8601 writes it: `PT26H`, `P1DT12H`, `P2W`, `PT0.5S`.

    Raises:
        ValueError: It is none; or it counts months or years, whose length is not fixed.
    """
    if _CALENDAR.match(text):
        raise ValueError(f"{text!r} has no fixed length: count in days or hours, as P30D")
    match = _DURATION.fullmatch(text)
    if match is None or not any(match.groups()) or text.endswith("T"):
        raise ValueError(f"{text!r} is no ISO 8601 duration: write it as PT26H, PT5M or P1D")
    parts = {key: int(value) for key, value in match.groupdict(default="0").items() if key != "fraction"}
    micros = int((match["fraction"] or "0").ljust(6, "0"))
    try:
        return dt.timedelta(**parts, microseconds=micros)
    except OverflowError:
        raise ValueError(f"{text!r} is longer than the mesh can count: at most P999999999D") from None
