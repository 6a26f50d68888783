"""Dagster's own folder: what it is told, and its storages laid out before anything uses them in parallel."""

from __future__ import annotations

import json
import os
from pathlib import Path

import dagster as dg

from mesh_defs.contract.project import Project
from mesh_defs.orchestration.dead_runs import UNDER_WAY, end_dead_runs

FOLDER = "dagster"
CONFIG_FILE = "dagster.yaml"

CONFIG: dict[str, object] = {
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    "run_coordinator": {
        "module": "dagster._core.run_coordinator",
        "class": "DefaultRunCoordinator",
    },
    "run_monitoring": {"enabled": True, "start_timeout_seconds": 180, "cancel_timeout_seconds": 60},
    # Of runs whose process died; what a product's query did wrong is not tried again.
    "run_retries": {"enabled": True, "max_retries": 3, "retry_on_asset_or_op_failure": False},
    # One domain's broker that does not answer must not hold up the sensors of the others.
    "sensors": {"use_threads": True, "num_workers": 4},
    "retention": {
        kind: {"purge_after_days": {"skipped": 1, "success": 7, "failure": 30, "started": 1}}
        for kind in ("sensor", "schedule", "auto_materialize")
    },
}
"""`dagster.yaml` (JSON is YAML). A run starts at once (no queue), in a process of its code location."""

_HEADING = "# Written by the mesh at each start; a change is overwritten.\n"


def dagster_home(project: Project) -> Path:
    """Return the folder that `DAGSTER_HOME` names for this project."""
    return project.config.data / FOLDER


def prepare_home(project: Project) -> Path:
    """Write Dagster's configuration and lay out its storages; what is stored stays.

    Called once, before the web server and the daemon start: when several processes lay out the same storage at
    the same time, some of them die. Runs whose process died with an earlier `mesh up` are marked as failed, or
    their sensors would wait for them for ever.

    Returns:
        The folder, absolute, for `DAGSTER_HOME`.
    """
    home = dagster_home(project).absolute()
    home.mkdir(parents=True, exist_ok=True)
    _write(home / CONFIG_FILE, _HEADING + json.dumps(CONFIG, indent=2) + "\n")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        _touch(instance)
        unended = instance.get_run_records(filters=dg.RunsFilter(statuses=list(UNDER_WAY)))
        end_dead_runs(instance, unended, unstarted=True)
    return home


def _touch(instance: dg.DagsterInstance) -> None:
    """Use each storage once: each lays out its tables at first use."""
    instance.get_run_records(limit=1)
    instance.all_instigator_state()
    instance.fetch_materializations(dg.AssetKey("none"), limit=1)


def _write(path: Path, text: str) -> None:
    """Replace a file, unless it already says the same; readers never see half of it."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
