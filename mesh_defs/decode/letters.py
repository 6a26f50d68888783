"""Dead letters: of a record, and as rows of the domain's table of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from mesh_defs.contract.arrow import DEAD_LETTERS, INSTANT
from mesh_defs.contract.contract import InputContract
from mesh_defs.decode.platform import (
    FIRST_MILLISECOND,
    LAST_MILLISECOND,
    headers_array,
    timestamps_array,
)
from mesh_defs.decode.refusal import Refusal
from mesh_defs.model.records import DeadLetter, RawBatch


def dead_letters_table(
    contract: InputContract, letters: Sequence[DeadLetter], epoch: int, ingested_at: int
) -> pa.RecordBatch:
    """Return dead letters under `contract.arrow.DEAD_LETTERS`, in their order.

    Args:
        contract: Of their stream.
        letters: Key, value and headers are stored byte for byte, as they were handed out.
        epoch: Of the stream.
        ingested_at: Microseconds since the epoch.
    """
    count = len(letters)
    columns: list[Any] = [
        pa.repeat(pa.scalar(contract.stream_name), count),
        pa.repeat(pa.scalar(epoch, pa.int32()), count),
        pa.array([letter.partition for letter in letters], pa.int32()),
        pa.array([letter.offset for letter in letters], pa.int64()),
        timestamps_array([_storable(letter.timestamp) for letter in letters]),
        pa.array([letter.stage.value for letter in letters], pa.string()),
        pa.array([letter.rule for letter in letters], pa.string()),
        pa.array([letter.path for letter in letters], pa.string()),
        pa.array([letter.message for letter in letters], pa.string()),
        pa.array([letter.key for letter in letters], pa.binary()),
        pa.array([letter.value for letter in letters], pa.binary()),
        headers_array([letter.headers for letter in letters]),
        pa.repeat(pa.scalar(contract.version), count),
        pa.repeat(pa.scalar(ingested_at, INSTANT), count),
        pa.array([letter.file for letter in letters], pa.string()),
        pa.array([letter.line for letter in letters], pa.int64()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=DEAD_LETTERS)


def letter_of(batch: RawBatch, index: int, refusal: Refusal) -> DeadLetter:
    """Return the dead letter of a batch's record: whole, with what is wrong."""
    return DeadLetter(
        index=index,
        partition=batch.partition,
        offset=batch.offsets[index],
        timestamp=int(batch.timestamps[index]),
        stage=refusal.stage,
        rule=refusal.rule,
        path=f"${refusal.path}",
        message=refusal.message,
        key=batch.keys[index],
        value=batch.values[index],
        headers=batch.headers[index],
        file=None if batch.lines is None else batch.topic,
        line=None if batch.lines is None else batch.lines[index],
    )


def _storable(timestamp: int) -> int:
    # A timestamp that no column holds is told in the letter's message.
    return timestamp if FIRST_MILLISECOND <= timestamp <= LAST_MILLISECOND else -1
