"""Tests of `mesh init` and `mesh domain new`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster._core.workspace.load import location_origins_from_yaml_paths

from mesh_defs.contract.project import Project
from mesh_defs.model.errors import ConfigError
from mesh_defs.scaffold import new_domain, new_project

PLATFORM = "mesh-platform"
"""The code location that looks after all domains."""


def locations(root: Path) -> set[str]:
    """Return the code locations that Dagster itself reads from the workspace file."""
    origins = location_origins_from_yaml_paths([str(root / "workspace.yaml")])
    return {origin.location_name for origin in origins}


def test_new_project_opens_and_is_empty(tmp_path: Path) -> None:
    """A new project has the given top level, no domain, and a workspace that Dagster takes."""
    root = tmp_path / 'a "quoted" name'
    new_project(root)
    project = Project.open(root)
    assert project.config.name == root.name
    assert project.config.has_local_kafka
    assert project.domain_names() == ()
    assert locations(root) == {PLATFORM}
    assert {path.name for path in root.iterdir()} == {
        *("README.md", "mesh.toml", "workspace.yaml", ".gitignore"),
        *("domains", "tests", "data"),
    }


def test_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    """A folder that holds anything but git's own, and a file, are left alone."""
    (tmp_path / ".git").mkdir()
    new_project(tmp_path)
    with pytest.raises(ConfigError, match="not empty"):
        new_project(tmp_path)
    with pytest.raises(ConfigError, match="that is a file"):
        new_project(tmp_path / "README.md")
    with pytest.raises(ConfigError, match="may write to"):
        new_project(tmp_path / "README.md" / "below")


def test_new_domain_loads_everywhere(tmp_path: Path) -> None:
    """A new domain loads as contracts and, in a process of its own, as Dagster definitions."""
    new_project(tmp_path)
    for name in ("sales", "more_sales"):
        new_domain(tmp_path, name)
    domains, broken = Project.open(tmp_path).load_domains()
    assert not broken
    assert set(domains) == {"sales", "more_sales"} == locations(tmp_path) - {PLATFORM}
    assert domains["sales"].owner == "team:sales"
    subprocess.run(
        [sys.executable, "domains/sales/definitions.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        check=True,
    )


def test_workspace_file_keeps_its_content(tmp_path: Path) -> None:
    """Comments, other locations and their order stay as they were."""
    new_project(tmp_path)
    before = "# mine\nload_from:\n  # first\n  - python_module: {module_name: other, location_name: other}\n"
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(before, encoding="utf-8")
    new_domain(tmp_path, "sales")
    text = workspace.read_text(encoding="utf-8")
    assert text.startswith(before)
    assert locations(tmp_path) == {"other", "sales"}
    before = "load_from:\n- python_module:\n    module_name: other\n    location_name: again\n"
    workspace.write_text(before, encoding="utf-8")
    new_domain(tmp_path, "again")
    assert workspace.read_text(encoding="utf-8") == before
    workspace.unlink()
    new_domain(tmp_path, "alone")
    assert locations(tmp_path) == {PLATFORM, "alone"}


@pytest.mark.parametrize("name", ["Sales", "1st", "", "a-b", "../up", "main", "a" * 64])
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    """A name that no domain can have is refused, and nothing is written."""
    new_project(tmp_path)
    with pytest.raises(ConfigError, match="choose another name"):
        new_domain(tmp_path, name)
    assert locations(tmp_path) == {PLATFORM}


def test_existing_domain_and_broken_workspace(tmp_path: Path) -> None:
    """An existing domain is left alone; a workspace file that cannot be read stops before anything is written."""
    new_project(tmp_path)
    new_domain(tmp_path, "sales")
    with pytest.raises(ConfigError, match="exists"):
        new_domain(tmp_path, "sales")
    for text in ("load_from: {", "load_from: 3", "- a\n"):
        (tmp_path / "workspace.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="mend that file"):
            new_domain(tmp_path, "other")
    assert not (tmp_path / "domains" / "other").exists()
