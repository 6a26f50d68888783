"""Instants as whole microseconds since the epoch."""

from __future__ import annotations

import datetime as dt
from typing import Final

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def to_micros(instant: dt.datetime) -> int:
    """Return microseconds since the epoch, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """Return the instant, in UTC."""
    return _EPOCH + micros * _MICROSECOND
