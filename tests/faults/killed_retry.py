"""A retry of dead letters that kills itself with SIGKILL just before a numbered step of its n-th commit.

Run as a script: ROOT DOMAIN STREAM STEP NTH. It ends by itself where the step never comes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from mesh_defs.contract.project import Project
from mesh_defs.ingest.retry import retry_dead_letters


def main() -> None:
    """Retry in small chunks, so that there are several commits."""
    root, domain, name, step, nth = sys.argv[1:]
    seen = 0

    def kill(number: int) -> None:
        nonlocal seen
        seen += number == int(step)
        if seen == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)

    project = Project.open(Path(root))
    stream = project.domain(domain).stream(name)
    assert stream is not None
    retry_dead_letters(project, stream, on_step=kill, chunk_letters=3)


if __name__ == "__main__":
    main()
