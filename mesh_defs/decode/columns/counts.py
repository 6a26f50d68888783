"""Dates, times of day and timestamps that the wire writes as whole counts of a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.types import ColumnType, Kind, TimeEncoding
from mesh_defs.decode.columns.base import Array, Check, Converter
from mesh_defs.decode.columns.moments import in_range, out_of_range
from mesh_defs.decode.refusal import Refusal

_TIMESTAMPS: Final[Mapping[TimeEncoding, pa.DataType]] = {
    TimeEncoding.EPOCH_S: pa.timestamp("s", tz="UTC"),
    TimeEncoding.EPOCH_MS: pa.timestamp("ms", tz="UTC"),
    TimeEncoding.EPOCH_US: pa.timestamp("us", tz="UTC"),
    TimeEncoding.EPOCH_NS: pa.timestamp("ns", tz="UTC"),
}
_TIMES: Final[Mapping[TimeEncoding, pa.DataType]] = {
    TimeEncoding.TIME_MS: pa.time32("ms"),
    TimeEncoding.TIME_US: pa.time64("us"),
    TimeEncoding.TIME_NS: pa.time64("ns"),
}
_DAY: Final = {
    TimeEncoding.TIME_MS: 86_400_000,
    TimeEncoding.TIME_US: 86_400_000_000,
    TimeEncoding.TIME_NS: 86_400_000_000_000,
}
_FIRST_DAY: Final = -719_162
_LAST_DAY: Final = 2_932_896
"""The years 1 to 9999, in days since 1970-01-01."""


class EpochTimestamp(Converter):
    """Timestamps as whole counts since 1970-01-01T00:00:00Z, none of which loses a digit in microseconds."""

    def __init__(self, type_: ColumnType, *, required: bool, checks: tuple[Check, ...] = ()) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._counted = _TIMESTAMPS[type_.encoding]
        self._exact = type_.encoding is not TimeEncoding.EPOCH_NS

    def _convert(self, values: Sequence[Any]) -> Array:
        return in_range(pa.array(values, pa.int64()).cast(self._counted).cast(self.arrow))

    def _misfit(self) -> Refusal:
        return (
            out_of_range() if self._exact else Refusal("range", "the timestamp is not in whole microseconds")
        )


class EpochDate(Converter):
    """Dates as whole days since 1970-01-01."""

    def _convert(self, values: Sequence[Any]) -> Array:
        return _between(pa.array(values, pa.int64()), _FIRST_DAY, _LAST_DAY).cast(pa.int32()).cast(self.arrow)

    def _misfit(self) -> Refusal:
        return Refusal("range", "the date is not of the years 1 to 9999")


class CountedTime(Converter):
    """Times of day as whole counts since midnight, none of which loses a digit in microseconds."""

    def __init__(self, type_: ColumnType, *, required: bool, checks: tuple[Check, ...] = ()) -> None:
        super().__init__(type_, required=required, checks=checks)
        self._counted = _TIMES[type_.encoding]
        self._last = _DAY[type_.encoding] - 1

    def _convert(self, values: Sequence[Any]) -> Array:
        counts = _between(pa.array(values, pa.int64()), 0, self._last)
        if pa.types.is_time32(self._counted):
            counts = counts.cast(pa.int32())
        return counts.cast(self._counted).cast(self.arrow)

    def _misfit(self) -> Refusal:
        return Refusal("range", "the count is no time of one day in whole microseconds")


def _between(counts: Array, first: int, last: int) -> Array:
    ends: Any = pc.min_max(counts)
    if ends["min"].is_valid and not first <= ends["min"].as_py() <= ends["max"].as_py() <= last:
        raise OverflowError
    return counts


COUNTS: Final[Mapping[Kind, type[EpochTimestamp | EpochDate | CountedTime]]] = {
    Kind.TIMESTAMP: EpochTimestamp,
    Kind.DATE: EpochDate,
    Kind.TIME: CountedTime,
}
"""The converter of each kind whose values are counted."""
