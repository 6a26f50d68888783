"""What an append with a cursor has taken in before: rows up to the table's greatest cursor, and dead letters."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mesh_defs.contract.arrow import arrow_type
from mesh_defs.contract.contract import RestContract
from mesh_defs.model.records import DeadLetter
from mesh_defs.store import DomainStore
from mesh_defs.store.engine import quote
from mesh_defs.store.errors import translated
from mesh_defs.store.layout import DEAD_LETTERS_TABLE
from mesh_defs.store.schema import table_name

_FETCHED = 10_000


@dataclass(slots=True, kw_only=True)
class Seen:
    """Tells new records from those of earlier loads.

    Attributes:
        cursor: The column.
        greatest: The greatest value of it in the table; null where the table is empty.
        told: How often each dead letter of a file stands in the store. A record that cannot be read has no cursor: it
            is known again by its bytes.
    """

    cursor: str
    greatest: pa.Scalar[Any]
    told: Counter[tuple[str | None, bytes]]

    def new_rows(self, rows: pa.RecordBatch) -> Sequence[int]:
        """Return the offsets of the rows above the cursor."""
        offsets = rows.column("_offset")
        if self.greatest.is_valid:
            above: Any = pc.greater(rows.column(self.cursor), self.greatest)
            offsets = offsets.filter(above)
        return [offset for offset in offsets.to_pylist() if offset is not None]

    def is_told(self, letter: DeadLetter) -> bool:
        """Say whether an earlier load told of a dead letter; each answer counts one of them off."""
        key = _key(letter.file, letter.value)
        if not self.told[key]:
            return False
        self.told[key] -= 1
        return True


def read_seen(store: DomainStore, contract: RestContract, cursor: str) -> Seen:
    """Return what the store holds of data at rest with a cursor.

    Raises:
        StoreError: The store cannot be read.
    """
    table, letters = table_name(store.domain, contract.name), table_name(store.domain, DEAD_LETTERS_TABLE)
    type_ = arrow_type(next(c.type for c in contract.columns if c.name == cursor))
    told: Counter[tuple[str | None, bytes]] = Counter()
    with translated(f"read the cursor of {contract.full_name}"):
        found = store.connection.execute(f"SELECT max({quote(cursor)}) AS greatest FROM {table}")  # noqa: S608
        greatest = found.to_arrow_table().column("greatest").combine_chunks().cast(type_)[0]
        rows = store.connection.execute(
            f"SELECT _file, _value FROM {letters} WHERE stream = ?",  # noqa: S608 - quoted names
            [contract.name],
        )
        while some := rows.fetchmany(_FETCHED):
            told.update(_key(file, value) for file, value in some)
    return Seen(cursor=cursor, greatest=greatest, told=told)


def _key(file: str | None, value: bytes | None) -> tuple[str | None, bytes]:
    return file, hashlib.blake2b(value or b"", digest_size=16).digest()
