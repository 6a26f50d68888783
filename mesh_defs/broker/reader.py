"""A bounded read: the offsets [from, to) of some partitions of a topic, all of them or an error."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from types import TracebackType
from typing import Any, Final, Self, cast

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from mesh_defs.broker.failures import Heard, broker_error, configuration_error
from mesh_defs.broker.properties import client_log, consumer_properties
from mesh_defs.broker.silence import Silence, lost_or_regressed, short
from mesh_defs.model.errors import PartitionError
from mesh_defs.model.records import Headers, RawBatch, Watermarks

_WAIT_SECONDS: Final = 0.05
_READ_SECONDS: Final = 1.0
_MOST_MESSAGES: Final = 1_000_000  # the client's own limit for one call

_OUT_OF_RANGE: Final = frozenset(
    [KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._AUTO_OFFSET_RESET]  # noqa: SLF001
)
_EOF: Final = KafkaError._PARTITION_EOF  # noqa: SLF001

# The accessors of a message that is no event, typed as what they return there; mapped at the speed of C.
message_offset = cast("Callable[[Message], int]", Message.offset)
_partition = cast("Callable[[Message], int]", Message.partition)
_headers = cast("Callable[[Message], Headers | None]", Message.headers)
_timestamp = cast("Callable[[tuple[int, int]], int]", itemgetter(1))


class BoundedReader:
    """Reads the offsets [from, to) of each partition, in `assign` mode, committed records only.

    The end is decided before reading, so a topic that grows does not keep the reader busy. A partition is done
    when its position reaches its end: by a record at or beyond it, or by the broker's word that nothing is left
    below it, since a partition may end in transaction markers, aborted or compacted records that are never
    handed out. Memory is bounded by what the client fetches ahead (16 MB, or one larger record) whatever the backlog.

    Args:
        connection: librdkafka properties.
        topic: The topic.
        ranges: For each partition [from, to); empty ones are done at once.
        watermarks: Asks what the partitions hold, for the message when a read cannot go on.
        stall_timeout: Seconds of reading without any progress after which it fails; a partition that alone makes none
            has six times as long.
    """

    def __init__(
        self,
        connection: Mapping[str, str],
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        *,
        watermarks: Callable[[str, Sequence[int]], Mapping[int, Watermarks]],
        stall_timeout: float,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._positions = {p: from_ for p, (from_, _to) in ranges.items()}
        self._ends = {p: to for p, (from_, to) in ranges.items() if from_ < to}
        self._watermarks = watermarks
        self._silence = Silence(self._ends, stall_timeout)
        self._refusals: list[PartitionError] = []
        self._consumer: Consumer | None = None
        self._heard = Heard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def positions(self) -> Mapping[int, int]:
        """The next offset to read of each partition; its end when it is done."""
        return dict(self._positions)

    @property
    def done(self) -> bool:
        """Whether every partition has reached its end or was stopped."""
        return not self._ends

    def read(self, max_records: int = 10_000) -> list[RawBatch]:
        """Return the next records, at most one batch a partition.

        The list may be empty after a second without records; ask again until `done`. After a `PartitionError`, too,
        where its partition was stopped: nothing of the others is lost.

        Raises:
            OffsetsLostError: Retention passed a position.
            OffsetsRegressedError: A partition's end lies before its position.
            ShortReadError: The broker answers, but hands nothing of a partition out below its end.
            BrokerUnavailableError: The cluster does not answer for `stall_timeout` seconds.
            BrokerError: Or another child of it, as the cluster's answer means.
        """
        deadline = time.monotonic() + _READ_SECONDS
        while self._ends:
            self._raise_refusal()
            began = time.monotonic()
            messages = self._consume(max_records)
            self._silence.wait(time.monotonic() - began)
            if messages:
                batches = self._take(messages)
                if batches:
                    return batches
            elif self._heard.denial is not None:
                raise broker_error(self._heard.denial, cannot=f"read {self._topic}")
            if time.monotonic() >= deadline:
                break
        return []

    def _raise_refusal(self) -> None:
        """Raise what stands against reading a partition on; ask the broker now and then where one is silent."""
        while self._refusals:
            error = self._refusals.pop(0)
            if error.partition is not None and self._reads(error.partition):
                raise error
        for partition, is_over in self._silence.suspects(self._ends):
            self._check(partition)
            if is_over:
                raise self._short(partition)

    def stop(self, partition: int) -> None:
        """Read nothing more of a partition; its position stays where it is."""
        if self._ends.pop(partition, None) is not None and self._ends and self._consumer is not None:
            self._consumer.incremental_unassign([TopicPartition(self._topic, partition)])

    def extend(self, ranges: Mapping[int, tuple[int, int]]) -> bool:  # noqa: ARG002 - `TailReader` uses it
        """Return whether the reader goes on at these ranges: one of a single pass does not."""
        return False

    def close(self) -> None:
        """Close the consumer."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close()

    def _consume(self, max_records: int) -> list[Message]:
        """Return what is there, waiting no longer than for the last record below the ends."""
        if self._consumer is None:
            self._consumer = self._open()
        left = sum(to - self._positions[p] for p, to in self._ends.items())
        try:
            return self._consumer.consume(min(max_records, left, _MOST_MESSAGES), _WAIT_SECONDS)
        except KafkaException as failure:
            raise broker_error(
                failure.args[0], cannot=f"read {self._topic}", seen=self._heard.error
            ) from None

    def _open(self) -> Consumer:
        try:
            consumer = Consumer(self._properties(), logger=client_log())
        except KafkaException as failure:
            raise configuration_error(failure) from None
        consumer.assign([TopicPartition(self._topic, p, offset) for p, offset in self._assigned().items()])
        return consumer

    def _assigned(self) -> Mapping[int, int]:
        """Return where the consumer begins in each partition that it reads."""
        return {p: self._positions[p] for p in self._ends}

    def _properties(self) -> dict[str, Any]:
        return consumer_properties(self._connection, self._heard)

    def _take(self, messages: list[Message]) -> list[RawBatch]:
        """Sort messages into batches and advance the positions."""
        errors = list(map(Message.error, messages))
        events: list[Message] = []
        if any(errors):  # not `count(None)`: comparing a KafkaError with None leaves an exception behind
            events = [m for m, error in zip(messages, errors, strict=True) if error is not None]
            messages = [m for m, error in zip(messages, errors, strict=True) if error is None]
        batches = [
            batch
            for partition, own in self._by_partition(messages)
            if (batch := self._batch(partition, own)) is not None
        ]
        for event in events:
            try:
                self._take_event(event)
            except PartitionError as error:  # told when what was read of the others has been handed out
                self._refusals.append(error)
        return batches

    def _by_partition(self, messages: list[Message]) -> Iterator[tuple[int, list[Message]]]:
        """Group messages without a step of Python for each; they come in runs of one partition."""
        if not messages:
            return
        if len(self._positions) == 1:
            yield next(iter(self._positions)), messages
            return
        grouped: dict[int, list[Message]] = {}
        for partition, run in groupby(messages, _partition):
            grouped.setdefault(partition, []).extend(run)
        yield from grouped.items()

    def _batch(self, partition: int, messages: list[Message]) -> RawBatch | None:
        """Return the messages below the partition's end as a batch; None where there are none."""
        end = self._ends.get(partition)
        if end is None:  # on its way while the partition was being unassigned
            return None
        offsets = _offsets(messages)
        if offsets[-1] >= end:
            count = bisect_left(offsets, end)
            messages, offsets = messages[:count], offsets[:count]
            self._advance(partition, end)
        else:
            self._advance(partition, offsets[-1] + 1)
        if not offsets:
            return None
        epoch = messages[-1].leader_epoch()
        return RawBatch(
            topic=self._topic,
            partition=partition,
            offsets=offsets,
            timestamps=np.fromiter(
                map(_timestamp, map(Message.timestamp, messages)), np.int64, len(messages)
            ),
            keys=list(map(Message.key, messages)),
            values=list(map(Message.value, messages)),
            headers=list(map(_headers, messages)),
            leader_epoch=-1 if epoch is None else epoch,
        )

    def _advance(self, partition: int, offset: int) -> None:
        """Move a partition's position; at its end it is done and makes room for the others."""
        end = self._ends[partition]
        self._positions[partition] = min(offset, end)
        self._silence.moved(partition)
        if offset >= end:
            self._finish(partition)

    def _finish(self, partition: int) -> None:
        """Let go of a partition that has reached its end."""
        self.stop(partition)

    def _take_event(self, event: Message) -> None:
        """Advance to where the broker says that nothing is left, or raise what went wrong."""
        error = event.error()
        partition, offset = event.partition(), event.offset()
        if error is None or partition is None:
            return
        if error.code() == _EOF:
            if self._reads(partition) and offset is not None and offset > self._positions[partition]:
                self._advance(partition, offset)
            return
        if error.code() in _OUT_OF_RANGE and self._reads(partition):
            self._check(partition)
            raise self._short(partition)
        raise broker_error(error, cannot=f"read {self._topic} partition {partition}")

    def _reads(self, partition: int) -> bool:
        """Return whether what the broker says of a partition still concerns this reader."""
        return partition in self._ends

    def _check(self, partition: int) -> None:
        """Raise when a partition cannot be read on from its position, by what the broker holds now."""
        mark = self._watermarks(self._topic, [partition])[partition]
        position = self._positions[partition]
        end = self._ends.get(partition, position)
        refused = lost_or_regressed(self._topic, partition, position, end, mark)
        if refused is not None:
            raise refused

    def _short(self, partition: int) -> PartitionError:
        return short(self._topic, partition, self._positions[partition], self._ends.get(partition))


def _offsets(messages: Sequence[Message]) -> Sequence[int]:
    """Return the messages' offsets, which ascend: without holes a range, which nobody need walk through."""
    if not messages:
        return ()
    first, last = message_offset(messages[0]), message_offset(messages[-1])
    if last - first + 1 == len(messages):
        return range(first, last + 1)
    return list(map(message_offset, messages))
