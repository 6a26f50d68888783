"""A pass over data at rest that kills itself with SIGKILL just before a numbered step of its commit.

Run as a script: ROOT DOMAIN STEP. It ends by itself where the step never comes. Step 0 is while a file is read.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest import Progress, run_pass
from tests.faults.killing import kill_before


def main() -> None:
    """Make the pass."""
    root, domain, step = sys.argv[1:]

    kill = kill_before(int(step))

    def reading(_progress: Progress) -> None:
        kill(0)

    project = Project.open(Path(root))
    run_pass(project, project.domain(domain), on_step=kill, on_progress=reading)


if __name__ == "__main__":
    main()
