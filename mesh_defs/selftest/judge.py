"""Whether the store holds exactly what was produced: row by row, byte by byte, and by its own account."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from mesh_defs.consistency import verify_domain
from mesh_defs.contract.project import Project
from mesh_defs.query import Mesh
from mesh_defs.selftest.events import DOMAIN, STREAM, Coordinates, Produced, is_bad, row_of, value_of
from mesh_defs.store import DomainStore

_ROWS: Final = (
    f"SELECT _partition, _offset, number, amount::VARCHAR, _tombstone, _key, _unknown FROM {DOMAIN}.{STREAM}"  # noqa: S608
)
_LETTERS: Final = f"SELECT _partition, _offset, _value FROM {DOMAIN}.dead_letters"  # noqa: S608
_COMMITS: Final = f"SELECT count(DISTINCT (writer, committed_at)) FROM {DOMAIN}.ledger"  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the store holds against what was produced.

    Attributes:
        rows: Rows of the table, tombstones included.
        in_gaps: Offsets recorded as gaps: transaction markers and aborted records.
        lost: Records that are neither a row nor a dead letter.
        twice: Rows and dead letters beyond the first of their coordinates.
        altered: Records that are stored otherwise than they were produced.
        foreign: Rows and dead letters of records that nobody may see: those of aborted transactions.
        commits: Commits that the ledger tells of.
        violations: What `mesh ledger verify --full` would name.
    """

    rows: int
    dead_letters: int
    in_gaps: int
    lost: int
    twice: int
    altered: int
    foreign: int
    commits: int
    violations: tuple[str, ...]


def judge(project: Project, produced: Produced) -> Verdict:
    """Compare the store with what was produced, and the ledger with both and with the broker.

    Raises:
        StoreError: The store cannot be read.
        BrokerError: The broker does not answer.
    """
    with Mesh.open(project) as mesh:
        rows = mesh.query(_ROWS).fetchall()
        letters = mesh.query(_LETTERS).fetchall()
        (commits,) = mesh.query(_COMMITS).fetchall()[0]
    seen: Counter[Coordinates] = Counter()
    altered = foreign = 0
    for partition, offset, *stored in [*rows, *letters]:
        seen[partition, offset] += 1
        number = produced.numbers.get((partition, offset))
        if number is None:
            foreign += 1
        elif tuple(stored) != ((value_of(number),) if is_bad(number) else row_of(number)):
            altered += 1
    results = verify_domain(project, project.domain(DOMAIN), full=True)
    return Verdict(
        rows=len(rows),
        dead_letters=len(letters),
        in_gaps=sum(r.in_gaps for r in results),
        lost=sum(where not in seen for where in produced.numbers),
        twice=sum(seen.values()) - len(seen),
        altered=altered,
        foreign=foreign,
        commits=commits,
        violations=tuple(v.message for r in results for v in r.violations),
    )


def ends(project: Project) -> dict[int, int]:
    """Return the store's next offsets, by partition; empty where there are none yet."""
    folder = project.data_folder(DOMAIN)
    if not DomainStore.exists(folder):
        return {}
    with DomainStore.open(folder, DOMAIN, read_only=True) as store:
        stored = store.offsets().streams.get(STREAM)
    return {p: state.next_offset for p, state in stored.partitions.items()} if stored else {}
