"""Stored dead letters as the raw batches that they were."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.records import Headers, RawBatch
from mesh_defs.store import DomainStore
from mesh_defs.store.errors import translated
from mesh_defs.store.layout import DEAD_LETTERS_TABLE
from mesh_defs.store.schema import table_name

SPAN_BYTES: Final = 64 << 20
"""Bytes of values that are held in memory at once."""

NO_TIMESTAMP: Final = -1

_AS_THEY_WERE: Final = "(rule IS DISTINCT FROM 'timestamp_range' OR _timestamp IS NOT NULL)"
"""Not so are records whose own timestamp no column holds; a change's time may break the same rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterSpan:
    """Dead letters of one partition: those at [from_offset, to_offset)."""

    epoch: int
    partition: int
    from_offset: int
    to_offset: int


def letter_spans(store: DomainStore, stream: str, count: int) -> Iterator[LetterSpan]:
    """Yield spans that cover all dead letters of a stream which can be had back as they were.

    Args:
        store: The domain's.
        stream: Its name.
        count: Letters a span at most; fewer where they are large.

    Raises:
        StoreError: The table cannot be read.
    """
    with translated(f"list the dead letters of {store.domain}.{stream}"):
        places = store.connection.execute(
            "SELECT _epoch, _partition, _offset, coalesce(octet_length(_value), 0) "  # noqa: S608 - quoted
            f"FROM {table_name(store.domain, DEAD_LETTERS_TABLE)} "
            f"WHERE stream = ? AND {_AS_THEY_WERE} ORDER BY ALL",
            [stream],
        ).fetchall()
    begin = size = 0
    for index, (epoch, partition, offset, length) in enumerate(places):
        size += length
        ahead = places[index + 1] if index + 1 < len(places) else None
        full = index + 1 - begin >= count or size >= SPAN_BYTES
        if full or ahead is None or ahead[:2] != (epoch, partition):
            yield LetterSpan(
                epoch=epoch, partition=partition, from_offset=places[begin][2], to_offset=offset + 1
            )
            begin, size = index + 1, 0


def read_letters(store: DomainStore, contract: StreamContract, span: LetterSpan, *, above: int) -> RawBatch:
    """Return the dead letters of a span as the broker handed them out.

    Args:
        store: The domain's.
        contract: Of the stream.
        span: Which ones.
        above: Those below this offset are left out.

    Raises:
        StoreError: The table cannot be read.
    """
    with translated(f"read the dead letters of {contract.full_name}"):
        rows = store.connection.execute(
            "SELECT _offset, epoch_ms(_timestamp), _key, _value, _headers "  # noqa: S608 - quoted
            f"FROM {table_name(store.domain, DEAD_LETTERS_TABLE)} "
            "WHERE stream = ? AND _epoch = ? AND _partition = ? AND _offset >= ? AND _offset < ? "
            f"AND {_AS_THEY_WERE} ORDER BY _offset",
            [
                contract.name,
                span.epoch,
                span.partition,
                max(span.from_offset, above),
                span.to_offset,
            ],
        ).fetchall()
    return RawBatch(
        topic=contract.topic,
        partition=span.partition,
        offsets=[row[0] for row in rows],
        timestamps=np.array([NO_TIMESTAMP if row[1] is None else row[1] for row in rows], np.int64),
        keys=[row[2] for row in rows],
        values=[row[3] for row in rows],
        headers=[_headers(row[4]) for row in rows],
    )


def _headers(stored: list[dict[str, Any]] | None) -> Headers | None:
    return None if stored is None else [(header["name"], header["value"]) for header in stored]
