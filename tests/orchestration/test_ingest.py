"""A run of event tables, on a real Kafka."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import KafkaServer
from tests.dagsters import dagster_on_disk
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import definitions, execute, key, mesh_of_two, order

CHECKS = {
    ("orders", "ledger"),
    ("orders", "partitions_moving"),
    ("orders", "new_unknown_fields"),
    ("returns", "ledger"),
    ("returns", "partitions_moving"),
    ("returns", "new_unknown_fields"),
}


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> MeshFolder:
    """The mesh of two domains on real topics."""
    return mesh_of_two(tmp_path / "mesh", kafka.bootstrap, kafka.topic(), kafka.topic())


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster with files, so that a test sees what it leaves on the disk."""
    with dagster_on_disk(tmp_path / "home") as opened:
        yield opened


def topic_of(mesh: MeshFolder, stream: str) -> str:
    """Return the topic of a stream of `shop`."""
    found = mesh.open().domain("shop").stream(stream)
    assert found is not None
    return found.topic


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], bool]:
    """Return which checks were evaluated, and whether they passed."""
    found = [
        e.asset_check_evaluation_data
        for e in result.all_events
        if e.event_type_value == "ASSET_CHECK_EVALUATION"
    ]
    return {(e.asset_key.path[-1], e.check_name): e.passed for e in found}


def moved(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Return the metadata of each materialisation of the run."""
    return {
        e.asset_key.path[-1]: {
            k: v.value for k, v in e.step_materialization_data.materialization.metadata.items()
        }
        for e in result.all_events
        if e.event_type_value == "ASSET_MATERIALIZATION" and e.asset_key
    }


def test_a_run_ingests_and_tells(mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance) -> None:
    """One pass for both streams; counts are numbers, offsets are text, both checks are green."""
    kafka.produce(topic_of(mesh, "orders"), [order(1), order(2), b"not json"])
    result = execute(mesh, "shop", ["orders", "returns"], instance)
    assert result.success
    told = moved(result)
    assert told["orders"]["rows"] == 2
    assert told["orders"]["dagster/row_count"] == 2
    assert told["orders"]["dead_letters"] == 1
    assert told["orders"]["lag"] == 0
    assert told["orders"]["offsets"] == "0: 0 to 3"
    assert told["returns"]["rows"] == 0
    assert checks(result) == dict.fromkeys(CHECKS, True)
    assert mesh.rows("SELECT count(*) FROM shop.orders") == [(2,)]


def test_a_topic_that_moved_is_told_without_a_run(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """A materialisation of the topic with its end offsets; a topic at rest is not told again."""
    topic = topic_of(mesh, "orders")
    asset = dg.AssetKey(["shop", "topic", topic])
    kafka.produce(topic, [order(1)])
    for _ in range(2):
        assert execute(mesh, "shop", ["orders"], instance).success
    events = instance.fetch_materializations(asset, limit=10).records
    assert len(events) == 1
    materialization = events[0].asset_materialization
    assert materialization is not None
    assert materialization.metadata["end_offsets"].value == "0: 1"


def test_a_run_reads_only_what_it_selected(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """The other stream stays where it was."""
    for stream in ("orders", "returns"):
        kafka.produce(topic_of(mesh, stream), [order(1)])
    result = execute(mesh, "shop", ["returns"], instance)
    assert set(moved(result)) == {"returns"}
    assert {table for table, _ in checks(result)} == {"returns"}


def test_a_failed_stream_does_not_stop_the_others(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """The good stream is materialised; the run fails with the bad one's reason, whose check is red."""
    mesh.stream("shop.orders", topic_of(mesh, "orders"), onError="fail")
    kafka.produce(topic_of(mesh, "orders"), [b"secret words"])
    kafka.produce(topic_of(mesh, "returns"), [order(1)])
    result = execute(mesh, "shop", ["orders", "returns"], instance)
    assert not result.success
    assert set(moved(result)) == {"returns"}
    assert checks(result) == dict.fromkeys(CHECKS, True) | {("orders", "partitions_moving"): False}
    failure = next(e for e in result.all_events if e.event_type_value == "STEP_FAILURE").step_failure_data
    assert failure.user_failure_data is not None
    assert str(failure.user_failure_data.description).startswith("cannot read shop.orders partition 0")
    assert "secret" not in json.dumps([str(e) for e in result.all_events])


def test_what_a_stopped_stream_committed_is_told(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """Rows before the bad record stand in the table, so the products must hear of them."""
    mesh.stream("shop.orders", topic_of(mesh, "orders"), onError="fail")
    kafka.produce(topic_of(mesh, "orders"), [order(1), b"bad", order(2)])
    result = execute(mesh, "shop", ["orders"], instance)
    assert not result.success
    told = moved(result)["orders"]
    assert told["rows"] == 1
    assert "beyond offset 1" in str(told["stopped"])


def test_a_broken_ledger_is_red(mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance) -> None:
    """A file that vanished under the table fails the check, and the run."""
    kafka.produce(topic_of(mesh, "orders"), [order(n) for n in range(20_000)])
    assert execute(mesh, "shop", ["orders"], instance).success
    for path in (mesh.root / "data" / "shop" / "files").rglob("orders/*.parquet"):
        path.unlink()
    result = execute(mesh, "shop", ["orders"], instance)
    assert checks(result)[("orders", "ledger")] is False
    assert not result.success


def test_a_product_is_computed_and_told(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """Rows and the snapshots of its inputs."""
    kafka.produce(topic_of(mesh, "orders"), [order(n) for n in range(9)])
    assert execute(mesh, "shop", ["orders"], instance).success
    result = execute(mesh, "sales", ["totals"], instance)
    assert result.success
    told = moved(result)["totals"]
    assert told["dagster/row_count"] == 3
    assert str(told["input_snapshots"]).startswith("shop.orders: ")
    assert mesh.rows("SELECT orders FROM sales.totals ORDER BY customer") == [(3,), (3,), (3,)]


def test_a_product_without_its_input_fails_with_one_sentence(
    mesh: MeshFolder, instance: dg.DagsterInstance
) -> None:
    """The message says what is missing and what to do."""
    result = execute(mesh, "sales", ["totals"], instance)
    failure = next(e for e in result.all_events if e.event_type_value == "STEP_FAILURE").step_failure_data
    assert failure.user_failure_data is not None
    assert "shop.orders has no table yet" in str(failure.user_failure_data.description)


def test_nothing_is_pickled(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """No value travels through Dagster's storage."""
    kafka.produce(topic_of(mesh, "orders"), [order(1)])
    assert execute(mesh, "shop", ["orders", "returns"], instance).success
    assert execute(mesh, "sales", ["totals"], instance).success
    stored = [p for p in (tmp_path / "home" / "storage").rglob("*") if p.is_file()]
    assert [p for p in stored if "compute_logs" not in p.parts] == []


@pytest.mark.fault(44)
def test_every_run_stays_in_its_process(mesh: MeshFolder) -> None:
    """Runs are not split over processes: half the time, half the memory."""
    for domain in ("shop", "sales"):
        assert definitions(mesh, domain).executor is dg.in_process_executor
    assert definitions(mesh, "shop").resolve_asset_graph().get(key("shop.orders")).is_executable


def test_a_check_is_executed_alone(
    mesh: MeshFolder, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """The button on a check's page makes a pass for its stream and evaluates that check, and nothing else."""
    kafka.produce(topic_of(mesh, "orders"), [order(1)])
    kafka.produce(topic_of(mesh, "returns"), [order(1)])
    assets = list(definitions(mesh, "shop").assets or ())
    check = dg.AssetCheckKey(key("shop.orders"), "ledger")
    result = dg.materialize(
        [a for a in assets if isinstance(a, dg.AssetsDefinition)],
        selection=dg.AssetSelection.checks(check),
        instance=instance,
    )
    assert result.success
    assert checks(result) == {("orders", "ledger"): True}
    assert instance.get_latest_materialization_event(key("shop.orders")) is not None
    assert instance.get_latest_materialization_event(key("shop.returns")) is None
