"""The circuit breaker judges as the contract says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.ingest.breaker import JUDGED_FROM, WINDOW, crosses

BITS = st.lists(st.sampled_from([0, 1]), max_size=1_500).map(bytes)


@pytest.mark.fault(22)
@given(BITS, BITS, st.floats(min_value=0, max_value=1))
def test_equals_the_definition(recent: bytes, outcomes: bytes, limit: float) -> None:
    """From the first new dead letter on: the share over the last 1,000, from the hundredth record on."""
    seen = recent[-WINDOW:] + outcomes
    good = len(outcomes) if 1 not in outcomes else outcomes.index(1)
    first = len(seen) - len(outcomes) + good
    windows = [seen[max(0, end - WINDOW) : end] for end in range(first + 1, len(seen) + 1)]
    expected = any(len(w) >= JUDGED_FROM and sum(w) > limit * len(w) for w in windows)
    assert crosses(recent, outcomes, limit) == expected


def test_a_share_equal_to_the_limit_is_allowed() -> None:
    """10 of 100 do not exceed 0.1; 11 do."""
    assert not crosses(b"", bytes([1] * 10 + [0] * 90), 0.1)
    assert crosses(b"", bytes([1] * 11 + [0] * 89), 0.1)


def test_fewer_than_a_hundred_records_are_not_judged() -> None:
    """99 dead letters alone stop nothing."""
    assert not crosses(b"", bytes([1] * 99), 0.1)


def test_good_records_go_on_after_a_bad_beginning() -> None:
    """What was committed before it could be judged, or under another limit, stops nothing that is good."""
    beginning = bytes([1] * 20 + [0] * 30)
    assert not crosses(beginning, bytes(5_000), 0.1)
    assert not crosses(beginning, bytes([0] * 1_000 + [1]), 0.1)
    assert crosses(beginning, bytes([0] * 50 + [1]), 0.1)


def test_the_window_survives_a_commit() -> None:
    """What was seen before counts: 60 bad ones before and 50 after are more than a tenth of 1,000."""
    assert crosses(bytes([0] * 900 + [1] * 60), bytes([1] * 50), 0.1)
