"""What the self-test found, in numbers and in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTestReport:
    """What was done, and whether everything holds.

    Attributes:
        produced: Records whose production the broker acknowledged, those of aborted transactions left out.
        aborted: Records in transactions that were aborted.
        rows: Rows stored, tombstones included.
        in_gaps: Offsets recorded as gaps.
        lost: Produced records that are neither a row nor a dead letter.
        twice: Rows and dead letters too many.
        altered: Records stored otherwise than they were produced.
        foreign: Aborted records that are seen.
        backwards: How often a partition's next offset fell after a kill.
        kills_at_steps: SIGKILLs just before a numbered step of a commit.
        kills_at_random: SIGKILLs at a random instant of a pass.
        kills_of_maintenance: SIGKILLs just before a transaction of maintenance.
        passes: Passes that were begun, killed ones included.
        maintenance: Rounds of maintenance that were begun, killed ones included.
        commits: Commits of the ledger.
        violations: What the verification of the ledger names.
        troubles: Children that ended otherwise than by their end or by the kill.
        seconds: How long it took.
        folder: The scratch project, where it was kept.
    """

    produced: int
    good: int
    bad: int
    tombstones: int
    aborted: int
    rows: int
    dead_letters: int
    in_gaps: int
    lost: int
    twice: int
    altered: int
    foreign: int
    backwards: int
    kills_at_steps: int
    kills_at_random: int
    kills_of_maintenance: int
    passes: int
    maintenance: int
    commits: int
    violations: tuple[str, ...]
    troubles: tuple[str, ...]
    seconds: float
    folder: Path | None

    @property
    def kills(self) -> int:
        """All SIGKILLs that struck."""
        return self.kills_at_steps + self.kills_at_random + self.kills_of_maintenance

    @property
    def holds(self) -> bool:
        """Whether everything that the mesh promises held."""
        wrong = (self.lost, self.twice, self.altered, self.foreign, self.backwards)
        complete = self.rows == self.good + self.tombstones and self.dead_letters == self.bad
        return complete and not any(wrong) and not self.violations and not self.troubles

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        folder = str(self.folder) if self.folder else None
        return {"holds": self.holds, "kills": self.kills} | asdict(self) | {"folder": folder}

    def page(self) -> str:
        """Return it for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        verdict = "everything holds" if self.holds else "SOMETHING DOES NOT HOLD"
        yield f"Self-test: {verdict}."
        yield ""
        yield "A real Kafka on this machine was given known events, and ingest was killed while it landed them."
        yield ""
        kinds = f"{self.good:,} good, {self.bad:,} bad, {self.tombstones:,} tombstones"
        yield f"  {self.produced:>8,}  records produced: {kinds}"
        yield f"  {self.aborted:>8,}  more in transactions that were aborted: nobody may see them"
        yield f"  {self.kills:>8,}  kills with SIGKILL: {self._kills()}"
        yield f"  {self.passes:>8,}  passes begun, {self.maintenance:,} rounds of maintenance between them"
        yield f"  {self.commits:>8,}  commits, by the ledger"
        yield ""
        yield f"  {self.rows:>8,}  rows stored, tombstones among them"
        yield f"  {self.dead_letters:>8,}  dead letters, byte for byte what was produced"
        yield f"  {self.in_gaps:>8,}  offsets recorded as gaps: aborted records and transaction markers"
        yield ""
        yield f"  {self.lost:>8,}  lost"
        yield f"  {self.twice:>8,}  stored twice"
        yield f"  {self.altered:>8,}  stored otherwise than produced"
        yield f"  {self.foreign:>8,}  aborted records seen"
        yield f"  {self.backwards:>8,}  times an offset went backwards"
        yield f"  {len(self.violations):>8,}  holes found by the verification of the ledger against tables and broker"
        yield ""
        yield from (f"  {text}" for text in (*self.violations[:5], *self.troubles[:5]))
        yield f"It took {self.seconds:.0f} s." + (
            f" The project is kept in {self.folder}" if self.folder else ""
        )

    def _kills(self) -> str:
        return (
            f"{self.kills_at_steps} just before a numbered step of a commit, {self.kills_at_random} at a random "
            f"instant, {self.kills_of_maintenance} in maintenance"
        )
