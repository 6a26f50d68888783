"""When a sensor asks for a run: for news, once, and again after a failure, ever later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mesh_defs.ingest import StreamNews
from mesh_defs.ingest.rest import InputNews
from mesh_defs.model.errors import BrokerUnavailableError
from mesh_defs.orchestration.keys import asked_tag, attempt_tag

WAITS = (0.0, 10.0, 30.0, 120.0, 600.0)
"""Seconds to wait after the first, second, ... failed run for the same news; the last holds from then on."""

ATTEMPTS = tuple(str(n) for n in range(1, len(WAITS) + 1))
"""The values of an attempt tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest run that was asked for a stream.

    Attributes:
        failed: Whether it failed or was cancelled.
        attempt: From 1; what its tag says.
        asked: The news that it was asked for.
        created_at: Seconds since the epoch.
        ended_at: Seconds since the epoch.
    """

    failed: bool
    attempt: int
    asked: frozenset[str]
    created_at: float
    ended_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a tick does.

    Attributes:
        tags: For each stream to be asked for, the tags that its run carries.
        reason: Why there is nothing to ask for; where there is, what was left out.
    """

    tags: Mapping[str, Mapping[str, str]]
    reason: str


def pieces(news: StreamNews | InputNews) -> frozenset[str]:
    """Return the news of a stream in pieces that can be recognised later: `3@120` is partition 3 from 120 on.

    A piece that a failed run was asked for, and that is still there, did not move; any other piece is new.
    """
    if isinstance(news, InputNews):
        return news.pieces
    if news.error is not None:
        return frozenset({f"!{type(news.error).__name__}"})
    plan = news.plan
    if plan is None:
        return frozenset()
    found = {f"{partition}@{begin}" for partition, (begin, end) in plan.ranges.items() if begin < end}
    found |= {f"{start.partition}@{start.offset}" for start in plan.starts}
    found |= {f"{partition}@{gap.from_offset}" for partition, gap in plan.lost.items()}
    found |= {f"{partition}!{type(error).__name__}" for partition, error in plan.errors.items()}
    return frozenset(found)


def decide(
    streams: Mapping[str, StreamNews | InputNews],
    last_run: Callable[[str], LastRun | None],
    *,
    now: float,
    decided_at: float = 0.0,
) -> Decision:
    """Decide which streams a run is asked for.

    News that no run was asked for yet are asked for at once, whatever became of other runs: a stopped partition
    must not hold up the others. News that a failed run was asked for wait by its attempt. What a person decided is
    news, too: a run turns the checks green, and what was stopped is tried at once.

    Args:
        streams: How each stream and input stands.
        last_run: Finds the newest run that was asked for a stream.
        now: Seconds since the epoch.
        decided_at: When a person last decided about a stream of the domain, likewise; 0 where nobody did.
    """
    tags: dict[str, Mapping[str, str]] = {}
    held: list[str] = []
    for name, news in streams.items():
        if isinstance(news.error, BrokerUnavailableError):
            held.append(str(news.error))
            continue
        found = pieces(news)
        if not found and not decided_at:
            continue
        last = last_run(name)
        found |= _decisions(news, last, decided_at)
        if not found:
            continue
        wait = _remaining(found, last, now)
        if wait > 0 and last is not None:
            held.append(f"{name}: attempt {last.attempt} failed; the next one is in {wait:.0f} s")
        else:
            tags[name] = {
                attempt_tag(name): str(_attempt(found, last)),
                asked_tag(name): " ".join(sorted(found)),
            }
    return Decision(
        tags=tags, reason="; ".join(dict.fromkeys(held)) or "no news: every offset is accounted for"
    )


def _decisions(news: StreamNews | InputNews, last: LastRun | None, decided_at: float) -> frozenset[str]:
    """Return the decision that the last run of a stream could not know of."""
    if isinstance(news, InputNews) or last is None or last.created_at >= decided_at:
        return frozenset()
    return frozenset({f"decided@{decided_at:.6f}"})


def _remaining(found: frozenset[str], last: LastRun | None, now: float) -> float:
    if last is None or not last.failed or found - last.asked:
        return 0.0
    return last.ended_at + WAITS[last.attempt - 1] - now


def _attempt(found: frozenset[str], last: LastRun | None) -> int:
    if last is None or not last.failed:
        return 1
    return last.attempt if found - last.asked else min(last.attempt + 1, len(WAITS))
