"""Data at rest in the graph: files, their tables, and when a run is asked for."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.orchestration.keys import file_key
from mesh_defs.orchestration.sensor import ask
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import NOBODY, definitions, execute, key

AIRPORTS = (
    {"name": "faa", "logicalType": "string", "required": True, "primaryKey": True},
    {"name": "alt", "logicalType": "integer", "quality": [{"metric": "nullValues", "mustBe": 0}]},
)
CHECKS = ["ledger", "new_unknown_fields", "null_values_alt", "partitions_moving"]


@pytest.fixture
def mesh(tmp_path: Path) -> MeshFolder:
    """A mesh whose domain `network` holds nothing but a file, read by a product; no broker answers."""
    folder = MeshFolder(tmp_path / "mesh", NOBODY)
    folder.rest("network.airports", "rest/airports.csv", AIRPORTS)
    folder.file("rest/airports.csv", "faa,alt\nJFK,13\nLGA,22\n")
    folder.product(
        "sales.heights",
        "SELECT max(alt) AS highest FROM network.airports",
        [{"name": "highest", "logicalType": "integer"}],
    )
    return folder


def asked(mesh: MeshFolder, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    """Return what a tick does."""
    project = mesh.open()
    return ask(instance, project, project.domain("network"))


def test_files_become_assets_that_tables_depend_on(mesh: MeshFolder) -> None:
    """The file is external; its table is in the group, with columns, checks and owners; the product reads it."""
    specs = {s.key: s for s in definitions(mesh, "network").resolve_all_asset_specs()}
    source, table = specs[file_key("network", "airports")], specs[key("network.airports")]
    assert (source.kinds, source.group_name, list(source.owners)) == (
        {"csv", "file"},
        "network",
        ["team:network"],
    )
    assert [d.asset_key for d in table.deps] == [source.key]
    assert (table.kinds, table.group_name, list(table.owners)) == (
        {"ducklake", "parquet"},
        "network",
        ["team:network"],
    )
    columns = table.metadata["dagster/column_schema"].value.columns
    assert [c.name for c in columns][:2] == ["faa", "alt"]
    assert {"_file", "_line", "_unknown", "_ingested_at"} <= {c.name for c in columns}
    graph = definitions(mesh, "network").resolve_asset_graph()
    assert not graph.get(source.key).is_executable
    assert sorted(k.name for k in graph.get_check_keys_for_assets({table.key})) == CHECKS
    product = {s.key: s for s in definitions(mesh, "sales").resolve_all_asset_specs()}[key("sales.heights")]
    assert [d.asset_key for d in product.deps] == [table.key]


def test_a_run_loads_the_file(mesh: MeshFolder, instance: dg.DagsterInstance) -> None:
    """Rows as metadata, all checks evaluated, and the file told as an asset that moved."""
    result = execute(mesh, "network", ["airports"], instance)
    assert result.success
    (event,) = result.asset_materializations_for_node("network__ingest")
    assert event.metadata["dagster/row_count"].value == 2
    verdicts = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert verdicts == dict.fromkeys(CHECKS, True)
    assert instance.get_latest_materialization_event(file_key("network", "airports")) is not None
    mesh.file("rest/airports.csv", "faa,alt\nJFK,\n")
    again = execute(mesh, "network", ["airports"], instance)
    verdicts = {e.check_name: e.passed for e in again.get_asset_check_evaluations()}
    assert verdicts == dict.fromkeys(CHECKS, True) | {"null_values_alt": False}
    (event,) = again.asset_materializations_for_node("network__ingest")
    assert event.metadata["dagster/row_count"].value == 1


def test_the_sensor_asks_when_a_file_changed(mesh: MeshFolder, instance: dg.DagsterInstance) -> None:
    """At once for a file that was never loaded or has other content, and never for one that was only touched."""
    request = asked(mesh, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [key("network.airports")]
    mesh.ingest("network")
    assert isinstance(asked(mesh, instance), dg.SkipReason)
    (mesh.root / "rest/airports.csv").touch()
    assert isinstance(asked(mesh, instance), dg.SkipReason)
    mesh.file("rest/airports.csv", "faa,alt\nJFK,14\nLGA,22\n")
    assert isinstance(asked(mesh, instance), dg.RunRequest)


def test_a_missing_file_is_a_failed_run_and_a_red_check(
    mesh: MeshFolder, instance: dg.DagsterInstance
) -> None:
    """The sensor asks for a run, which fails with the reason; what was loaded stays."""
    mesh.ingest("network")
    (mesh.root / "rest/airports.csv").unlink()
    assert isinstance(asked(mesh, instance), dg.RunRequest)
    result = execute(mesh, "network", ["airports"], instance)
    assert not result.success
    verdicts = {e.check_name: e.passed for e in result.get_asset_check_evaluations()}
    assert (verdicts["partitions_moving"], verdicts["ledger"]) == (False, True)
    assert mesh.rows("SELECT count(*) FROM network.airports") == [(2,)]
