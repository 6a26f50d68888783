"""Counts of days, seconds and their parts as the texts or the counts that a column takes, without loss."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from mesh_defs.contract.types import ColumnType, Kind, TimeEncoding
from mesh_defs.decode.refusal import Refusal

_UNITS: Final = {
    TimeEncoding.EPOCH_S: 1_000_000_000,
    TimeEncoding.EPOCH_MS: 1_000_000,
    TimeEncoding.EPOCH_US: 1_000,
    TimeEncoding.EPOCH_NS: 1,
    TimeEncoding.TIME_MS: 1_000_000,
    TimeEncoding.TIME_US: 1_000,
    TimeEncoding.TIME_NS: 1,
}
"""Nanoseconds."""

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_DAYS_OF_YEAR_1: Final = -dt.date(1970, 1, 1).toordinal()


def moment(count: int, encoding: TimeEncoding, column: ColumnType) -> Any:
    """Return a count as a column takes it: as its text, or as a count of the column's own unit.

    Args:
        count: As the message has it.
        encoding: What it counts.
        column: A date for days, a time for counts since midnight, a timestamp for others.

    Raises:
        Refusal: The column cannot hold it, or only with a loss.
    """
    if encoding is TimeEncoding.EPOCH_D:
        return count if column.encoding is TimeEncoding.EPOCH_D else _date(count)
    nanos = count * _UNITS[encoding]
    if column.encoding is not TimeEncoding.RFC3339:
        counted, rest = divmod(nanos, _UNITS[column.encoding])
        if rest:
            raise Refusal("range", f"the column's {column.encoding} is coarser than the value")
        return counted
    if column.kind is Kind.TIME:
        if not 0 <= nanos < _DAY:
            raise Refusal("range", "the count is no time of one day")
        return _time(nanos)
    days, rest = divmod(nanos, _DAY)
    return f"{_date(days)}T{_time(rest)}{'Z' if column.timezone else ''}"


def _date(days: int) -> str:
    try:
        return dt.date.fromordinal(days - _DAYS_OF_YEAR_1).isoformat()
    except (ValueError, OverflowError):
        raise Refusal("range", "the moment is not of the years 1 to 9999") from None


def _time(nanos: int) -> str:
    seconds, fraction = divmod(nanos, _SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if not fraction:
        return text
    return f"{text}.{fraction:09}" if fraction % 1_000 else f"{text}.{fraction // 1_000:06}"
