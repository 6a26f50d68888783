"""What a run of `bench/day.py` found, as a table and as a plot."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

Sample = dict[str, Any]
Value = Callable[[Sample], float]

HOUR = 3_600
MB = 1e6
WIDTH, HEIGHT = 860, 190
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 30, 30
COLOURS = ("#1f5fa8", "#c2571a", "#3c8a3c")
STYLE = (
    "text{font:12px sans-serif;fill:#333} .title{font-weight:bold} "
    ".grid{stroke:#ddd} .line{fill:none;stroke-width:1.5}"
)


@dataclass(frozen=True)
class Column:
    """A column of the table: its name, what it takes from a sample, and how it writes it."""

    name: str
    value: Value
    form: str = ",.0f"


@dataclass(frozen=True)
class Panel:
    """A part of the plot: its title and its lines by name."""

    title: str
    lines: dict[str, Value]


def live(sample: Sample) -> float:
    """Return the files that the newest snapshot reads."""
    return float(sum(sample["live_files"].values()))


COLUMNS = (
    Column("in the lock, ms p50", lambda s: s["inside_ms"][0], ".1f"),
    Column("p95", lambda s: s["inside_ms"][1], ".1f"),
    Column("whole tick, ms p50", lambda s: s["whole_ms"][0], ".1f"),
    Column("p95", lambda s: s["whole_ms"][1], ".1f"),
    Column("live files", live),
    Column("files on disk", lambda s: s["files"]),
    Column("data, MB", lambda s: s["data_bytes"] / MB, ".1f"),
    Column("catalogue, MB", lambda s: s["catalog_bytes"] / MB, ".1f"),
    Column("WAL, MB", lambda s: s["wal_bytes"] / MB, ".1f"),
    Column("snapshots", lambda s: s["snapshots"]),
    Column("Dagster, MB", lambda s: s["dagster_bytes"] / MB, ".1f"),
    Column("writer, MB", lambda s: s["writer_bytes"] / MB),
)

PANELS = (
    Panel(
        "A commit of six streams, in the lock: ms",
        {"median": lambda s: s["inside_ms"][0], "p95": lambda s: s["inside_ms"][1]},
    ),
    Panel("Files", {"live": live, "on disk": lambda s: s["files"]}),
    Panel(
        "Catalogue: MB",
        {"catalogue": lambda s: s["catalog_bytes"] / MB, "its WAL": lambda s: s["wal_bytes"] / MB},
    ),
    Panel("Dagster's storage: MB", {"on disk": lambda s: s["dagster_bytes"] / MB}),
)


def read(path: Path) -> list[Sample]:
    """Return the samples of a run."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def table(samples: Sequence[Sample]) -> Table:
    """Return a line for each of some hours of the day."""
    found = Table(title="What a day of commits leaves; each line over 600 ticks up to its hour")
    found.add_column("hour", justify="right")
    for column in COLUMNS:
        found.add_column(column.name, justify="right")
    for sample in _chosen(samples):
        cells = [format(column.value(sample), column.form) for column in COLUMNS]
        found.add_row(f"{sample['tick'] / HOUR:.3g}", *cells)
    return found


def _chosen(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples at the hours that tell most, and the last."""
    hours = (1, 2, 3, 4, 6, 9, 12, 15, 18, 21, 24)
    return [s for s in samples if s["tick"] in {hour * HOUR for hour in hours} or s is samples[-1]]


def svg(samples: Sequence[Sample]) -> str:
    """Return the plot: a panel below the other, over the hours of the day."""
    hours = max(1, math.ceil(samples[-1]["tick"] / HOUR))
    panels = "".join(_panel(panel, samples, hours, place) for place, panel in enumerate(PANELS))
    height = HEIGHT * len(PANELS) + 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">'
        f'<style>{STYLE}</style><rect width="100%" height="100%" fill="white"/>{panels}'
        f'<text x="{LEFT}" y="{height - 6}">hours of the day, 3,600 commits each</text></svg>\n'
    )


def _panel(panel: Panel, samples: Sequence[Sample], hours: int, place: int) -> str:
    top = place * HEIGHT + TOP
    low = top + HEIGHT - TOP - BOTTOM
    most = _ceiling(max(value(s) for value in panel.lines.values() for s in samples))
    parts = [f'<text class="title" x="{LEFT}" y="{top - 10}">{panel.title}</text>']
    for share in (0.0, 0.5, 1.0):
        y = low - share * (low - top)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{most * share:,g}</text>')
    for hour in range(0, hours + 1, max(1, hours // 8)):
        x = _x(hour * HOUR, hours)
        parts.append(f'<text x="{x:.1f}" y="{low + 16}" text-anchor="middle">{hour}</text>')
    for number, ((name, value), colour) in enumerate(zip(panel.lines.items(), COLOURS, strict=False)):
        points = " ".join(
            f"{_x(s['tick'], hours):.1f},{low - value(s) / most * (low - top):.1f}" for s in samples
        )
        parts.append(f'<polyline class="line" stroke="{colour}" points="{points}"/>')
        x, y = WIDTH - RIGHT + 12, top + 12 + 18 * number
        parts.append(f'<text x="{x}" y="{y}" style="fill:{colour}">{name}</text>')
    return "".join(parts)


def _x(tick: float, hours: int) -> float:
    return LEFT + tick / (hours * HOUR) * (WIDTH - RIGHT - LEFT)


def _ceiling(value: float) -> float:
    """Return the next round number above."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 2, 3, 4, 5, 6, 8, 10) if value <= step * size)
