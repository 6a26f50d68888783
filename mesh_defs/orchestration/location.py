"""The code location `mesh-platform`, as `workspace.yaml` names it."""

import os
from pathlib import Path

from mesh_defs.contract.project import Project, find_project
from mesh_defs.orchestration.platform import platform_definitions

defs = platform_definitions(Project.open(find_project(Path(os.environ.get("MESH_PROJECT") or Path.cwd()))))
