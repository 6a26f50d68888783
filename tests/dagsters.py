"""Dagster for tests that look at what it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg


@contextmanager
def dagster_on_disk(home: Path) -> Iterator[dg.DagsterInstance]:
    """Open a Dagster whose files lie below a new folder."""
    home.mkdir()
    with dg.DagsterInstance.local_temp(str(home)) as opened:
        yield opened
