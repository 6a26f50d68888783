"""What the soak found, as tables of Markdown: they are read in a terminal and in docs/faults.md alike."""

from __future__ import annotations

import datetime as dt
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import confluent_kafka
import duckdb

from mesh_defs.broker.local.lock import KAFKA_VERSION
from mesh_defs.store import connect_engine
from soaking import readers
from soaking.judge import Verdict

HEAD = ("lost", "duplicated", "torn", "non-monotonic", "unexplained", "reader errors")
SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A soak.

    Attributes:
        command: As it was typed.
        verdicts: One a stream.
        struck: How often each fault struck.
        asked: How often readers asked.
        maintained: What maintenance did.
        unknown: Records whose fate the broker never told their producer.
        troubles: What ended otherwise than it should, one line each.
    """

    command: str
    seed: int
    kills: int
    began: dt.datetime
    seconds: float
    verdicts: Sequence[Verdict]
    struck: Counter[str]
    asked: Counter[str]
    maintained: Counter[str]
    unknown: int
    troubles: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether there is a 0 in every column, and nothing ended as it should not."""
        return not any(n for verdict in self.verdicts for n in verdict.columns) and not self.troubles

    def page(self) -> str:
        """Return it for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        day = self.began.date().isoformat()
        yield f"`{self.command}`, {day}, seed {self.seed}, {self.seconds / 60:.0f} minutes; {versions()}."
        yield ""
        yield from _table(("stream", *HEAD), [(v.stream, *v.columns) for v in self.verdicts], total=True)
        yield ""
        head = (
            "stream",
            "acknowledged",
            "rows",
            "dead letters",
            "compacted away",
            "removed",
            "aborted",
            "commits",
        )
        yield from _table(
            head,
            [
                (
                    v.stream,
                    v.acknowledged,
                    v.rows,
                    v.dead_letters,
                    v.compacted,
                    v.removed,
                    v.aborted,
                    v.commits,
                )
                for v in self.verdicts
            ],
            total=True,
        )
        yield ""
        struck = sorted(self.struck.items(), key=lambda item: (not item[0].startswith("killed:"), item[0]))
        kills = [("all kills of processes of the mesh", self.kills)]
        yield from _table(("fault", "struck"), [*[(n, c) for n, c in struck if c], *kills])
        yield ""
        done = ", ".join(
            f"{name.replace('_', ' ')} {count:,}"
            for name, count in sorted(self.maintained.items())
            if name != "round"
        )
        yield f"Maintenance came to the end of {self.maintained['round']:,} rounds, which counted: {done}."
        yield (
            f"Readers compared tables, ledger and offsets {self.asked[readers.ASKED]:,} times in one snapshot each; "
            f"{self.asked[readers.OVERTAKEN]:,} transactions outlived the time for which their files are promised. "
            f"The broker never told the fate of {self.unknown:,} records."
        )
        findings = [line for verdict in self.verdicts for line in verdict.found] + list(self.troubles)
        if findings:
            yield ""
            yield from findings[:SHOWN]
            yield f"{len(findings)} findings"


def versions() -> str:
    """Return what took part, with versions."""
    con = connect_engine()
    try:
        row = con.execute(
            "SELECT extension_version FROM duckdb_extensions() WHERE extension_name = 'ducklake'"
        ).fetchone()
    finally:
        con.close()
    return (
        f"Python {platform.python_version()}, DuckDB {duckdb.__version__}, DuckLake {row[0] if row else '?'}, "
        f"Apache Kafka {KAFKA_VERSION}, confluent-kafka {confluent_kafka.__version__}"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, total: bool = False) -> Iterator[str]:
    lines = [[_cell(value) for value in row] for row in rows]
    if total:
        sums = [sum(int(str(row[i]).replace(",", "")) for row in lines) for i in range(1, len(head))]
        lines.append(["total", *[f"{n:,}" for n in sums]])
    widths = [max(len(line[i]) for line in [list(head), *lines]) for i in range(len(head))]
    yield "| " + " | ".join(word.ljust(width) for word, width in zip(head, widths, strict=True)) + " |"
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    yield "| " + " | ".join(rule) + " |"
    for line in lines:
        cells = [line[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(line[1:], widths[1:], strict=True))]
        yield "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
