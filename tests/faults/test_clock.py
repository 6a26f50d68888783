"""The host's clock steps: processes write to a store while `faketime` moves theirs, others while it does not."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mesh_defs.store import MaintenancePolicy, maintain, verify_store
from tests.conftest import BOUND
from tests.meshes import ROOT
from tests.store import kit

APPEND = """
import sys
from pathlib import Path
from tests.store import kit

with kit.open_store(Path(sys.argv[1])) as store:
    kit.append(store, 20)
"""

MAINTAIN = """
import sys
from pathlib import Path
from mesh_defs.store import MaintenancePolicy, maintain
from tests.store import kit

with kit.open_store(Path(sys.argv[1])) as store:
    maintain(store, MaintenancePolicy(flush_rows=1, merge_files=2))
"""


def at(shift: dt.timedelta, script: str, folder: Path) -> None:
    """Run a script on a store in a process whose clock is moved; the clock that timeouts go by is not.

    A whole pass cannot be run so: librdkafka's waits end by the moved clock and are kept by the kernel's, so that it
    waits for ever or not at all, which no step of a real clock does.
    """
    if sys.platform != "linux" or shutil.which("faketime") is None:
        pytest.skip("there is no faketime (Debian's package faketime)")
    command = ["faketime", "-f", f"{shift.total_seconds():+.0f}", sys.executable, "-c", script, str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=BOUND
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.fault(36)
@pytest.mark.parametrize(
    "shift",
    [dt.timedelta(hours=-1), dt.timedelta(days=1)],
    ids=["an hour back", "a day ahead and back again"],
)
def test_a_clock_that_steps_orders_nothing(tmp_path: Path, shift: dt.timedelta) -> None:
    """Commits follow by offset whatever their instants; maintenance under either clock keeps what is stored."""
    folder = tmp_path / kit.DOMAIN
    with kit.open_store(folder) as store:
        kit.begin(store)
        kit.append(store, 20)
    at(shift, APPEND, folder)
    with kit.open_store(folder) as store:
        kit.append(store, 20)
        taken = store.connection.execute(
            "SELECT snapshot_time FROM ducklake_snapshots(?) ORDER BY snapshot_id DESC LIMIT 2", [kit.DOMAIN]
        ).fetchall()
    between = abs(taken[0][0] - taken[1][0])
    assert abs(between - abs(shift)) < dt.timedelta(seconds=BOUND), "the clock of one commit was moved"
    at(shift, MAINTAIN, folder)
    with kit.open_store(folder) as store:
        kit.append(store, 20)
        maintain(store, MaintenancePolicy(flush_rows=1, merge_files=2))
        known = store.offsets().partition(kit.STREAM, 0)
        assert known is not None
        assert known.next_offset == 80
        assert verify_store(store, deep=True) == ()
