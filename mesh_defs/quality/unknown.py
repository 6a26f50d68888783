"""Fields that events carry and their contract does not name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

from mesh_defs.contract.contract import InputContract
from mesh_defs.contract.types import Kind
from mesh_defs.decode.changes import MESSAGE
from mesh_defs.store import DomainStore
from mesh_defs.store.engine import quote
from mesh_defs.store.errors import translated

LOOK_BACK: Final = dt.timedelta(days=7)
"""How long a field counts as new: nobody looks every day."""

_NESTED: Final = frozenset([Kind.OBJECT, Kind.ARRAY, Kind.MAP])


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownFields:
    """What the last days brought.

    Attributes:
        row_count: Rows with such a field.
        names: Of the outermost such fields, each with its rows, the most frequent first.
    """

    row_count: int
    names: tuple[tuple[str, int], ...]


def unknown_fields(store: DomainStore, contract: InputContract, now: dt.datetime) -> UnknownFields:
    """Return the fields that rows of the last days carry and that the contract, as it is now, does not name.

    A field that the contract has taken up since is no longer told.

    Raises:
        StoreError: The store cannot be read.
    """
    named = [c.name for c in contract.columns if c.type.kind not in _NESTED]
    table = f"{quote(contract.domain)}.{quote(contract.name)}"
    fields = f"SELECT unnest(json_keys(_unknown)) AS name FROM {table}"  # noqa: S608 - quoted names
    recent = f"{fields} WHERE _unknown IS NOT NULL AND _ingested_at >= ?"
    if contract.has_changes:
        recent += f" AND _op <> '{MESSAGE}'"  # what a message says is no field of a row
    counted = f"SELECT name, count(*) FROM ({recent}) WHERE NOT list_contains(?::VARCHAR[], name)"  # noqa: S608
    sql = f"{counted} GROUP BY ALL ORDER BY 2 DESC, 1"
    with translated(f"read the unknown fields of {contract.full_name}"):
        rows = store.connection.execute(sql, [now - LOOK_BACK, named]).fetchall()
    names = tuple((str(name), int(count)) for name, count in rows)
    return UnknownFields(row_count=max((count for _, count in names), default=0), names=names)
