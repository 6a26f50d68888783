"""Whether the commit's part inside the writer's lock stays as short as it is at first.

One writer commits small batches of two streams to a store of its own, as fast as it can, while a second process keeps
maintaining the store:

    .venv/bin/python bench/commit.py [--commits N] [--rows N] [--every SECONDS]

The time is taken from step 3 of a commit (the lock is held, the transaction begins) to its return, so that waiting for
the lock is no part of it. It prints the median of each tenth of the run, the trend, and what the store has become.

A commit into an empty store is cheaper than any later one: there is no snapshot and no file yet. So the trend is that
of the commits since the store has first expired and deleted what it does not keep: it is as large then as it stays.
"""

from __future__ import annotations

import argparse
import datetime as dt
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from batches import DOMAIN, SCHEMA, advance, rows, stage, start
from rich.console import Console
from rich.progress import track

from mesh_defs.model.records import Commit
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain

STREAMS = ("orders", "payments")
_FEW = 100
"""Of fewer commits no trend is told."""

POLICY = MaintenancePolicy(keep=dt.timedelta(seconds=20), grace=dt.timedelta(seconds=10))
"""Shorter than the defaults, so that snapshots expire and files are deleted within a run."""


@dataclass(frozen=True)
class Timing:
    """One commit, in milliseconds: waiting for the lock, inside it, and all of it; and when it began, in seconds."""

    at: float
    waiting: float
    inside: float
    whole: float


def commit(store: DomainStore, first: int, count: int) -> Timing:
    """Commit one batch of each stream."""
    batch = rows(first, count)
    files = [stage(store, stream, batch) for stream in STREAMS]
    advances = [advance(stream, first, count) for stream in STREAMS]
    at: dict[int, float] = {}
    began = time.perf_counter()
    store.commit(
        Commit(writer="bench", advances=advances, files=files),
        on_step=lambda step: at.setdefault(step, time.perf_counter()) and None,
    )
    ended = time.perf_counter()
    return Timing(
        at=began,
        waiting=(at[3] - at[2]) * 1_000,
        inside=(ended - at[3]) * 1_000,
        whole=(ended - began) * 1_000,
    )


def run(folder: Path, commits: int, count: int) -> list[Timing]:
    """Make all commits."""
    with DomainStore.open(folder, DOMAIN) as store:
        for stream in STREAMS:
            store.ensure_table(stream, SCHEMA)
        store.commit(Commit(writer="bench", starts=[start(stream) for stream in STREAMS]))
        console = Console(stderr=True)
        numbers = track(range(commits), "committing", console=console, transient=True)
        return [commit(store, number * count, count) for number in numbers]


def keep_maintaining(folder: Path, every: float) -> None:
    """Maintain the store again and again, until standard input ends."""
    import selectors  # noqa: PLC0415 - the child's only

    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not selector.select(every):
            if DomainStore.exists(folder):
                with DomainStore.open(folder, DOMAIN) as store:
                    steps = maintain(store, POLICY).steps
                print("; ".join(f"{s.name} {s.summary}" for s in steps), flush=True)


def show(timings: Sequence[Timing], folder: Path, rounds: int) -> None:
    """Print what the commits took, tenth by tenth."""
    size = max(1, len(timings) // 10)
    tenths = [timings[first : first + size] for first in range(0, size * 10, size)]
    print(
        f"{'tenth':>5} {'commits':>8} {'in the lock, ms p50':>20} {'p95':>8} {'waiting p50':>12} {'whole p50':>10}"
    )
    for number, tenth in enumerate(filter(None, tenths), start=1):
        inside = sorted(t.inside for t in tenth)
        print(
            f"{number:>5} {len(tenth):>8} {statistics.median(inside):>20.1f} {inside[int(len(inside) * 0.95)]:>8.1f}"
            f" {statistics.median(t.waiting for t in tenth):>12.1f} {statistics.median(t.whole for t in tenth):>10.1f}"
        )
    show_trend(timings)
    with DomainStore.open(folder, DOMAIN, read_only=True) as store:
        live = sum(len(list((store.data_folder / "main" / stream).glob("*.parquet"))) for stream in STREAMS)
    catalog = sum(path.stat().st_size for path in folder.glob("catalog.sqlite*")) / 1e6
    print(f"rounds of maintenance: {rounds}; files on disk: {live}; catalog: {catalog:.1f} MB")
    print(f"the writer's memory at the end: {psutil.Process().memory_info().rss / 1e6:.0f} MB")


def show_trend(timings: Sequence[Timing]) -> None:
    """Print how the time in the lock goes on once the store is as large as it stays."""
    settled_at = timings[0].at + (POLICY.keep + POLICY.grace).total_seconds()
    settled = [t.inside for t in timings if t.at >= settled_at]
    if len(settled) < _FEW:
        print(f"no trend: the store was settled for {len(settled)} commits only; try more --commits")
        return
    half = len(settled) // 2
    first, last = statistics.median(settled[:half]), statistics.median(settled[half:])
    slope, _ = statistics.linear_regression(range(len(settled)), settled)
    print(f"of the {len(settled)} commits since the store is as large as it stays, in the lock:")
    print(f"  first half {first:.1f} ms, second half {last:.1f} ms: {last / first:.2f} times")
    print(f"  trend: {slope * 1_000:+.2f} ms a 1,000 commits (least squares)")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--rows", type=int, default=200, help="rows a stream and commit")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two rounds of maintenance")
    parser.add_argument("--maintain", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.maintain is not None:
        keep_maintaining(options.maintain, options.every)
        return
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as name:
        folder = Path(name) / DOMAIN
        command = [sys.executable, __file__, "--maintain", str(folder), "--every", str(options.every)]
        log = Path(name) / "maintenance.log"
        with log.open("wb") as out:
            child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out)
        try:
            timings = run(folder, options.commits, options.rows)
        finally:
            child.communicate()
        if child.returncode != 0:
            sys.exit(f"maintenance failed with code {child.returncode}")
        show(timings, folder, len(log.read_text(encoding="utf-8").splitlines()))


if __name__ == "__main__":
    main()
