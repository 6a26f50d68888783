"""Whether what came since the last verification holds, without reading what was verified before.

This only ever says yes. Where anything is not as it should be, or the mark does not fit the store, the caller recounts
everything, so that one piece of code finds and names violations, and the two can never tell different things.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mesh_defs.store.account import Account, accounts_of, check_claims
from mesh_defs.store.files import damaged_files
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LEDGER, LOADS_TABLE
from mesh_defs.store.ledger import LedgerEntry, read_entries
from mesh_defs.store.loads import check_loads, has_loads
from mesh_defs.store.marks import PartitionMark, StreamMark
from mesh_defs.store.offsets import HASH_MODULUS, PartitionOffsets, StreamOffsets
from mesh_defs.store.prints import Prints, ledger_prints
from mesh_defs.store.schema import stored_columns
from mesh_defs.store.window import Part, Place, parts_hold

Key = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Increment:
    """What was verified now: up to where, and how many offsets were looked at for it."""

    mark: StreamMark
    offsets: int


def advance(place: Place, known: StreamOffsets, mark: StreamMark) -> Increment | None:
    """Verify what the ledger says since `mark`; None where that cannot be vouched for.

    1. The ledger's old entries are those that were verified, by their number and the sum of their hashes.
    2. The new ones follow them, add up, and lead to the offsets and the running totals.
    3. Their rows and dead letters are there, each once; so are those of old entries that a correction touched.
    4. The catalog counts as many rows in all as the ledger says, and every file is there, with its size. Whether old
       rows are still in their files is not looked at.

    Raises:
        duckdb.Error: The catalog or a table cannot be read.
        StoreError: The ledger cannot be read.
    """
    con, domain, stream = place.con, place.domain, place.stream
    if (mark.identity, mark.epoch, mark.tables) != (known.identity, known.epoch, place.tables):
        return None
    if any(stored_columns(con, domain, table) is None for table in place.tables) or _damaged(place):
        return None
    prints = ledger_prints(con, domain, stream, {key: m.next for key, m in mark.partitions.items()})
    if not all(prints.get(key, Prints()).continues(m) for key, m in mark.partitions.items()):
        return None
    found = _parts(place, known, mark, prints)
    if found is None or not parts_hold(place, found):
        return None
    partitions = {(p.account.epoch, p.account.partition): p.mark for p in found}
    looked = sum(e.to_offset - e.from_offset for p in found for e in p.entries)
    return Increment(mark=replace(mark, partitions=partitions), offsets=looked)


def begin(place: Place, known: StreamOffsets, accounts: Sequence[Account]) -> StreamMark:
    """Return the mark of a stream that was recounted as a whole and holds.

    Raises:
        duckdb.Error: The catalog cannot be read.
    """
    prints = ledger_prints(place.con, place.domain, place.stream, {})
    partitions = {}
    for account in accounts:
        key = (account.epoch, account.partition)
        nothing = PartitionMark(start=account.start, next=account.start)
        partitions[key] = _grown(nothing, account, account.entries, prints.get(key, Prints()))
    return StreamMark(identity=known.identity, epoch=known.epoch, tables=place.tables, partitions=partitions)


def _parts(
    place: Place, known: StreamOffsets, mark: StreamMark, prints: Mapping[Key, Prints]
) -> list[Part] | None:
    """Return what is to be looked at; None where the ledger's new entries do not hold by themselves."""
    con, domain, stream = place.con, place.domain, place.stream
    # A correction may be about any old entry: then all entries are read, though not their rows.
    corrected = any(p.corrects(mark.partitions.get(key)) for key, p in prints.items())
    whole = corrected or has_loads(con, domain, stream)
    accounts = accounts_of(
        stream, known, read_entries(con, domain, stream, "true" if whole else _since(mark))
    )
    if mark.partitions.keys() - {(a.epoch, a.partition) for a in accounts}:
        return None
    if whole and any(check_loads(con, domain, accounts)):
        return None
    parts = [_part(a, mark.partitions.get((a.epoch, a.partition)), prints, whole=whole) for a in accounts]
    found = [part for part in parts if part is not None]
    return found if len(found) == len(parts) else None


def _damaged(place: Place) -> bool:
    tables = (LEDGER, DEAD_LETTERS_TABLE, LOADS_TABLE, *place.tables)
    return any(damaged_files(place.con, place.domain, table, deep=False) for table in tables)


def _since(mark: StreamMark) -> str:
    """Return which ledger entries came since, as far as they are no corrections."""
    old = [
        f"(epoch = {epoch} AND partition = {partition} AND to_offset <= {found.next})"
        for (epoch, partition), found in mark.partitions.items()
    ]
    return f"NOT ({' OR '.join(['false', *old])}) AND removed_count = 0 AND dead_letter_count >= 0"


def _part(
    account: Account, mark: PartitionMark | None, prints: Mapping[Key, Prints], *, whole: bool
) -> Part | None:
    """Return what is to be looked at of a partition; None where its claims do not hold.

    With `whole` the account has all entries of the ledger, else only those since the mark.
    """
    before = mark or PartitionMark(start=account.start, next=account.start)
    own = prints.get((account.epoch, account.partition), Prints())
    claimed = account if whole else replace(account, start=before.next, totals=None)
    if before.start != account.start or any(check_claims(claimed)) or not account.tells_which:
        return None
    base = replace(PartitionMark(start=account.start, next=account.start), broker=before.broker)
    fresh = _grown(base if whole else before, account, account.entries, own)
    if account.totals is not None and not _agrees(fresh, account.totals):
        return None
    entries = _touched(account, before, corrected=own.corrects(mark)) if whole else account.entries
    return Part(account=account, entries=tuple(e for e in entries if e.from_offset < e.to_offset), mark=fresh)


def _touched(account: Account, before: PartitionMark, *, corrected: bool) -> Iterator[LedgerEntry]:
    """Yield the entries since a mark, and the older ones that corrections may have touched since."""
    spans = {(r.from_offset, r.to_offset) for r in account.reversals}
    for entry in account.entries:
        reversed_ = (entry.from_offset, entry.to_offset) in spans
        removed = account.rows_left(entry) != entry.row_count
        if entry.from_offset >= before.next or (corrected and (reversed_ or removed)):
            yield entry


def _grown(
    mark: PartitionMark, account: Account, entries: Sequence[LedgerEntry], prints: Prints
) -> PartitionMark:
    """Return a mark after more entries."""
    spans = {"skipped": mark.skipped, "lost": mark.lost}
    for gap in (gap for entry in entries for gap in entry.gaps):
        spans[gap.kind] += gap.to_offset - gap.from_offset
    return replace(
        mark,
        next=account.next,
        entries=prints.entries,
        digest=prints.digest,
        corrections=prints.corrections,
        corrections_digest=prints.corrections_digest,
        rows=mark.rows + sum(e.row_count for e in entries),
        dead_letters=mark.dead_letters + sum(e.dead_letter_count for e in entries),
        skipped=spans["skipped"],
        lost=spans["lost"],
        removed=mark.removed + account.removed,
        content_hash=(mark.content_hash + sum(e.content_hash for e in entries)) % HASH_MODULUS,
    )


def _agrees(mark: PartitionMark, totals: PartitionOffsets) -> bool:
    names = ("rows", "dead_letters", "skipped", "lost", "removed", "content_hash")
    return all(getattr(mark, name) == getattr(totals, name) for name in names)
