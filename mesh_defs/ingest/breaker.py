"""The circuit breaker: too many dead letters among the last records stop a stream before their commit."""

from __future__ import annotations

WINDOW = 1_000
"""How many records, dead letters included, the ratio is taken over."""

JUDGED_FROM = 100
"""How many records must have been seen before the ratio means anything."""


def crosses(recent: bytes, outcomes: bytes, limit: float) -> bool:
    """Say whether the share of dead letters is above the limit at any new record from the first new dead letter on.

    Good records alone never cross it: a stream whose first records were bad, before enough were seen to judge them,
    or whose limit was lowered, would stand for ever, since nothing that comes could change what was committed.

    Args:
        recent: One byte a record, 1 for a dead letter: those before, at most `WINDOW` of them.
        outcomes: The same for the new records, in reading order.
        limit: The contract's `maxDeadLetterRatio`, 0 to 1; a share equal to it is allowed.
    """
    if 1 not in outcomes:
        return False
    first = outcomes.index(1)
    recent, judged = (recent + outcomes[:first])[-WINDOW:], outcomes[first:]
    seen = recent + judged
    bad = sum(recent)
    for count, outcome in enumerate(judged, start=len(recent) + 1):
        bad += outcome
        if count > WINDOW:
            bad -= seen[count - WINDOW - 1]
        if count >= JUDGED_FROM and bad > limit * min(count, WINDOW):
            return True
    return False
