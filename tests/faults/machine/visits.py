"""How often the machine was where: a machine that does nothing must not pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from hypothesis import event


class Visits:
    """Counts the states and transitions of a whole run, over all its examples."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def saw(self, what: str, times: int = 1) -> None:
        """Count something that was really reached."""
        if times:
            self.counts[what] += times
            event(what)

    def must_have_seen(self, floors: Mapping[str, int]) -> None:
        """Fail where something was reached more seldom than it should have been; all of it at once."""
        seldom = {
            what: (self.counts[what], floor) for what, floor in floors.items() if self.counts[what] < floor
        }
        assert not seldom, f"reached too seldom, as (found, wanted): {seldom}\n{self}"

    def must_have_seen_of(self, places: Collection[str], most: int) -> None:
        """Fail where fewer of some places were reached than there should have been."""
        missed = [place for place in places if not self.counts[place]]
        assert len(places) - len(missed) >= most, f"never reached: {missed}\n{self}"

    def __str__(self) -> str:
        """Return all counts, a line each."""
        return "\n".join(f"{count:6} {what}" for what, count in sorted(self.counts.items()))
