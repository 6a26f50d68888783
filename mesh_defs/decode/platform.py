"""The platform's own columns: where a record stood, and what is said about the event."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.arrow import HEADERS, INSTANT
from mesh_defs.contract.contract import COORDINATES, InputContract
from mesh_defs.contract.types import Kind
from mesh_defs.decode.changes import Change, change_columns, change_times
from mesh_defs.decode.columns.base import Array
from mesh_defs.decode.columns.moments import FIRST_MICROSECOND, LAST_MICROSECOND
from mesh_defs.model.errors import ContractError
from mesh_defs.model.records import Headers

_MILLIS: Final = pa.timestamp("ms", tz="UTC")
_NO_TIMESTAMP: Final = -1
FIRST_MILLISECOND: Final = -(-FIRST_MICROSECOND // 1000)
LAST_MILLISECOND: Final = LAST_MICROSECOND // 1000
_NESTED: Final = frozenset([Kind.OBJECT, Kind.ARRAY, Kind.MAP, Kind.JSON])


@dataclass(slots=True, kw_only=True)
class Rows:
    """The records of a batch that become rows, column-wise, and what their payloads said.

    Attributes:
        columns: The contract's columns.
        tombstones: Which rows are tombstones, or None where none is.
        unknown: What the contract does not name, or None where nothing is left over in any row.
        times: The event times that the envelope tells, or None where it tells none.
        schema_ids: The registry's numbers of the payloads' schemas, or None where no frame names one.
        changes: What change events say, None for a tombstone; or None where the stream holds no change events.
        lines: Where each record stood in its file, or None for records of a topic.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    timestamps: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Headers | None]
    columns: list[Array]
    tombstones: Sequence[bool] | None = None
    unknown: Sequence[str | None] | None = None
    times: Array | None = None
    schema_ids: Sequence[int | None] | None = None
    changes: Sequence[Change | None] | None = None
    lines: Sequence[int] | None = None

    @property
    def without_columns(self) -> Sequence[bool] | None:
        """Which rows say nothing of the contract's columns, or None where all do."""
        if self.changes is None:
            return self.tombstones
        return [change is None or not change.has_image for change in self.changes]


class PlatformColumns:
    """The platform's columns of one stream.

    Raises:
        ContractError: `eventId` or `eventTime` names a column that cannot be one.
    """

    def __init__(self, contract: InputContract) -> None:
        names = [column.name for column in contract.columns]
        self._raw = contract.retain_raw
        self._changes = contract.has_changes
        self._time = self._id = None
        if contract.event_time is not None:
            self._time = _position(contract, "eventTime", contract.event_time, names)
        if contract.event_id != COORDINATES:
            self._id = _position(contract, "eventId", contract.event_id, names)
            self._id_kind = contract.columns[self._id].type.kind
            if self._id_kind in _NESTED:
                raise ContractError(
                    cannot=f"decode {contract.full_name}",
                    why=f"eventId names {contract.event_id}, a column of nested values",
                    do="name a column of plain values, or say `coordinates`",
                )

    def of(self, rows: Rows, *, epoch: int, ingested_at: int) -> list[Array]:
        """Return the columns, in the order of `contract.arrow.platform_columns`."""
        count = len(rows.offsets)
        offsets = _offsets_array(rows.offsets)
        timestamps = timestamps_array(rows.timestamps)
        gone = None if rows.tombstones is None else pa.array(rows.tombstones, pa.bool_())
        silent = None if rows.without_columns is None else pa.array(rows.without_columns, pa.bool_())
        found = [
            pa.repeat(pa.scalar(rows.partition, pa.int32()), count),
            offsets,
            timestamps,
            pa.array(rows.keys, pa.binary()),
            headers_array(rows.headers),
            self._event_id(rows, offsets, silent),
            self._event_time(rows, timestamps, silent),
            pa.repeat(pa.scalar(epoch, pa.int32()), count),
            _ids_array(rows.schema_ids or [None] * count),
            pa.repeat(pa.scalar(ingested_at, INSTANT), count),
            pa.repeat(pa.scalar(value=False), count) if gone is None else gone,
            pa.nulls(count, pa.string()) if rows.unknown is None else pa.array(rows.unknown, pa.string()),
        ]
        if self._changes:
            found += change_columns(rows.changes or [None] * count)
        if self._raw:
            found.append(pa.array(rows.values, pa.binary()))
        if rows.lines is not None:
            found += [pa.repeat(pa.scalar(rows.topic), count), pa.array(rows.lines, pa.int64())]
        return found

    def _event_id(self, rows: Rows, offsets: Array, silent: Array | None) -> Array:
        if self._id is None:
            return _coordinates(rows, offsets)
        told = _text(rows.columns[self._id], self._id_kind)
        return told if silent is None else pc.if_else(silent, _coordinates(rows, offsets), told)

    def _event_time(self, rows: Rows, timestamps: Array, silent: Array | None) -> Array:
        if self._time is None:
            return _default_time(rows, timestamps)
        told = rows.columns[self._time]
        if told.type != INSTANT:
            told = told.cast(pa.timestamp("us")).cast(INSTANT)
        return told if silent is None else pc.if_else(silent, _default_time(rows, timestamps), told)


def timestamps_array(milliseconds: npt.ArrayLike) -> Array:
    """Return Kafka's timestamps, -1 as null; all others must be of the years 1 to 9999."""
    numbers = np.asarray(milliseconds, np.int64)
    array: Any = pa.array(numbers, mask=numbers == _NO_TIMESTAMP)
    return array.cast(_MILLIS).cast(INSTANT)  # type: ignore[no-any-return]


def _offsets_array(offsets: Sequence[int]) -> Array:
    if isinstance(offsets, range):
        return pa.array(np.arange(offsets.start, offsets.stop))
    return pa.array(offsets, pa.int64())


def _ids_array(ids: Sequence[int | None]) -> Array:
    """Return the numbers of schemas, which are one and the same in most batches."""
    if ids and ids.count(ids[0]) == len(ids):
        return pa.repeat(pa.scalar(ids[0], pa.int32()), len(ids))
    return pa.array(ids, pa.int32())


def headers_array(headers: Sequence[Headers | None]) -> Array:
    """Return headers as lists of (name, value) in their order; null where a record has none."""
    if not any(headers):
        return pa.nulls(len(headers), HEADERS)
    present = [h or () for h in headers]
    # One call unzips the headers of all records; an empty list has nothing to unzip.
    names, values = zip(*chain.from_iterable(present), strict=True)
    pairs = pa.StructArray.from_arrays(
        [
            pa.array(names, pa.string()),
            pa.array(values, pa.binary()),
        ],
        fields=list(HEADERS.value_type),
    )
    offsets = pa.array(accumulate(map(len, present), initial=0), pa.int32())
    missing = pa.array([not h for h in headers], pa.bool_())
    return pa.ListArray.from_arrays(offsets, pairs, type=HEADERS, mask=missing)


def _default_time(rows: Rows, timestamps: Array) -> Array:
    if rows.changes is not None:
        return pc.coalesce(change_times(rows.changes), timestamps)
    return timestamps if rows.times is None else pc.coalesce(rows.times, timestamps)


def _coordinates(rows: Rows, offsets: Array) -> Array:
    join: Any = pc.binary_join_element_wise
    if rows.lines is not None:
        lines = pa.array(rows.lines, pa.int64()).cast(pa.string())
        places: Array = join(f"{rows.topic}:", lines, "")
        return places
    found: Array = join(f"{rows.topic}/{rows.partition}/", offsets.cast(pa.string()), "")
    return found


def _text(array: Array, kind: Kind) -> Array:
    if kind is Kind.STRING:
        return array
    if kind is Kind.BYTES:
        values = [None if v is None else base64.b64encode(v).decode() for v in array.to_pylist()]
        return pa.array(values, pa.string())
    if kind in (Kind.UUID, Kind.TIME):
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _position(contract: InputContract, said: str, name: str, names: list[str]) -> int:
    if name not in names:
        raise ContractError(
            cannot=f"decode {contract.full_name}",
            why=f"{said} names {name}, which is no column",
            do=f"name one of {', '.join(names)}",
        )
    return names.index(name)
