"""A pass that stops itself with SIGSTOP just before it takes the writer's lock. Run as a script: ROOT DOMAIN."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest import run_pass

TAKES_THE_LOCK = 2


def main() -> None:
    """Make the pass; exit code 0 if it went on well after it was continued."""
    root, domain = sys.argv[1:]
    stopped = False

    def stop(number: int) -> None:
        nonlocal stopped
        if number == TAKES_THE_LOCK and not stopped:
            stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)

    project = Project.open(Path(root))
    report = run_pass(project, project.domain(domain), on_step=stop)
    sys.exit(len(report.failed))


if __name__ == "__main__":
    main()
