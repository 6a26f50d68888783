"""Whether a commit adds up before it happens: its files hold what its ledger entries account for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mesh_defs.model.corrections import PartitionReversal
from mesh_defs.model.records import Commit, PartitionAdvance
from mesh_defs.store.layout import DEAD_LETTERS_TABLE, LOADS_TABLE


def problems(commit: Commit, data_folder: Path) -> Iterator[str]:
    """Yield what does not add up in a commit; each would break an invariant that no later check could mend."""
    loads = any(file.table == LOADS_TABLE for file in commit.files)
    if not any((commit.starts, commit.advances, commit.reversals, commit.expiries, commit.acknowledgements)):
        yield "it moves no partition"
    counts = Counter((a.stream, a.epoch, a.partition) for a in commit.advances)
    for key in (key for key, count in counts.items() if count > 1):
        yield f"it moves {key[0]}[{key[2]}] more than once"
    for advance in commit.advances:
        yield from _advance_problems(advance, may_be_empty=loads)
    for reversal in commit.reversals:
        yield from _reversal_problems(reversal)
    for file in commit.files:
        if file.path.parent != data_folder / "main" / file.table:
            yield f"{file.path} lies outside its table's folder"
        elif not file.path.is_file():
            yield f"{file.path} does not exist"
    dead = sum(f.row_count for f in commit.files if f.table == DEAD_LETTERS_TABLE)
    rows = sum(f.row_count for f in commit.files if f.table not in {DEAD_LETTERS_TABLE, LOADS_TABLE})
    moved = sum(len(r.offsets) for r in commit.reversals)
    claimed = (
        sum(a.row_count for a in commit.advances) + moved,
        sum(a.dead_letter_count for a in commit.advances),
    )
    if (rows, dead) != claimed:
        yield (
            f"its files hold {rows} rows and {dead} dead letters, its ledger entries "
            f"{claimed[0]} and {claimed[1]}"
        )


def _advance_problems(advance: PartitionAdvance, *, may_be_empty: bool) -> Iterator[str]:
    where = f"{advance.stream}[{advance.partition}] {advance.from_offset} to {advance.to_offset}"
    empty = advance.from_offset == advance.to_offset
    if not 0 <= advance.from_offset <= advance.to_offset or (empty and not may_be_empty):
        yield f"{where} is no range"
    position = advance.from_offset
    for gap in advance.gaps:
        if not position <= gap.from_offset < gap.to_offset <= advance.to_offset:
            yield f"{where} has a gap {gap.from_offset} to {gap.to_offset} out of order or range"
        position = gap.to_offset
    gaps = sum(gap.to_offset - gap.from_offset for gap in advance.gaps)
    accounted = advance.row_count + advance.dead_letter_count + gaps
    if accounted != advance.to_offset - advance.from_offset:
        yield f"{where} accounts for {accounted} of {advance.to_offset - advance.from_offset} offsets"


def _reversal_problems(reversal: PartitionReversal) -> Iterator[str]:
    where = f"{reversal.stream}[{reversal.partition}] {reversal.from_offset} to {reversal.to_offset}"
    offsets = reversal.offsets
    if not offsets or sorted(set(offsets)) != list(offsets):
        yield f"{where} takes back no dead letters, or one twice"
    elif not reversal.from_offset <= offsets[0] <= offsets[-1] < reversal.to_offset:
        yield f"{where} takes back dead letters outside its range"
