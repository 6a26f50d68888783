"""The code locations of this repository's own mesh."""

from __future__ import annotations

import dagster as dg
import pytest
from ruamel.yaml import YAML

from mesh_defs.contract.project import Project
from mesh_defs.contract.workspace import PLATFORM
from mesh_defs.orchestration import build_domain
from tests.meshes import ROOT

DOMAINS = Project.open(ROOT).domain_names()


def test_every_domain_is_a_location_of_its_own() -> None:
    """A domain without one would be ingested by hand only; a broken one breaks alone."""
    entries = YAML(typ="safe").load((ROOT / "workspace.yaml").read_text())["load_from"]
    platform = [e["python_module"] for e in entries if "python_module" in e]
    assert [(p["location_name"], p["module_name"]) for p in platform] == [
        (PLATFORM, "mesh_defs.orchestration.location")
    ]
    found = [e["python_file"] for e in entries if "python_file" in e]
    files = {e["location_name"]: e["relative_path"] for e in found}
    assert files == {name: f"domains/{name}/definitions.py" for name in DOMAINS}
    assert all((ROOT / path).is_file() for path in files.values())


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_domain_loads(domain: str) -> None:
    """Without a warning, with owners and descriptions everywhere."""
    defs = build_domain(ROOT / "domains" / domain)
    dg.Definitions.validate_loadable(defs)
    own = [s for s in defs.resolve_all_asset_specs() if s.group_name == domain]
    assert own
    assert all(s.owners and s.description for s in own)
