"""What Dagster is told of the resident ingester's commits, on a real Kafka and real stores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.ingest import PassReport, StreamReport
from mesh_defs.ingest.lease import RESIDENT, lease_of, nudges
from mesh_defs.ingest.report import Trouble
from mesh_defs.model.errors import RecordRefusedError
from mesh_defs.orchestration.measuring import SHARE
from mesh_defs.orchestration.resident import DagsterReporter
from mesh_defs.orchestration.sensor import ask
from tests.conftest import KafkaServer
from tests.meshes import ORDERS as COLUMNS
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import definitions, key, mesh_of_two, order

ORDERS, TOTALS = key("shop.orders"), key("sales.totals")
STOPPED = Trouble(error=RecordRefusedError(cannot="read", why="it is bad", do="mend it"), partition=0)


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer, orders: str) -> MeshFolder:
    """The mesh of two domains on real topics."""
    return mesh_of_two(tmp_path / "mesh", kafka.bootstrap, orders, kafka.topic())


def of_orders(report: PassReport) -> StreamReport:
    """Return what happened to the orders."""
    return next(s for s in report.streams if s.stream == "orders")


def count(instance: dg.DagsterInstance, asset: dg.AssetKey) -> int:
    """Return how often an asset was materialised."""
    return len(instance.fetch_materializations(asset, limit=100).records)


def evaluation(instance: dg.DagsterInstance, check: str) -> dg.AssetCheckEvaluation | None:
    """Return the last evaluation of a check of the orders."""
    wanted = dg.AssetCheckKey(ORDERS, check)
    record = instance.event_log_storage.get_latest_asset_check_execution_by_key([wanted]).get(wanted)
    if record is None or record.event is None or record.event.dagster_event is None:
        return None
    return record.event.dagster_event.asset_check_evaluation_data


def verdict(instance: dg.DagsterInstance, check: str) -> bool | None:
    """Return the last verdict of a check of the orders."""
    found = evaluation(instance, check)
    return None if found is None else found.passed


def metadata_of(instance: dg.DagsterInstance, check: str) -> Mapping[str, dg.MetadataValue]:
    """Return what the last evaluation of a check of the orders says besides."""
    found = evaluation(instance, check)
    assert found is not None
    return found.metadata


def test_a_commit_is_a_materialisation_with_its_checks(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Topic and table, counts and offsets, the ledger and whether all moves; no run."""
    kafka.produce(orders, [order(n) for n in range(5)])
    DagsterReporter(mesh.open(), instance).report(of_orders(mesh.ingest("shop")))
    event = instance.get_latest_materialization_event(ORDERS)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert (metadata["rows"].value, metadata["next_offsets"].value) == (5, "0: 5")
    assert count(instance, dg.AssetKey(["shop", "topic", orders])) == 1
    assert (verdict(instance, "ledger"), verdict(instance, "partitions_moving")) == (True, True)
    assert instance.get_runs() == []


def test_a_stopped_partition_is_a_red_check_until_it_goes_on(
    mesh: MeshFolder, instance: dg.DagsterInstance
) -> None:
    """Each flip is told; what did not move is no materialisation."""
    report = of_orders(mesh.ingest("shop"))
    reporter = DagsterReporter(mesh.open(), instance)
    for troubles, moves in (((), True), ((STOPPED,), False), ((), True)):
        reporter.report(replace(report, troubles=troubles))
        assert verdict(instance, "partitions_moving") is moves
    assert count(instance, ORDERS) == 1


def test_what_a_killed_one_left_untold_is_told_by_the_next(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """The first report of a process says how far the store is; Dagster is told where it does not know."""
    mesh.ingest("shop")
    DagsterReporter(mesh.open(), instance).report(of_orders(mesh.ingest("shop")))
    kafka.produce(orders, [order(1)])
    mesh.ingest("shop")
    nothing_new = of_orders(mesh.ingest("shop"))
    for _ in range(2):
        DagsterReporter(mesh.open(), instance).report(nothing_new)
    assert count(instance, ORDERS) == 2


def test_retried_dead_letters_are_told(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """No offset moves, and the table has another row all the same: products are asked for; once."""
    kafka.produce(orders, [order(1), b'{"customer": "a"}'])
    DagsterReporter(mesh.open(), instance).report(of_orders(mesh.ingest("shop")))
    mesh.stream("shop.orders", orders, ({**COLUMNS[0], "required": False}, COLUMNS[1]))
    folder = mesh.root / "data" / "shop"
    before = nudges(folder)
    (told,) = mesh.cli_json("dead-letters", "retry", "shop.orders")
    assert told["stored"] == 1
    assert nudges(folder) > before
    nothing_new = of_orders(mesh.ingest("shop"))
    for _ in range(2):
        DagsterReporter(mesh.open(), instance).report(nothing_new)
    assert count(instance, ORDERS) == 2
    event = instance.get_latest_materialization_event(ORDERS)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["dagster/row_count"].value == 2


class Watch:
    """A clock that goes on by `step` seconds whenever somebody looks at it."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        """Return the time."""
        self.now += self.step
        return self.now


def test_rules_of_a_large_table_rest_and_are_made_good_for(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Measuring that takes long is not repeated with each report; the last rows are measured all the same."""
    rule = {"type": "library", "metric": "rowCount", "mustBeLessThan": 3, "name": "few"}
    contract = mesh.root / "domains/shop/streams/orders.odcs.yaml"
    document = json.loads(contract.read_text())
    document["schema"][0]["quality"] = [rule]
    contract.write_text(json.dumps(document))
    watch = Watch(10.0)
    reporter = DagsterReporter(mesh.open(), instance, watch)
    kafka.produce(orders, [order(1)])
    reporter.report(of_orders(mesh.ingest("shop")))
    assert (verdict(instance, "ledger"), verdict(instance, "few"), reporter.left()) == (True, None, 0.0)
    reporter.catch_up()
    assert (verdict(instance, "few"), reporter.left()) == (True, None)
    kafka.produce(orders, [order(n) for n in range(5)])
    reporter.report(of_orders(mesh.ingest("shop")))
    assert (verdict(instance, "ledger"), verdict(instance, "few")) == (True, True)
    watch.step = 0.0
    left = reporter.left()
    assert left is not None
    assert 0 < left < 10 * SHARE
    reporter.catch_up()
    assert verdict(instance, "few") is True
    watch.now += left
    reporter.catch_up()
    assert (verdict(instance, "few"), reporter.left()) == (False, None)


def test_the_pace_is_said_with_the_verdict(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Where a table is measured more rarely than it is reported, and only there."""
    kafka.produce(orders, [order(1)])
    report = of_orders(mesh.ingest("shop"))
    for step, pace in (
        (0.0, None),
        (30.0, "took 30 s; measured again after 10 min at the earliest, if rows came"),
    ):
        reporter = DagsterReporter(mesh.open(), instance, Watch(step))
        reporter.report(report)
        reporter.catch_up()
        assert metadata_of(instance, "new_unknown_fields").get("pace") == (
            pace and dg.MetadataValue.text(pace)
        )


def test_products_are_asked_for_after_a_report(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """In another domain, by automation alone."""
    product = definitions(mesh, "sales").assets
    merged = dg.Definitions.merge(definitions(mesh, "shop"), dg.Definitions(assets=product))
    reporter = DagsterReporter(mesh.open(), instance)
    cursor = None
    for _ in range(2):
        kafka.produce(orders, [order(1)])
        reporter.report(of_orders(mesh.ingest("shop")))
        result = dg.evaluate_automation_conditions(
            merged, instance=instance, asset_selection=dg.AssetSelection.assets(TOTALS), cursor=cursor
        )
        cursor = result.cursor
        assert result.get_num_requested(TOTALS) == 1
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=TOTALS))


def test_the_sensor_names_who_ingests(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """It skips while somebody holds the lease, and asks again afterwards."""
    kafka.produce(orders, [order(1)])
    project = mesh.open()
    lease = lease_of(project.data_folder("shop"), RESIDENT)
    assert lease.try_acquire()
    skipped = ask(instance, project, project.domain("shop"))
    assert isinstance(skipped, dg.SkipReason)
    holder = lease.holder()
    assert holder is not None
    assert skipped.skip_message == f"process {holder.pid} ({RESIDENT}) since {holder.since} ingests shop"
    lease.release()
    assert isinstance(ask(instance, project, project.domain("shop")), dg.RunRequest)
