"""What the parts of a mesh see in their environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mesh_defs.contract.project import Project


def dagster_home(project: Project) -> Path:
    """Return the folder of Dagster's own storage."""
    return project.config.data / "dagster"


def part_environment(project: Project) -> dict[str, str]:
    """Return this process's environment with the project, Dagster's home and the mesh's own programs in it.

    ``python`` and ``mesh`` in a command of ``mesh.toml`` are those of the mesh, whatever the shell has.
    """
    programs = Path(sys.executable).parent
    return {
        **os.environ,
        "PATH": os.pathsep.join((str(programs), os.environ.get("PATH", os.defpath))),
        "MESH_PROJECT": str(project.root),
        "DAGSTER_HOME": str(dagster_home(project)),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
