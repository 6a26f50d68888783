"""Each record of a batch to the decoder of its type, and what they make of it together again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Protocol

import pyarrow as pa

from mesh_defs.decode.envelope.opened import Opened, Opener
from mesh_defs.decode.letters import letter_of
from mesh_defs.decode.refusal import Refusal
from mesh_defs.decode.types.readers import RULE, Told, TypeReader
from mesh_defs.model.records import DeadLetter, RawBatch, Stage, TypedBatch


class OpenedDecoder(Protocol):
    """Decodes records that are out of their envelopes."""

    def decode_opened(self, batch: RawBatch, opened: Opened, *, epoch: int, ingested_at: int) -> TypedBatch:
        """Return what became of the records."""
        ...


class TypesDecoder:
    """Decodes the records of a topic of several event types: pure, without state between batches.

    A record without a type, or of none of these types, is a dead letter; so is a tombstone whose type would stand in
    the payload that it lacks.

    Args:
        decoders: The decoder of each event type.
        envelope: Takes the payloads out of their envelopes.
        reader: Tells the records' types.
    """

    def __init__(self, decoders: Mapping[str, OpenedDecoder], envelope: Opener, reader: TypeReader) -> None:
        self._decoders = list(decoders.values())
        self._envelope = envelope
        self._reader = reader
        self._routes: dict[bytes | str | None, int] = {}
        for route, name in enumerate(decoders):
            self._routes[name] = self._routes[name.encode()] = route

    def decode(self, batch: RawBatch, *, epoch: int, ingested_at: int) -> TypedBatch:
        """Return what became of a batch: each record is one row of one table, or one dead letter.

        Whether a record is refused depends on nothing but itself, so any split of a batch gives the same.

        Args:
            batch: As the broker handed it out.
            epoch: Of the stream.
            ingested_at: Microseconds since the epoch.

        Raises:
            RegistryError: The writers' schemas cannot be had; nothing is known about the records.
        """
        opened = self._envelope.open(batch)
        told = self._reader.read(opened)
        refused = told.refused | opened.refused
        parts = self._sorted(told, opened, refused)
        letters = [letter_of(batch, index, refusal) for index, refusal in refused.items()]
        tables: dict[str, pa.RecordBatch] = {}
        unknown: Counter[str] = Counter()
        for decoder, positions in zip(self._decoders, parts, strict=True):
            part, part_opened = _part(batch, opened, positions)
            typed = decoder.decode_opened(part, part_opened, epoch=epoch, ingested_at=ingested_at)
            tables |= typed.tables
            unknown.update(typed.unknown_fields)
            letters += [replace(letter, index=positions[letter.index]) for letter in typed.dead_letters]
        return TypedBatch(
            partition=batch.partition,
            tables=tables,
            dead_letters=tuple(sorted(letters, key=_index)),
            unknown_fields=dict(unknown),
        )

    def _sorted(self, told: Told, opened: Opened, refused: dict[int, Refusal]) -> list[list[int]]:
        """Return the positions of each decoder's records, ascending; refuse those that have none."""
        routes = list(map(self._routes.get, told.types))
        if not refused and routes and routes.count(routes[0]) == len(routes) and routes[0] is not None:
            return [
                list(range(len(routes))) if route == routes[0] else [] for route in range(len(self._decoders))
            ]
        parts: list[list[int]] = [[] for _ in self._decoders]
        for index, route in enumerate(routes):
            if route is not None and index not in refused:
                parts[route].append(index)
            elif index not in refused:
                refused[index] = _untold(told, index, tombstone=opened.payloads[index] is None)
        return parts


def _index(letter: DeadLetter) -> int:
    return letter.index


def _untold(told: Told, index: int, *, tombstone: bool) -> Refusal:
    if told.types[index] is not None:
        message = "the record's event type is none of those that the contract declares"
        return Refusal("unknown_event_type", message, stage=Stage.ENVELOPE)
    what = "the null value" if tombstone else "the record"
    return Refusal(RULE, f"{what} does not say its event type", stage=Stage.ENVELOPE)


def _part(batch: RawBatch, opened: Opened, positions: list[int]) -> tuple[RawBatch, Opened]:
    """Return the records at these positions, which ascend, with what their envelopes say."""
    if len(positions) == len(batch):
        return batch, opened
    pick = _picker(positions)
    part = RawBatch(
        topic=batch.topic,
        partition=batch.partition,
        offsets=pick(batch.offsets),
        timestamps=batch.timestamps[positions],
        keys=pick(batch.keys),
        values=pick(batch.values),
        headers=pick(batch.headers),
        leader_epoch=batch.leader_epoch,
    )
    times = None if opened.times is None else opened.times.take(pa.array(positions, pa.int64()))
    return part, Opened(payloads=pick(opened.payloads), headers=pick(opened.headers), times=times)


def _picker(positions: list[int]) -> Callable[[Sequence[Any]], list[Any]]:
    """Return what takes the elements at these positions out of a sequence, at once where there are several."""
    if len(positions) > 1:
        found = itemgetter(*positions)
        return lambda values: list(found(values))
    return lambda values: [values[i] for i in positions]
