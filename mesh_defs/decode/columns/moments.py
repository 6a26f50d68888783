"""Times of day and timestamps, in whole microseconds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.types import ColumnType, Kind
from mesh_defs.decode.columns.base import Array, Check, Converter
from mesh_defs.decode.columns.patterns import (
    INSTANT,
    LONG_INSTANT,
    PARTIAL_TIME,
    USUAL_INSTANT,
    USUAL_WALL_CLOCK,
    WALL_CLOCK,
)
from mesh_defs.decode.refusal import Refusal

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)

FIRST_MICROSECOND: Final = (dt.datetime(1, 1, 1, tzinfo=dt.UTC) - _EPOCH) // _MICROSECOND
LAST_MICROSECOND: Final = (dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, dt.UTC) - _EPOCH) // _MICROSECOND
"""The years 1 to 9999: what Arrow, DuckDB and Python all hold."""

_FEW: Final = 64
"""Below this many values Arrow's compiling of a pattern costs more than Python's matching."""


class TimeOfDay(Converter):
    """Times of day without a zone, RFC 3339 `partial-time`."""

    def _convert(self, values: Sequence[Any]) -> Array:
        if not all(map(PARTIAL_TIME.fullmatch, [v for v in values if v is not None])):
            raise self._misfit()
        return pa.array([None if v is None else dt.time.fromisoformat(v) for v in values], self.arrow)

    def _misfit(self) -> Refusal:
        return Refusal(
            "format", "the text is no time of day as hh:mm:ss in whole microseconds, without an offset"
        )


class Rfc3339(Converter):
    """Timestamps as text: instants with an offset or Z, or wall clocks with neither."""

    def __init__(self, type_: ColumnType, *, required: bool, checks: tuple[Check, ...] = ()) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._grammar = INSTANT if type_.timezone else WALL_CLOCK
        self._usual = USUAL_INSTANT if type_.timezone else USUAL_WALL_CLOCK
        self._zone = "with an offset or Z" if type_.timezone else "without an offset (timezone: false)"

    def _convert(self, values: Sequence[Any]) -> Array:
        text = pa.array(values, pa.string())
        if len(values) < _FEW or not pc.all(pc.match_substring_regex(text, self._usual), min_count=0).as_py():
            text = pa.array([None if v is None else self._spelled(v) for v in values], pa.string())
        return in_range(text.cast(self.arrow))

    def _spelled(self, text: str) -> str:
        match = self._grammar.fullmatch(text)
        if match is None:
            raise self._misfit()
        date, time, fraction, offset = match.groups()
        return f"{date}T{time}{fraction or ''}{offset.upper()}"

    def _misfit(self) -> Refusal:
        message = f"the text is no RFC 3339 timestamp {self._zone} in whole microseconds"
        return Refusal("format", message)


class CutInstant(Rfc3339):
    """Instants whose digits beyond microseconds are cut off, for a time whose text is kept elsewhere."""

    def __init__(self) -> None:
        super().__init__(ColumnType(kind=Kind.TIMESTAMP), required=False)
        self._grammar = LONG_INSTANT


def in_range(array: Array) -> Array:
    """Return an array of timestamps in microseconds, all of them of the years 1 to 9999.

    Raises:
        Refusal: One is of another year.
    """
    ends: Any = pc.min_max(array)
    low, high = ends["min"].value, ends["max"].value
    if low is not None and (low < FIRST_MICROSECOND or high > LAST_MICROSECOND):
        raise out_of_range()
    return array


def out_of_range() -> Refusal:
    """Return the verdict on a timestamp that no column holds."""
    return Refusal("range", "the timestamp is not of the years 1 to 9999 (UTC)")
