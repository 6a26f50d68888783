"""What the parts of `mesh up` see in their environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.contract.project import Project
from mesh_defs.orchestration.home import CONFIG
from mesh_defs.scaffold import new_project
from mesh_defs.supervisor.environment import part_environment

VARIABLE = "DAGSTER_GRPC_TIMEOUT_SECONDS"


def test_dagster_waits_for_a_start_as_long_as_a_run_may_take_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is given up earlier is tried again, which keeps a busy machine busier; a person's own value holds."""
    new_project(tmp_path / "mesh")
    project = Project.open(tmp_path / "mesh")
    monkeypatch.delenv(VARIABLE, raising=False)
    assert CONFIG["run_monitoring"] == {
        "enabled": True,
        "start_timeout_seconds": int(part_environment(project)[VARIABLE]),
        "cancel_timeout_seconds": 60,
    }
    monkeypatch.setenv(VARIABLE, "7")
    assert part_environment(project)[VARIABLE] == "7"
