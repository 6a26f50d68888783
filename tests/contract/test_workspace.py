"""What a project's `workspace.yaml` lacks."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from mesh_defs.contract.project import Project
from mesh_defs.contract.workspace import missing_locations
from mesh_defs.model.errors import ConfigError
from mesh_defs.scaffold import new_domain, new_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project with one domain."""
    new_project(tmp_path)
    new_domain(tmp_path, "sales")
    return Project.open(tmp_path)


def test_a_new_project_lacks_nothing(project: Project) -> None:
    """Nor does one that got a domain."""
    assert missing_locations(project) == ()


@pytest.mark.parametrize("text", ["", "load_from: []\n", "load_from:\n", None])
def test_each_missing_location_is_one_line_that_mends_it(project: Project, text: str | None) -> None:
    """Also where the file is empty or gone."""
    path = project.root / "workspace.yaml"
    path.unlink() if text is None else path.write_text(text)
    missing = missing_locations(project)
    assert [location.name for location in missing] == ["mesh-platform", "sales"]
    assert all(location.entry in location.message for location in missing)
    assert not any("\n" in location.message for location in missing)
    path.write_text("\n".join(["load_from:", *(location.entry for location in missing)]))
    assert missing_locations(project) == ()
    assert len(YAML(typ="safe").load(path)["load_from"]) == 2


def test_only_the_platform_is_missing_in_an_old_project(project: Project) -> None:
    """Its domains are known by their files, whatever they are called."""
    (project.root / "workspace.yaml").write_text(
        "load_from:\n- python_file: {relative_path: domains/sales/definitions.py, location_name: shop}\n"
    )
    (missing,) = missing_locations(project)
    assert "no alerts" in missing.message


@pytest.mark.parametrize("text", ["load_from: 3", "- a", "a: [", "load_from: {a: b}", "\xff"])
def test_a_file_that_is_none(project: Project, text: str) -> None:
    """It is told, and never taken for an empty one."""
    (project.root / "workspace.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="mend that file"):
        missing_locations(project)
