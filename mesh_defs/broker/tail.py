"""A reader that stays: it reads range after range of the same partitions without being assigned anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from confluent_kafka import Message, TopicPartition

from mesh_defs.broker.properties import tail_properties
from mesh_defs.broker.reader import BoundedReader, message_offset
from mesh_defs.model.records import RawBatch

_NOTHING: Final = -1


class TailReader(BoundedReader):
    """Reads the offsets [from, to) of each partition, and then, when it is told of a later end, goes on.

    Its consumer stays assigned and waits at the broker for what comes next, so that the next read finds the records
    here already. What is handed out beyond the end is taken as well: a committed record is one, whoever asked for
    the end and when. So a position may pass its end.

    Whoever drops what was read (a commit that failed) must close the reader: it never goes back.
    """

    def extend(self, ranges: Mapping[int, tuple[int, int]]) -> bool:
        """Go on at these ranges.

        Partitions that are not among them are let go of; new ones are taken up.

        Returns:
            Whether that is possible: every partition that is read already begins where it stands.
        """
        waiting = set(self._ends)
        kept = set(self._positions) & set(ranges)
        if any(self._positions[p] != ranges[p][0] for p in kept):
            return False
        for partition in set(self._positions) - kept:
            self.stop(partition)
        fresh = {p: span[0] for p, span in ranges.items() if p not in kept}
        if fresh and self._consumer is not None:
            self._consumer.incremental_assign([TopicPartition(self._topic, p, o) for p, o in fresh.items()])
        self._positions |= fresh
        self._ends = {p: to for p, (from_, to) in ranges.items() if from_ < to}
        self._refusals = [refusal for refusal in self._refusals if refusal.partition in kept]
        self._silence.begin(self._ends.keys() - (waiting & kept), anew=not waiting)
        return True

    def stop(self, partition: int) -> None:
        """Let go of a partition."""
        self._ends.pop(partition, None)
        if self._positions.pop(partition, None) is not None and self._consumer is not None:
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])

    def _properties(self) -> dict[str, Any]:
        return tail_properties(self._connection, self._heard)

    def _assigned(self) -> Mapping[int, int]:
        return self._positions

    def _reads(self, partition: int) -> bool:
        return partition in self._positions

    def _batch(self, partition: int, messages: list[Message]) -> RawBatch | None:
        if partition not in self._positions:  # on its way while the partition was being unassigned
            return None
        beyond = message_offset(messages[-1]) + 1
        self._ends[partition] = max(self._ends.get(partition, _NOTHING), beyond)
        return super()._batch(partition, messages)

    def _advance(self, partition: int, offset: int) -> None:
        self._ends[partition] = max(self._ends.get(partition, _NOTHING), offset)
        super()._advance(partition, offset)

    def _finish(self, partition: int) -> None:
        """Stay assigned: more is to come."""
        del self._ends[partition]
