"""The nearest known word, for messages about an unknown one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a clause that names the nearest known word, or lists all when none is near.

    Args:
        word: What was written.
        known: The words that are understood.

    Returns:
        ``"did you mean 'command'?"`` or ``"known are 'data', 'name'"``.
    """
    words = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in words}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{folded[near[0]]}'?"
    return "known are " + ", ".join(f"'{candidate}'" for candidate in words)
