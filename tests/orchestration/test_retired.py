"""A retired stream keeps its table and its check, and loses its sensor and its ingest."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.contract.project import Project
from mesh_defs.ingest import StreamReport
from mesh_defs.model.corrections import LossAcknowledgement, LostRange
from mesh_defs.model.micros import from_micros
from mesh_defs.orchestration.checks import moving_result
from mesh_defs.orchestration.keys import LEDGER_CHECK
from mesh_defs.store import PartitionOffsets, StreamOffsets
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import definitions
from tests.store import kit


@pytest.fixture
def mesh(tmp_path: Path) -> MeshFolder:
    """A domain of one retired stream; no broker runs."""
    folder = MeshFolder(tmp_path / "mesh", "localhost:1")
    path = folder.stream("shop.orders", "orders")
    path.write_text(path.read_text().replace('"active"', '"retired"'))
    return folder


def test_a_retired_stream_is_a_table_with_a_ledger_check_and_nothing_else(mesh: MeshFolder) -> None:
    """No sensor asks for it and no body fills it; its check can be run."""
    defs = definitions(mesh, "shop")
    graph = defs.resolve_asset_graph()
    orders = dg.AssetKey(["shop", "orders"])
    assert not graph.get(orders).is_executable
    assert graph.asset_check_keys == {dg.AssetCheckKey(orders, LEDGER_CHECK)}
    assert list(defs.sensors or ()) == []


def test_the_ledger_of_a_retired_stream_is_recounted(mesh: MeshFolder) -> None:
    """The check reads the tables; that no broker runs is no matter."""
    project = mesh.open()
    folder = project.data_folder("shop")
    assert not folder.exists()
    (checks,) = definitions(mesh, "shop").asset_checks or ()
    assert isinstance(checks, dg.AssetChecksDefinition)
    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [checks],
            instance=instance,
            selection=dg.AssetSelection.all_asset_checks(),
            raise_on_error=False,
        )
        (result,) = done.get_asset_check_evaluations()
    # There is no store, and the check says so instead of passing.
    assert not result.passed


def test_lost_offsets_turn_the_check_red_until_somebody_takes_note(mesh: MeshFolder) -> None:
    """Although the pass brought every partition to its end."""
    contract = Project.open(mesh.root).domain("shop").streams[0]
    key = dg.AssetKey(["shop", "orders"])
    report = StreamReport(domain="shop", stream="orders")
    partition = PartitionOffsets(start_offset=0, next_offset=5, lost=3)
    lost = StreamOffsets(epoch=0, identity=kit.IDENTITY, partitions={0: partition})
    red = moving_result(report, contract, lost, key)
    assert not red.passed
    assert "mesh loss acknowledge shop.orders" in (red.description or "")
    span = LostRange(epoch=0, partition=0, from_offset=1, to_offset=4)
    said = LossAcknowledgement(stream="orders", by="ann", reason="known", ranges=(span,))
    assert moving_result(report, contract, lost.with_acknowledgement(said, from_micros(0)), key).passed
