"""What a cluster says of several topics, asked for at once: a long-lived reader asks twice a second."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

from mesh_defs.broker.divergence import Place
from mesh_defs.model.errors import BrokerUnavailableError
from mesh_defs.model.records import Divergence, TopicIdentity, Watermarks


class TopicQuestions(Protocol):
    """What can be asked of a cluster about a topic; see `Broker`."""

    def identity(self, topic: str) -> TopicIdentity:
        """Return which topic of which cluster this really is."""

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the topic's partitions, ascending."""

    def watermarks(self, topic: str, partitions: Sequence[int]) -> dict[int, Watermarks]:
        """Return what each partition holds."""

    def offsets_at(self, topic: str, partitions: Sequence[int], instant: dt.datetime) -> dict[int, int]:
        """Return the first offset of each partition whose timestamp is at or after an instant."""

    def divergences(self, topic: str, places: Mapping[int, Place]) -> dict[int, Divergence]:
        """Return where the logs of partitions are not those that were read before."""


class Glance:
    """Answers of one moment. What is not among them (a topic that is not there, say) is asked by itself.

    Args:
        broker: The cluster.
        identities: Of the topics that answered.
        marks: What each of their partitions holds; None for a partition without a leader.
        patient: Whether such partitions are waited for.
    """

    def __init__(
        self,
        broker: TopicQuestions,
        identities: Mapping[str, TopicIdentity],
        marks: Mapping[str, Mapping[int, Watermarks | None]],
        *,
        patient: bool,
    ) -> None:
        self._broker = broker
        self._identities = identities
        self._marks = marks
        self._patient = patient

    def identity(self, topic: str) -> TopicIdentity:
        """Return which topic of which cluster this really is. Raises as `Broker.identity` does."""
        return self._identities.get(topic) or self._broker.identity(topic)

    def partitions(self, topic: str) -> tuple[int, ...]:
        """Return the topic's partitions, ascending. Raises as `Broker.identity` does."""
        known = self._marks.get(topic)
        return self._broker.partitions(topic) if known is None else tuple(sorted(known))

    def watermarks(self, topic: str, partitions: Sequence[int]) -> dict[int, Watermarks]:
        """Return what each partition holds; where others have a leader, one without is left out.

        Raises as `Broker.identity` does.
        """
        known = self._marks.get(topic, {})
        found = {p: mark for p in partitions if (mark := known.get(p)) is not None}
        if len(found) == len(partitions) or (found and not self._patient):
            return found
        try:
            return self._broker.watermarks(topic, partitions)
        except BrokerUnavailableError:
            if not found:
                raise
            return found

    def offsets_at(self, topic: str, partitions: Sequence[int], instant: dt.datetime) -> dict[int, int]:
        """Return the first offset of each partition whose timestamp is at or after an instant."""
        return self._broker.offsets_at(topic, partitions, instant)

    def divergences(self, topic: str, places: Mapping[int, Place]) -> dict[int, Divergence]:
        """Return where the logs of partitions are not those that were read before."""
        return self._broker.divergences(topic, places)
