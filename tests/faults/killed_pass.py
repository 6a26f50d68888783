"""A pass that kills itself with SIGKILL just before a numbered step of its n-th commit.

Run as a script: ROOT DOMAIN STEP NTH. It ends by itself where the step never comes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest import Limits, run_pass
from tests.faults.killing import kill_before


def main() -> None:
    """Make the pass with small chunks, so that there are several commits."""
    root, domain, step, nth = sys.argv[1:]
    project = Project.open(Path(root))
    run_pass(
        project,
        project.domain(domain),
        on_step=kill_before(int(step), int(nth)),
        limits=Limits(rows=40, batch=20),
    )


if __name__ == "__main__":
    main()
