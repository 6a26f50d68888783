"""The guard: outlives a killed `mesh up` for as long as it takes to stop what that one started.

It reads a pipe whose other end only `mesh up` holds. The pipe's end comes when `mesh up` is gone, however it
went. The guard inherited the lock of `mesh up`, so that a new one waits until it is done.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mesh_defs.supervisor.family import stop_all
from mesh_defs.supervisor.state import read_state


def main() -> None:
    """Wait for the end of the pipe, then stop what is left and forget the run."""
    pipe, state_file = int(sys.argv[1]), Path(sys.argv[2])
    while os.read(pipe, 1):
        pass
    state = read_state(state_file)
    if state is not None:
        stop_all(state)
        state_file.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
