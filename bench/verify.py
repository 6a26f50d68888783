"""What a verification costs from its mark on, against one of everything.

One stream gets many commits; it is verified whole, then one more commit comes and it is verified from the mark on, then
with nothing new:

    .venv/bin/python bench/verify.py [--commits N] [--rows N]

It prints, from the same run, the offsets that were looked at and the median time of five verifications each.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from batches import DOMAIN, SCHEMA, advance, rows, stage, start
from rich.console import Console
from rich.progress import track

from mesh_defs.model.records import Commit
from mesh_defs.store import DomainStore, StreamMark, Verified, verify_stream

STREAM = "orders"
REPEATS = 5


def commit(store: DomainStore, number: int, count: int) -> None:
    """Store one more batch."""
    first = number * count
    file = stage(store, STREAM, rows(first, count))
    store.commit(Commit(writer="bench", advances=[advance(STREAM, first, count)], files=[file]))


def measured(verify: Callable[[], Verified]) -> tuple[Verified, float]:
    """Return what a verification found, and its median time in milliseconds."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = verify()
        times.append((time.perf_counter() - began) * 1_000)
    if found.violations:
        sys.exit(found.violations[0].message)
    return found, statistics.median(times)


def run(folder: Path, commits: int, count: int) -> None:
    """Make the commits, verify, and print."""
    with DomainStore.open(folder, DOMAIN) as store:
        store.ensure_table(STREAM, SCHEMA)
        store.commit(Commit(writer="bench", starts=[start(STREAM)]))
        console = Console(stderr=True)
        for number in track(range(commits), "committing", console=console, transient=True):
            commit(store, number, count)

        def verify(mark: StreamMark | None) -> tuple[Verified, float]:
            return measured(lambda: verify_stream(store, STREAM, mark=mark))

        before, _ = verify(None)
        commit(store, commits, count)
        whole, whole_ms = verify(None)
        newer, newer_ms = verify(before.mark)
        nothing, nothing_ms = verify(newer.mark)
    print(f"{'verification':<24} {'offsets looked at':>18} {'ms p50':>8} {'of the full one':>16}")
    for name, found, took in (
        ("full", whole, whole_ms),
        ("after one more commit", newer, newer_ms),
        ("after nothing", nothing, nothing_ms),
    ):
        print(f"{name:<24} {found.recounted:>18,} {took:>8.1f} {took / whole_ms:>15.0%}")


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--rows", type=int, default=5_000, help="rows a commit")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as name:
        run(Path(name) / DOMAIN, options.commits, options.rows)


if __name__ == "__main__":
    main()
