"""How long after it happened an event is published: the source does not say, so it is drawn.

Most delays are log-normal around a median; a share of stragglers has a log-normal of its own; none is longer than the
stream's contract allows (`allowedLateness`). The draw is a function of the seed and the event alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

MINUTE = 60.0
HOUR = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A distribution of delays.

    Attributes:
        median: Seconds.
        sigma: Standard deviation of the delay's natural logarithm.
        late_share: The share of stragglers, 0 to 1.
        late_median: Of the stragglers, seconds.
        late_sigma: Of the stragglers.
        bound: No delay is longer, seconds.
    """

    median: float
    sigma: float
    late_share: float
    late_median: float
    late_sigma: float
    bound: float

    def parameter(self) -> dict[str, float]:
        """Return what the macro `delay` takes."""
        return asdict(self)


FLIGHTS = Delay(median=40, sigma=0.9, late_share=0.01, late_median=2 * HOUR, late_sigma=1.0, bound=26 * HOUR)
OBSERVATIONS = Delay(
    median=7 * MINUTE, sigma=0.4, late_share=0.005, late_median=2 * HOUR, late_sigma=0.5, bound=6 * HOUR
)
REGISTER = Delay(median=0.3, sigma=0.5, late_share=0.0, late_median=1, late_sigma=0.0, bound=MINUTE)
PASSENGERS = Delay(median=2, sigma=1.0, late_share=0.002, late_median=10 * MINUTE, late_sigma=0.7, bound=HOUR)
