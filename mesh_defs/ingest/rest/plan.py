"""What a load would take in: the source as it is now, against what was loaded before."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh_defs.contract.choices import LoadMode
from mesh_defs.contract.contract import RestContract
from mesh_defs.contract.types import Column, ColumnType
from mesh_defs.ingest.rest.files import Hashes, SourceFile, find_files
from mesh_defs.model.errors import SourceChangedError
from mesh_defs.store import LoadedFile


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What a load takes in.

    Attributes:
        number: The load's, from 1.
        files: Empty where there is nothing new.
        live_from: The first offset of the loads whose rows are in the table; None before the first load.
        contract_hash: Of what the contract says of columns and files.
    """

    number: int
    files: tuple[SourceFile, ...]
    live_from: int | None
    contract_hash: str


def plan_load(root: Path, contract: RestContract, loads: tuple[LoadedFile, ...], hashes: Hashes) -> LoadPlan:
    """Compare the source with what was loaded.

    A snapshot is loaded anew, whole, when a file changed, came or went, or the contract says something else of columns
    or files. An append takes in files that it does not know, and with a cursor those that changed.

    Args:
        root: The project's root.
        contract: Of the data at rest.
        loads: Every load so far, in order.
        hashes: Of the files.

    Raises:
        SourceMissingError: The file is not there.
        SourceUnreadableError: A file cannot be looked at.
        SourceChangedError: A file changed after an append without a cursor took it in.
    """
    found = find_files(root, contract)
    live = _live(loads)
    says = contract_hash(contract)
    if contract.load is LoadMode.SNAPSHOT:
        files = found if _snapshot_is_stale(contract, found, live, hashes, says) else ()
    else:
        files = _appended(contract, found, {f.path: f for f in live}, hashes)
    return LoadPlan(
        number=1 + max((f.load for f in loads), default=0),
        files=files,
        live_from=min((f.from_offset for f in live), default=None),
        contract_hash=says,
    )


def contract_hash(contract: RestContract) -> str:
    """Return a hash of all that decides what a file's rows become; words for people are no part of it."""
    said = (
        tuple(map(_shape, contract.columns)),
        contract.format,
        contract.delimiter,
        contract.null_text,
        contract.event_time,
        contract.event_id,
        str(contract.on_unknown_field),
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def _live(loads: tuple[LoadedFile, ...]) -> tuple[LoadedFile, ...]:
    """Return the loads whose rows the table holds: the last snapshot's, and what was appended since."""
    last = max((f.load for f in loads if f.mode == LoadMode.SNAPSHOT), default=0)
    return tuple(f for f in loads if f.load >= last)


def _snapshot_is_stale(
    contract: RestContract,
    found: tuple[SourceFile, ...],
    live: tuple[LoadedFile, ...],
    hashes: Hashes,
    says: str,
) -> bool:
    known = {f.path: f for f in live}
    if any(f.mode != LoadMode.SNAPSHOT for f in live) or {f.name for f in found} != known.keys():
        return True
    return any(
        known[f.name].contract_hash != says or hashes.differs(contract, f, known[f.name]) for f in found
    )


def _appended(
    contract: RestContract, found: tuple[SourceFile, ...], known: Mapping[str, LoadedFile], hashes: Hashes
) -> tuple[SourceFile, ...]:
    changed = [f for f in found if f.name in known and hashes.differs(contract, f, known[f.name])]
    if changed and contract.cursor is None:
        raise SourceChangedError(
            cannot=f"append to {contract.full_name}",
            why=f"{changed[0].name} changed after it was loaded, and nothing tells its new rows from the old ones",
            do="bring new rows in new files, say `cursor` in the contract, or `load: snapshot`",
        )
    return tuple(f for f in found if f.name not in known or f in changed)


def _shape(column: Column) -> tuple[object, ...]:
    return (column.name, column.required, _type_shape(column.type))


def _type_shape(type_: ColumnType) -> tuple[object, ...]:
    return (
        str(type_.kind),
        type_.precision,
        type_.scale,
        type_.timezone,
        str(type_.encoding),
        tuple(map(_shape, type_.fields)),
        _shape(type_.item) if type_.item else None,
        _type_shape(type_.key) if type_.key else None,
        _type_shape(type_.value) if type_.value else None,
        repr(type_.limits),
    )
