"""Dagster's own folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.orchestration import prepare_home
from tests.meshes import ROOT
from tests.orchestration.mesh_of_two import mesh_of_two


@pytest.fixture(autouse=True)
def _outside_of_dagster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no `DAGSTER_HOME` of the person who runs the tests reach them."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_the_home_is_ready_for_many_at_once(tmp_path: Path) -> None:
    """After it, processes that start together find every storage laid out."""
    home = prepare_home(mesh_of_two(tmp_path).open())
    assert home == tmp_path / "data" / "dagster"
    script = (
        "import dagster as dg\n"
        "with dg.DagsterInstance.get() as i:\n"
        "    i.get_run_records(limit=1); i.all_instigator_state()\n"
        "    i.fetch_materializations(dg.AssetKey('a'), limit=1)\n"
    )
    environment = os.environ | {"DAGSTER_HOME": str(home), "PYTHONPATH": str(ROOT)}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script], env=environment, stderr=subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in started:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()


def test_telemetry_is_off_and_runs_start_at_once(tmp_path: Path) -> None:
    """The configuration is one that Dagster reads as it was meant."""
    home = prepare_home(mesh_of_two(tmp_path).open())
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.telemetry_enabled is False
        assert instance.nux_enabled is False
        assert instance.run_monitoring_enabled is True
        assert type(instance.run_coordinator).__name__ == "SyncInMemoryRunCoordinator"
        assert instance.get_settings("sensors")["use_threads"] is True


def test_what_is_stored_stays(tmp_path: Path) -> None:
    """Preparing a home again forgets no run, and mends a changed configuration."""
    project = mesh_of_two(tmp_path).open()
    home = prepare_home(project)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        dg.materialize([_nothing], instance=instance)
    (home / "dagster.yaml").write_text("telemetry: {enabled: true}\n")
    prepare_home(project)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs_count() == 1
        assert instance.telemetry_enabled is False


@dg.asset
def _nothing() -> None:
    """Do nothing."""
