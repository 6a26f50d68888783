"""The judge: what the store holds is what was produced, offset by offset, now and as it was before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from mesh_defs.consistency import verify_domain
from mesh_defs.contract.project import Project
from mesh_defs.store import DomainStore
from tests.faults.machine.model import PartitionLog, TopicLog
from tests.faults.machine.records import Row, Sent, Terms
from tests.faults.machine.view import Envelope, Place, View, read_view
from tests.faults.machine.work import DOMAIN

LETTER: Final = "dead letter"
SKIPPED: Final = "skipped"
LOST: Final = "lost"
REMOVED: Final = "removed"

Fate = Row | str
"""What became of an offset: its row, or one of the words above."""


def check_by_the_mesh(project: Project, *, ask_broker: bool) -> None:
    """Assert that the mesh's own verification finds nothing, neither from its marks on nor from the start.

    All of the machine's calls of it are these.
    """
    for full in (False, True):
        for result in verify_domain(project, project.domain(DOMAIN), ask_broker=ask_broker, full=full):
            assert result.violations == (), "\n".join(v.message for v in result.violations)


class Judge:
    """Follows a store from step to step.

    Args:
        project: The mesh.
    """

    def __init__(self, project: Project) -> None:
        self._folder = project.data_folder(DOMAIN)
        self._store: DomainStore | None = None
        self._fates: dict[Place, Fate] = {}
        self.view: View | None = None

    def look(self) -> View | None:
        """Read the store anew; None where there is none yet."""
        if self._store is None:
            if not DomainStore.exists(self._folder):
                return None
            self._store = DomainStore.open(self._folder, DOMAIN, read_only=True)
        con = self._store.connection
        con.execute("BEGIN")
        view = read_view(con)
        con.execute("COMMIT")
        return view

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def check(
        self,
        topics: Mapping[str, TopicLog],
        terms: Collection[Terms],
        *,
        retried: Collection[Terms] = (),
        retention: bool = False,
        starts: Mapping[int, Collection[int]],
    ) -> None:
        """Assert that the store is one whole state, that it holds what was produced, and what it held before.

        Args:
            topics: What was produced, by topic id.
            terms: The contracts under which records may have been decoded since the last check.
            retried: Those under which dead letters may have been taken back since.
            retention: Whether rows may have been taken away since.
            starts: For each partition, the low watermarks at which it may have begun since.
        """
        view = self.look()
        if view is None or view.stream is None:
            assert self.view is None or self.view.stream is None
            self.view = view
            return
        view.whole()
        self._forward(view, starts)
        for place, fate in _fates(view).items():
            epoch, partition, offset = place
            log = topics[_topic_id(view, epoch)].partitions[partition]
            self._judge(place, fate, log, terms, retried, retention=retention)
            if isinstance(fate, Row) or fate == LETTER:
                sent = log.entries[offset]
                assert sent is not None
                assert view.around[place] == _around(sent), f"{place} is not as it was sent"
                assert fate != LETTER or view.letters[place] == sent.value
        self.view = view

    def _judge(
        self,
        place: Place,
        fate: Fate,
        log: PartitionLog,
        terms: Collection[Terms],
        retried: Collection[Terms],
        *,
        retention: bool,
    ) -> None:
        """Assert that an offset became what it should have, or stayed what it was."""
        sent, offset = log.entries[place[2]], place[2]
        before = self._fates.get(place)
        if before is None and fate == REMOVED:
            before = LETTER  # stored and taken away within one step: it was a row, or was retried
        self._fates[place] = fate
        if before == fate:
            return
        if before is not None:
            taken_back = before == LETTER and bool(retried)
            assert taken_back or (fate == REMOVED and retention), f"{place} was {before} and is {fate}"
            assert fate == REMOVED or (sent is not None and fate in _becomes(sent, retried)), (
                f"{place} was taken back as {fate}"
            )
            return
        if fate == LOST:
            assert offset in log.lost, f"{place} was not lost"
            return
        assert offset not in log.lost or offset in log.either, f"{place} was lost, and is {fate}"
        expected: set[Fate] = {SKIPPED} if sent is None else _becomes(sent, terms)
        assert fate in expected, f"{place} is {fate}, and not one of {expected}"

    def _forward(self, view: View, starts: Mapping[int, Collection[int]]) -> None:
        """Assert that nothing moved back, and that what is new began where it had to."""
        assert view.stream is not None
        before = self.view.spans if self.view else {}
        for key, (start, next_offset) in view.spans.items():
            if key in before:
                assert start == before[key][0], f"{key} began at {before[key][0]} and now at {start}"
                assert next_offset >= before[key][1], f"{key} fell from {before[key][1]} to {next_offset}"
            elif key[0] == view.stream.epoch:
                assert start in starts[key[1]], f"{key} began at {start} and not at one of {starts[key[1]]}"
        assert before.keys() <= view.spans.keys()
        old = set(self.view.entries) if self.view else set()
        assert old <= set(view.entries), "a ledger entry changed"


def _becomes(sent: Sent, terms: Collection[Terms]) -> set[Fate]:
    return {sent.row(t) or LETTER for t in terms}


def _around(sent: Sent) -> Envelope:
    return Envelope(milliseconds=sent.milliseconds, key=sent.key, headers=sent.headers)


def _topic_id(view: View, epoch: int) -> str:
    assert view.stream is not None
    earlier = {e.epoch: e.identity.topic_id for e in view.stream.earlier}
    return earlier.get(epoch, view.stream.identity.topic_id)


def _fates(view: View) -> dict[Place, Fate]:
    """Return what became of every offset that the store answers for."""
    fates: dict[Place, Fate] = dict(view.rows)
    fates |= dict.fromkeys(view.letters, LETTER)
    fates |= dict.fromkeys(view.gaps("skipped"), SKIPPED)
    fates |= dict.fromkeys(view.gaps("lost"), LOST)
    for (epoch, partition), (start, next_offset) in view.spans.items():
        for offset in range(start, next_offset):
            if (epoch, partition, offset) not in fates:
                assert offset < view.cleared(epoch, partition), f"{(epoch, partition, offset)} is missing"
                fates[epoch, partition, offset] = REMOVED
    return fates
