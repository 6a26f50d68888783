"""Schedules as cron writes them: what is taken here, Dagster keeps."""

from __future__ import annotations

import pytest
from dagster._utils.schedules import is_valid_cron_schedule
from hypothesis import example, given
from hypothesis import strategies as st

from mesh_defs.contract.cron import cron_trouble

NUMBERS = st.integers(0, 70).map(str)
ITEMS = st.one_of(
    st.sampled_from(["*", "mon", "SUN", "jan", "fri-sun", "L", "?"]),
    NUMBERS,
    st.tuples(NUMBERS, NUMBERS).map("-".join),
)
STEPPED = st.one_of(ITEMS, st.tuples(ITEMS, NUMBERS).map("/".join))
FIELDS = st.lists(STEPPED, min_size=1, max_size=2).map(",".join)
SCHEDULES = st.one_of(
    st.lists(FIELDS, min_size=4, max_size=6).map(" ".join),
    st.sampled_from(["@daily", "@reboot", "", "@daily @daily"]),
    st.text(max_size=12),
)


@given(text=SCHEDULES)
@example(text="0 0 30 2 mon")
@example(text="0 0 29 2 *")
@example(text="0 0 * * fri-sun")
def test_what_is_taken_dagster_keeps(text: str) -> None:
    """Never the other way round: a schedule without a warning must not be missing from Dagster."""
    if cron_trouble(text) is None:
        assert is_valid_cron_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        "0 5 * * *",
        "*/5 * * * *",
        "0 9-17/2 * * MON-FRI",
        "30 4 1,15 * 5",
        "0 0 1 jan,jul *",
        "@hourly",
        "5/10 * * * *",
    ],
)
def test_usual_schedules_are_taken(text: str) -> None:
    """What stands in people's crontabs."""
    assert cron_trouble(text) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 5 * *", "five fields"),
        ("60 * * * *", "'60' is no minute: 0 to 59"),
        ("* * * * nun", "'nun' is no day of the week"),
        ("9-5 * * * *", "'9-5' is no minute"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("0 0 31 4,6 *", "day 31 never comes"),
    ],
)
def test_what_is_wrong_is_said(text: str, words: str) -> None:
    """With the field, and what it takes."""
    assert words in (cron_trouble(text) or "")
