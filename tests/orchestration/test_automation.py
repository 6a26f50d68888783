"""When products are computed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import definitions, key, mesh_of_two

ORDERS, TOTALS = key("shop.orders"), key("sales.totals")


class Daemon:
    """Evaluates the conditions of a mesh tick by tick, as the daemon does over all code locations.

    Args:
        mesh: The project.
        instance: Dagster.
    """

    def __init__(self, mesh: MeshFolder, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._defs = dg.Definitions.merge(definitions(mesh, "shop"), _own(definitions(mesh, "sales")))
        self._cursor: dg.AssetDaemonCursor | None = None

    def tick(self) -> set[dg.AssetKey]:
        """Return the keys that are asked for."""
        result = dg.evaluate_automation_conditions(
            self._defs,
            instance=self.instance,
            asset_selection=dg.AssetSelection.assets(TOTALS),
            cursor=self._cursor,
        )
        self._cursor = result.cursor
        return {TOTALS} if result.get_num_requested(TOTALS) else set()

    def ingested(self, *, holds: bool = True) -> None:
        """Report, without a run, that the orders moved, and what their ledger check found."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=ORDERS))
        evaluation = dg.AssetCheckEvaluation(
            asset_key=ORDERS, check_name="ledger", passed=holds, metadata={}, blocking=True
        )
        self.instance.report_runless_asset_event(evaluation)

    def computed(self) -> None:
        """Report, without a run, that the product was computed."""
        self.instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=TOTALS))


def _own(defs: dg.Definitions) -> dg.Definitions:
    """Return definitions without the executor, which can stand only once in merged ones."""
    return dg.Definitions(assets=defs.assets)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon over the mesh of two domains."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield Daemon(mesh_of_two(tmp_path), instance)


def test_a_product_waits_for_its_inputs(daemon: Daemon) -> None:
    """Nothing is asked for before the input's first materialisation; then at once, in another domain."""
    assert daemon.tick() == set()
    daemon.ingested()
    assert daemon.tick() == {TOTALS}


def test_a_product_is_asked_for_at_the_first_tick(daemon: Daemon) -> None:
    """Inputs that were there before the daemon started count."""
    daemon.ingested()
    assert daemon.tick() == {TOTALS}


def test_a_product_follows_each_move_of_its_input(daemon: Daemon) -> None:
    """Once a move, and no more."""
    daemon.ingested()
    daemon.tick()
    for _ in range(2):
        daemon.computed()
        assert daemon.tick() == set()
        daemon.ingested()
        assert daemon.tick() == {TOTALS}


def test_a_broken_ledger_holds_the_product_back(daemon: Daemon) -> None:
    """What is known to be incomplete is not spread, neither at first nor later."""
    daemon.ingested(holds=False)
    assert daemon.tick() == set()
    daemon.ingested()
    assert daemon.tick() == {TOTALS}
    daemon.computed()
    daemon.ingested(holds=False)
    assert daemon.tick() == set()
    daemon.ingested()
    assert daemon.tick() == {TOTALS}


def test_an_update_during_the_products_own_run_is_not_forgotten(daemon: Daemon) -> None:
    """What moved after the product was asked for is asked for again, although the product came later."""
    daemon.ingested()
    assert daemon.tick() == {TOTALS}
    daemon.ingested()
    daemon.computed()
    assert daemon.tick() == {TOTALS}
