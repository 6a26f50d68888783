"""A retry of dead letters that kills itself with SIGKILL just before a numbered step of its n-th commit.

Run as a script: ROOT DOMAIN STREAM STEP NTH. It ends by itself where the step never comes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest.retry import retry_dead_letters
from tests.faults.killing import kill_before


def main() -> None:
    """Retry in small chunks, so that there are several commits."""
    root, domain, name, step, nth = sys.argv[1:]
    project = Project.open(Path(root))
    stream = project.domain(domain).stream(name)
    assert stream is not None
    retry_dead_letters(project, stream, on_step=kill_before(int(step), int(nth)), chunk_letters=3)


if __name__ == "__main__":
    main()
