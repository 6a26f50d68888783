"""When a run is asked for."""

from __future__ import annotations

import pytest

from mesh_defs.ingest import StreamNews
from mesh_defs.ingest.plan import StreamPlan
from mesh_defs.model.errors import BrokerUnavailableError, OffsetsLostError, TopicMissingError
from mesh_defs.model.records import Gap, PartitionStart, TopicIdentity
from mesh_defs.orchestration.asking import WAITS, LastRun, decide, pieces
from mesh_defs.orchestration.keys import asked_tag, attempt_tag

IDENTITY = TopicIdentity(cluster_id="c", topic_id="t")
CREATED = 990.0
ENDED = 1_000.0


def behind(**partitions: tuple[int, int]) -> StreamNews:
    """Return a stream whose partitions `p0`, `p1`, ... have these ranges to read."""
    ranges = {int(name[1:]): span for name, span in partitions.items()}
    return StreamNews(stream="orders", plan=StreamPlan(identity=IDENTITY, epoch=1, ranges=ranges))


def failed(attempt: int, *asked: str) -> LastRun:
    """Return a run that was asked for these news in vain."""
    return LastRun(failed=True, attempt=attempt, asked=frozenset(asked), created_at=CREATED, ended_at=ENDED)


def attempts(news: StreamNews, last: LastRun | None, after: float = 0.0) -> list[str]:
    """Return the attempt that is asked for so long after the last run's end; empty where none is."""
    tags = decide({"orders": news}, lambda _: last, now=ENDED + after).tags
    return [tags["orders"][attempt_tag("orders")]] if tags else []


def test_equal_positions_are_no_news() -> None:
    """Nothing is asked for where the store answers for every offset."""
    decision = decide({"orders": behind(p0=(5, 5), p1=(0, 0))}, lambda _: None, now=0)
    assert not decision.tags
    assert decision.reason.startswith("no news")


def test_news_are_asked_for_by_position() -> None:
    """The tags say what the run is for."""
    decision = decide({"orders": behind(p0=(5, 9), p1=(3, 3), p2=(0, 1))}, lambda _: None, now=0)
    assert decision.tags == {"orders": {attempt_tag("orders"): "1", asked_tag("orders"): "0@5 2@0"}}


@pytest.mark.parametrize(("attempt", "wait"), list(enumerate(WAITS, start=1)))
def test_the_same_news_wait_ever_longer(attempt: int, wait: float) -> None:
    """After each failure in a row, up to ten minutes; the last wait stays."""
    last = failed(attempt, "0@5")
    if wait:
        assert attempts(behind(p0=(5, 9)), last, wait - 0.1) == []
    assert attempts(behind(p0=(5, 99)), last, wait) == [str(min(attempt + 1, len(WAITS)))]


def test_a_success_forgets_the_failures() -> None:
    """The next news are a first attempt again."""
    last = LastRun(failed=False, attempt=4, asked=frozenset({"0@5"}), created_at=CREATED, ended_at=ENDED)
    assert attempts(behind(p0=(5, 9)), last) == ["1"]


def test_a_stopped_partition_does_not_hold_up_the_others() -> None:
    """News of another partition, or of the same one further on, go at once and count as no further attempt."""
    assert attempts(behind(p0=(5, 9), p1=(7, 8)), failed(4, "0@5")) == ["4"]
    assert attempts(behind(p0=(6, 9)), failed(4, "0@5")) == ["4"]
    assert attempts(behind(p0=(5, 9)), failed(4, "0@5", "1@7")) == []


def test_a_stopped_stream_does_not_hold_up_the_others() -> None:
    """It is left out of the run, and the reason says so."""
    last = {"bad": failed(5, "0@5"), "good": None}
    decision = decide({"bad": behind(p0=(5, 9)), "good": behind(p0=(1, 2))}, lambda s: last[s], now=ENDED)
    assert list(decision.tags) == ["good"]
    assert decision.reason == "bad: attempt 5 failed; the next one is in 600 s"


def test_a_cluster_that_is_down_is_no_reason_for_a_run() -> None:
    """Its streams are passed over, those of other clusters are not."""
    down = BrokerUnavailableError(cannot="ask", why="nobody answers", do="start it")
    decision = decide(
        {"bad": StreamNews(stream="bad", error=down), "good": behind(p0=(1, 2))}, lambda _: None, now=0
    )
    assert list(decision.tags) == ["good"]
    assert "nobody answers" in decision.reason


def test_a_decision_is_news_once() -> None:
    """Of a stream without news as well as of one that waits; not of a run that was created after it."""

    def tags(news: StreamNews, last: LastRun | None, decided_at: float) -> dict[str, str]:
        decision = decide({"orders": news}, lambda _: last, now=ENDED, decided_at=decided_at)
        return dict(decision.tags.get("orders", {}))

    nothing, last = behind(p0=(5, 5)), failed(5, "0@5")
    asked = {attempt_tag("orders"): "5", asked_tag("orders"): "decided@995.000000"}
    assert tags(nothing, last, CREATED + 5) == asked
    assert tags(behind(p0=(5, 9)), last, CREATED + 5)[asked_tag("orders")] == "0@5 decided@995.000000"
    assert tags(nothing, last, CREATED) == {}
    assert tags(behind(p0=(5, 9)), last, CREATED) == {}
    assert tags(nothing, None, CREATED + 5) == {}


def test_errors_are_news() -> None:
    """Only a failed run makes them loud; then they wait like others."""
    missing = StreamNews(
        stream="orders", error=TopicMissingError(cannot="read", why="it is gone", do="make it")
    )
    assert attempts(missing, None) == ["1"]
    assert attempts(missing, failed(5, "!TopicMissingError"), 599) == []
    assert attempts(behind(p0=(0, 4)), failed(5, "!TopicMissingError")) == ["5"]


def test_every_kind_of_news_can_be_recognised() -> None:
    """New partitions, lost ranges and partitions that may not be read."""
    plan = StreamPlan(
        identity=IDENTITY,
        epoch=1,
        starts=(PartitionStart(stream="orders", epoch=1, partition=2, offset=0, identity=IDENTITY),),
        ranges={0: (7, 7), 1: (4, 4), 2: (0, 0)},
        lost={1: Gap(kind="lost", from_offset=2, to_offset=4)},
        errors={3: OffsetsLostError(cannot="read", why="gone", do="accept")},
    )
    assert pieces(StreamNews(stream="orders", plan=plan)) == {"2@0", "1@2", "3!OffsetsLostError"}
