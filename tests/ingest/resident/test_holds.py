"""What a resident ingester leaves alone, and when it commits and reports, on a clock of the test's own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_defs.ingest import PartitionReport, StreamReport
from mesh_defs.ingest.report import MOST_FIELDS, MOST_GAPS, Trouble
from mesh_defs.ingest.resident.holds import WAITS, Holds
from mesh_defs.ingest.resident.pace import Pace
from mesh_defs.ingest.resident.reporting import Reporting
from mesh_defs.model.errors import BrokerUnavailableError, IdentityChangedError, MeshError
from mesh_defs.model.records import Gap

ERROR = MeshError(cannot="read", why="it is bad", do="mend it")


def report(*stopped: int | None, moved: int = 0) -> StreamReport:
    """Return what a tick did to the stream: partitions that stopped (None: the whole), and offsets that it moved."""
    part = PartitionReport(partition=7, epoch=0, from_offset=0, to_offset=0, end_offset=moved)
    if moved:
        part = replace(part, to_offset=moved, row_count=moved, snapshot=1)
    troubles = tuple(Trouble(error=ERROR, partition=p) for p in stopped)
    return StreamReport(domain="shop", stream="orders", partitions=(part,), troubles=troubles)


def test_a_stopped_partition_is_tried_ever_later_and_others_are_not_held() -> None:
    """By the given waits, the last one for ever."""
    holds = Holds()
    now = 0.0
    for wait in (*WAITS, WAITS[-1]):
        holds.note(report(0), frozenset(), now)
        assert holds.partitions("orders", now + wait - 0.1) == {0}
        assert not holds.is_held("orders", now)
        assert not holds.is_due("orders", now + wait - 0.1)
        now += wait
        assert holds.partitions("orders", now) == frozenset()
        assert holds.is_due("orders", now)


def test_a_partition_that_was_left_alone_stays_stopped() -> None:
    """A tick over the others says nothing of it; one that tried it does."""
    holds = Holds()
    holds.note(report(0), frozenset(), 0.0)
    holds.note(report(), frozenset({0}), 0.5)
    assert set(holds.places) == {("orders", 0)}
    holds.note(report(), frozenset(), 1.0)
    assert holds.places == {}


def test_a_whole_stream_is_held_until_an_attempt_that_works() -> None:
    """Its partitions' own holds stay beside it."""
    holds = Holds()
    holds.note(report(0), frozenset(), 0.0)
    holds.note(report(None), frozenset({0}), 0.5)
    assert holds.is_held("orders", 1.0)
    assert set(holds.places) == {("orders", 0), ("orders", None)}
    holds.note(report(), frozenset({0}), 1.6)
    assert set(holds.places) == {("orders", 0)}


def test_a_nudge_lets_everything_be_tried_at_once() -> None:
    """The count of attempts stays."""
    holds = Holds()
    holds.note(report(0), frozenset(), 0.0)
    holds.release(0.1)
    assert holds.partitions("orders", 0.1) == frozenset()
    holds.note(report(0), frozenset(), 0.1)
    assert holds.places["orders", 0].attempts == 2


@given(st.lists(st.tuples(st.sets(st.integers(0, 3)), st.floats(0, 100)), max_size=20))
def test_only_what_the_last_attempts_said_is_stopped(attempts: list[tuple[set[int], float]]) -> None:
    """Whatever the order of attempts: a place is stopped exactly if its own last attempt failed."""
    holds = Holds()
    stopped: dict[int, bool] = {}
    now = 0.0
    for found, passed in attempts:
        now += passed
        held = holds.partitions("orders", now)
        failed = found - held
        holds.note(report(*sorted(failed)), held, now)
        stopped |= {p: p in failed for p in range(4) if p not in held}
    assert {p for _, p in holds.places} == {p for p, is_stopped in stopped.items() if is_stopped}


class Told:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.reports: list[StreamReport] = []

    def report(self, report: StreamReport) -> None:
        """Keep it."""
        self.reports.append(report)


def test_reports_come_at_once_when_a_status_flips_and_else_once_a_minute() -> None:
    """And none is lost: what waited is told in one, with all its rows."""
    told = Told()
    reporting = Reporting(told)
    reporting.note(report(moved=5), 0.0)
    assert [r.row_count for r in told.reports] == [5]
    for second in (1.0, 2.0):
        reporting.note(report(moved=5), second)
        reporting.flush(second)
    assert len(told.reports) == 1
    reporting.flush(60.0)
    assert [r.row_count for r in told.reports] == [5, 10]
    reporting.note(report(0), 61.0)
    reporting.note(report(0), 61.5)
    reporting.note(report(), 62.0)
    assert [len(r.troubles) for r in told.reports] == [0, 0, 1, 0]
    reporting.note(report(moved=3), 63.0)
    reporting.flush(63.0, everything=True)
    assert told.reports[-1].row_count == 3
    assert reporting.pending == {}


def test_another_reason_for_the_same_stop_is_told_at_once() -> None:
    """As where a cluster is away and comes back as another one; what only moved on within a message is no news."""
    told = Told()
    reporting = Reporting(told)
    errors = [
        BrokerUnavailableError(cannot="read", why="nobody answers for 2 s", do="start it"),
        BrokerUnavailableError(cannot="read", why="nobody answers for 4 s", do="start it"),
        IdentityChangedError(cannot="read", why="the cluster was recreated", do="accept it"),
    ]
    for second, error in enumerate(errors):
        trouble = Trouble(error=error)
        reporting.note(StreamReport(domain="shop", stream="orders", troubles=(trouble,)), float(second))
    assert [r.troubles[0].error for r in told.reports] == [errors[0], errors[2]]


def test_reports_that_nobody_takes_stay_small() -> None:
    """A producer that writes its data as names of fields, and a compacted topic, are no reason to grow."""
    whole = report(moved=1)
    for number in range(5_000):
        gap = Gap(kind="skipped", from_offset=number, to_offset=number + 1)
        part = replace(whole.partitions[0], gaps=(gap,))
        whole = whole.plus(replace(whole, partitions=(part,), unknown_fields=((f"$.f{number}", 1),)))
    assert len(whole.partitions[0].gaps) == MOST_GAPS
    assert whole.partitions[0].gaps[0].from_offset == 0
    assert len(whole.unknown_fields) == MOST_FIELDS


def test_a_quiet_stream_is_not_reported_again() -> None:
    """Nothing moved, nothing flipped."""
    told = Told()
    reporting = Reporting(told)
    for second in range(0, 300, 10):
        reporting.note(report(), float(second))
        reporting.flush(float(second))
    assert len(told.reports) == 1


def test_news_are_due_at_once_by_the_usual_latency() -> None:
    """Half a second is what a look takes anyway."""
    pace = Pace(())
    assert (pace.latency, pace.look) == (0.5, 0.5)
    assert pace.is_due([1], 0.0)
    assert not pace.is_due([], 1.0)


@pytest.mark.parametrize(("lag", "due"), [(10, [False, False, True]), (1_000_000, [True, True, True])])
def test_a_long_latency_is_kept_unless_the_size_is_reached(lag: int, due: list[bool]) -> None:
    """The commit comes before the promise is broken, and earlier where much has gathered."""
    pace = Pace(())
    pace.latency, pace.look = 60.0, 1.0
    assert [pace.is_due([lag], now) for now in (0.0, 30.0, 59.5)] == due
