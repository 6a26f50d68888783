"""Builders of contracts and batches for the decoder's tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mesh_defs.contract.choices import EventKind
from mesh_defs.contract.contract import StreamContract
from mesh_defs.contract.types import Column, ColumnType, Kind
from mesh_defs.decode import decoder_for
from mesh_defs.model.records import DeadLetter, Headers, RawBatch, TypedBatch

FIRST_OFFSET = 10
INGESTED_AT = 1_700_000_000_000_000


def column(name: str, kind: Kind, *, required: bool = False, **options: Any) -> Column:
    """Return a column; `options` are the type's."""
    return Column(name=name, type=ColumnType(kind=kind, **options), required=required)


def stream(*columns: Column, **options: Any) -> StreamContract:
    """Return the contract of a JSON stream."""
    defaults: dict[str, Any] = {
        "domain": "shop",
        "name": "orders",
        "id": "shop.orders",
        "version": "1.0.0",
        "status": "active",
        "title": "Orders",
        "description": "",
        "path": Path("orders.odcs.yaml"),
        "topic": "shop.orders.v1",
        "server": "main",
        "server_host": None,
        "format": "json",
        "event_kind": EventKind.DELTA,
    }
    return StreamContract(columns=columns, **(defaults | options))


def batch(
    *values: str | bytes | None,
    keys: Sequence[bytes | None] | None = None,
    headers: Sequence[Headers | None] | None = None,
    timestamps: Sequence[int] | None = None,
) -> RawBatch:
    """Return a batch of partition 3, from `FIRST_OFFSET` on."""
    count = len(values)
    return RawBatch(
        topic="shop.orders.v1",
        partition=3,
        offsets=range(FIRST_OFFSET, FIRST_OFFSET + count),
        timestamps=np.array(timestamps or [1_000] * count, np.int64),
        keys=list(keys or [None] * count),
        values=[v.encode() if isinstance(v, str) else v for v in values],
        headers=list(headers or [None] * count),
    )


def decoded(contract: StreamContract, records: RawBatch) -> TypedBatch:
    """Return the decoded batch, its rows valid Arrow under the table's schema, its account complete."""
    typed = decoder_for(contract).decode(records, epoch=2, ingested_at=INGESTED_AT)
    typed.rows.validate(full=True)
    offsets = typed.rows["_offset"].to_pylist()
    assert sorted([*offsets, *(letter.offset for letter in typed.dead_letters)]) == list(records.offsets)
    assert offsets == sorted(offsets)
    return typed


def rows(contract: StreamContract, *values: str | bytes | None, **options: Any) -> list[dict[str, Any]]:
    """Return the rows of a batch that has no dead letters."""
    typed = decoded(contract, batch(*values, **options))
    assert [(letter.rule, letter.path) for letter in typed.dead_letters] == []
    return typed.rows.to_pylist()


def letter(contract: StreamContract, value: str | bytes, **options: Any) -> DeadLetter:
    """Return the dead letter that a single record becomes."""
    typed = decoded(contract, batch(value, **options))
    assert typed.rows.num_rows == 0
    (found,) = typed.dead_letters
    return found
