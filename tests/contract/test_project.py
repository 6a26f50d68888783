"""A mesh project: its root and its domains."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh_defs.contract.project import Project, find_project
from mesh_defs.model.errors import ConfigError, ContractError
from tests.contract.documents import stream, write_domain, write_stream


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with a good domain `d` and a broken one `e`."""
    (tmp_path / "mesh.toml").write_text('[mesh]\nname = "test"\n')
    write_domain(tmp_path / "domains")
    write_stream(tmp_path / "domains", stream())
    write_domain(tmp_path / "domains", "e", owner="nobody")
    (tmp_path / "domains" / "__pycache__").mkdir()
    (tmp_path / "domains" / "replay.py").write_text("")
    return tmp_path


def test_the_nearest_project_upwards(root: Path) -> None:
    """From any folder below it."""
    assert find_project(root / "domains" / "d" / "streams") == root


def test_no_project(tmp_path: Path) -> None:
    """The error says where was looked."""
    with pytest.raises(ConfigError, match=r"mesh\.toml"):
        find_project(tmp_path)


def test_a_broken_domain_breaks_alone(root: Path) -> None:
    """The others load, and the broken one keeps its error."""
    project = Project.open(root)
    domains, broken = project.load_domains()
    assert project.domain_names() == ("d", "e")
    assert [(name, d.name) for name, d in domains.items()] == [("d", "d")]
    assert [(name, e.findings[0].rule) for name, e in broken.items()] == [("e", "owner")]


def test_a_domain_by_its_name(root: Path) -> None:
    """Loaded, refused, or not there."""
    project = Project.open(root)
    assert project.domain("d").stream("s") is not None
    with pytest.raises(ContractError):
        project.domain("e")
    with pytest.raises(ConfigError, match="d, e"):
        project.domain("f")


def test_the_store_of_a_domain(root: Path) -> None:
    """Below the data folder of the configuration."""
    assert Project.open(root).data_folder("d") == root / "data" / "d"


def test_a_project_without_domains(tmp_path: Path) -> None:
    """It is empty, not broken."""
    (tmp_path / "mesh.toml").write_text('[mesh]\nname = "test"\n')
    assert Project.open(tmp_path).load_domains() == ({}, {})
