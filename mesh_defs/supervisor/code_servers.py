"""The part of `mesh up` that serves the code locations to web server and daemon alike."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path
from typing import Final

from mesh_defs.contract.project import Project
from mesh_defs.contract.workspace import WORKSPACE
from mesh_defs.model.errors import ProcessError
from mesh_defs.supervisor.environment import dagster_home
from mesh_defs.supervisor.logs import log_of
from mesh_defs.supervisor.part import CommandPart, Running

_PRIVATE: Final = 0o700


def shared_workspace(project: Project) -> Path:
    """Return the workspace file that names the shared code servers; it is written when they are there."""
    return dagster_home(project) / WORKSPACE


def code_servers(project: Project) -> CommandPart:
    """Return the part; it is well when it has written the shared workspace file.

    Raises:
        ProcessError: The folder of its sockets belongs to somebody else.
    """
    shared = shared_workspace(project)
    return CommandPart(
        name="code",
        command=(
            *(sys.executable, "-P", "-m", "mesh_defs.orchestration.code_servers"),
            *(str(project.root / WORKSPACE), str(_sockets(project)), str(shared)),
        ),
        folder=project.root,
        log=log_of(project, "code"),
        restarts=True,
        check=lambda running: _written(shared, running),
    )


def _written(shared: Path, running: Running) -> bool:
    try:
        return shared.stat().st_mtime >= running.birth.created
    except FileNotFoundError:
        return False


def _sockets(project: Project) -> Path:
    """Return a folder of this user alone, the same at each start, whose path is short enough for a socket's."""
    name = hashlib.sha256(os.fsencode(project.config.data)).hexdigest()[:16]
    # `tempfile` would write a file to try the folder out, and where it cannot, it names none.
    folder = Path(os.environ.get("TMPDIR") or "/tmp") / f"mesh-{os.getuid()}-{name}"  # noqa: S108 - see below
    folder.mkdir(mode=_PRIVATE, exist_ok=True)
    found = folder.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) != _PRIVATE
    ):
        raise ProcessError(
            cannot="start the code servers",
            why=f"{folder}, where their sockets belong, is not a folder of this user alone",
            do="remove it",
        )
    return folder
