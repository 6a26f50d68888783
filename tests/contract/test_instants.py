"""Dates, times, instants and durations."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.contract.instants import parse_date, parse_duration, parse_time, parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT26H", dt.timedelta(hours=26)),
        ("PT0S", dt.timedelta(0)),
        ("P1DT12H30M", dt.timedelta(days=1, hours=12, minutes=30)),
        ("P2W", dt.timedelta(weeks=2)),
        ("PT0.5S", dt.timedelta(milliseconds=500)),
        ("PT1.000001S", dt.timedelta(seconds=1, microseconds=1)),
    ],
)
def test_durations_are_exact(text: str, expected: dt.timedelta) -> None:
    """Weeks, days, hours, minutes and seconds have a fixed length."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "26H",
        "PT26",
        "pt26h",
        "P1M",
        "P1Y",
        "-PT1H",
        "PT1.5H",
        "1h",
        "PT1H ",
        "P999999999W",
    ],
)
def test_what_is_no_fixed_duration_is_refused(text: str) -> None:
    """Months and years, signs, and anything but ISO 8601."""
    with pytest.raises(ValueError, match=r"duration|fixed length|longer"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "zoned", "expected"),
    [
        ("2013-01-31T17:30:00Z", True, dt.datetime(2013, 1, 31, 17, 30, tzinfo=dt.UTC)),
        ("2013-01-31t17:30:00.25+01:00", True, dt.datetime(2013, 1, 31, 16, 30, 0, 250000, tzinfo=dt.UTC)),
        ("2013-01-31 17:30:00", False, dt.datetime(2013, 1, 31, 17, 30)),  # noqa: DTZ001
    ],
)
def test_timestamps_with_and_without_offset(text: str, *, zoned: bool, expected: dt.datetime) -> None:
    """An instant is returned in UTC, a wall clock as it stands."""
    assert parse_timestamp(text, zoned=zoned) == expected


@pytest.mark.parametrize(
    ("text", "zoned"),
    [
        ("2013-01-31T17:30:00", True),
        ("2013-01-31T17:30:00Z", False),
        ("2013-01-31", True),
        ("20130131T173000Z", True),
        ("2013-02-30T00:00:00Z", True),
        ("0001-01-01T00:00:00+23:00", True),
        ("2013-01-31T17:30:00.1234567Z", True),
    ],
)
def test_what_is_no_timestamp_is_refused(text: str, *, zoned: bool) -> None:
    """A missing offset, one too many, a date that does not exist, digits that would be lost."""
    with pytest.raises(ValueError, match="no timestamp"):
        parse_timestamp(text, zoned=zoned)


@given(st.datetimes(timezones=st.just(dt.UTC)))
def test_every_instant_survives(moment: dt.datetime) -> None:
    """Reading what `isoformat` wrote gives the same instant."""
    assert parse_timestamp(moment.isoformat(), zoned=True) == moment


@given(st.dates(), st.times())
def test_every_date_and_time_survives(date: dt.date, time: dt.time) -> None:
    """Reading what `isoformat` wrote gives the same value."""
    assert parse_date(date.isoformat()) == date
    assert parse_time(time.isoformat()) == time


@given(st.text(max_size=30))
def test_no_text_breaks_the_parsers(text: str) -> None:
    """Anything that is refused is refused with a `ValueError`."""
    for parse in (parse_date, parse_time, parse_duration):
        try:
            parse(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017
