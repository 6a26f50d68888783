"""A pass that kills itself with SIGKILL just before a numbered step of its n-th commit.

Run as a script: ROOT DOMAIN STEP NTH. It ends by itself where the step never comes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest import Limits, run_pass


def main() -> None:
    """Make the pass with small chunks, so that there are several commits."""
    root, domain, step, nth = sys.argv[1:]
    seen = 0

    def kill(number: int) -> None:
        nonlocal seen
        seen += number == int(step)
        if seen == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

    project = Project.open(Path(root))
    run_pass(project, project.domain(domain), on_step=kill, limits=Limits(rows=40, batch=20))


if __name__ == "__main__":
    main()
