"""What the parts of a mesh see in their environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from mesh_defs.broker.local import LocalKafka
from mesh_defs.contract.project import Project
from mesh_defs.model.config import BOOTSTRAP_VARIABLE

_GRPC_VARIABLE: Final = "DAGSTER_GRPC_TIMEOUT_SECONDS"
_GRPC_SECONDS: Final = 180
"""As long as a run may take to start: on a busy machine its process takes longer than Dagster's usual 60 s to come up,
and each start given up and tried again keeps the machine busier still."""

FEWER_TRIPS_TO_MALLOC: Final = {
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=4000:glibc.malloc.tcache_max=4096"
}
"""A commit asks for and gives back a hundred thousand small blocks: a fifth of its time, where glibc keeps only the 7
of a size at hand that it does by itself."""


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
        _GRPC_VARIABLE: os.environ.get(_GRPC_VARIABLE, str(_GRPC_SECONDS)),
        "PYTHONUNBUFFERED": "1",
    }


def broker_environment(project: Project) -> dict[str, str]:
    """Return what tells a process of ``mesh.toml`` where `main` is: the address of the local Kafka while it runs.

    Nothing where `main` is a Kafka of one's own: an address alone would hide its security from a child. Dagster's
    parts are not told: they ask for the address each time, and so follow a Kafka that comes back at another port.
    """
    config = project.config
    address = LocalKafka.of_mesh(config.data).status().address if config.has_local_kafka else None
    return {} if address is None else {BOOTSTRAP_VARIABLE: address}
