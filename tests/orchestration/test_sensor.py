"""The sensor of a domain, on a real Kafka and real stores."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from mesh_defs.ingest.epoch import accept_epoch
from mesh_defs.orchestration.keys import DOMAIN_TAG, asked_tag, attempt_tag
from mesh_defs.orchestration.sensor import NO_RETRY_TAG, ask
from tests.conftest import KafkaServer
from tests.meshes import MeshFolder
from tests.orchestration.mesh_of_two import definitions, execute, key, mesh_of_two, order


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer, orders: str) -> MeshFolder:
    """The mesh of two domains on real topics, ingested once, so that nothing is new."""
    folder = mesh_of_two(tmp_path / "mesh", kafka.bootstrap, orders, kafka.topic())
    folder.ingest("shop")
    return folder


def asked(mesh: MeshFolder, instance: dg.DagsterInstance) -> dg.RunRequest | dg.SkipReason:
    """Return what a tick does."""
    project = mesh.open()
    return ask(instance, project, project.domain("shop"))


def skipped(mesh: MeshFolder, instance: dg.DagsterInstance) -> str:
    """Return why a tick does nothing."""
    decision = asked(mesh, instance)
    assert isinstance(decision, dg.SkipReason)
    return decision.skip_message or ""


def launched(
    instance: dg.DagsterInstance, mesh: MeshFolder, request: object, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """Record the run that was asked for."""
    assert isinstance(request, dg.RunRequest)
    job = definitions(mesh, "shop").resolve_implicit_global_asset_job_def()
    return instance.create_run_for_job(job, status=status, tags=request.tags)


def test_equal_positions_are_skipped(mesh: MeshFolder, instance: dg.DagsterInstance) -> None:
    """Nothing new, no run."""
    assert skipped(mesh, instance).startswith("no news")


def test_streams_with_news_are_asked_for(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """One run, for those streams that have news, tagged with the domain and what it is for."""
    kafka.produce(orders, [order(1)])
    request = asked(mesh, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [key("shop.orders")]
    assert request.run_key is None
    assert request.tags == {
        DOMAIN_TAG: "shop",
        NO_RETRY_TAG: "0",
        attempt_tag("orders"): "1",
        asked_tag("orders"): "0@0",
    }


def test_streams_of_a_new_domain_are_asked_for_together(
    tmp_path: Path, kafka: KafkaServer, instance: dg.DagsterInstance
) -> None:
    """Before the first pass every stream has news: its table is to be made."""
    mesh = mesh_of_two(tmp_path / "mesh", kafka.bootstrap, kafka.topic(), kafka.topic())
    request = asked(mesh, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [key("shop.orders"), key("shop.returns")]


@pytest.mark.fault(45)
@pytest.mark.parametrize(
    "status",
    [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ],
)
def test_a_run_under_way_is_not_asked_for_again(
    mesh: MeshFolder,
    instance: dg.DagsterInstance,
    kafka: KafkaServer,
    orders: str,
    status: dg.DagsterRunStatus,
) -> None:
    """Never twice for the same news, nor for later ones while the first run goes."""
    kafka.produce(orders, [order(1)])
    run = launched(instance, mesh, asked(mesh, instance), status)
    kafka.produce(orders, [order(2)])
    assert skipped(mesh, instance) == f"run {run.run_id[:8]} is under way ({status.value})"


def test_a_run_of_another_domain_is_no_hindrance(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Domains do not wait for each other."""
    kafka.produce(orders, [order(1)])
    job = definitions(mesh, "shop").resolve_implicit_global_asset_job_def()
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags={DOMAIN_TAG: "other"})
    assert isinstance(asked(mesh, instance), dg.RunRequest)


@pytest.mark.fault(45)
@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_after_a_failure_it_asks_again_and_then_waits(
    mesh: MeshFolder,
    instance: dg.DagsterInstance,
    kafka: KafkaServer,
    orders: str,
    status: dg.DagsterRunStatus,
) -> None:
    """The second attempt at once, the third later; news that nobody was asked for yet do not wait."""
    kafka.produce(orders, [order(1)])
    launched(instance, mesh, asked(mesh, instance), status)
    second = asked(mesh, instance)
    launched(instance, mesh, second, status)
    assert isinstance(second, dg.RunRequest)
    assert second.tags[attempt_tag("orders")] == "2"
    assert skipped(mesh, instance).startswith("orders: attempt 2 failed; the next one is in")
    mesh.ingest("shop", "orders")
    kafka.produce(orders, [order(2)])
    third = asked(mesh, instance)
    assert isinstance(third, dg.RunRequest)
    assert third.tags[attempt_tag("orders")] == "2"


@pytest.mark.fault(45)
def test_a_run_that_did_its_work_leaves_no_news(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Committed offsets equal the broker's."""
    kafka.produce(orders, [order(1)])
    assert isinstance(asked(mesh, instance), dg.RunRequest)
    assert execute(mesh, "shop", ["orders"], instance).success
    assert skipped(mesh, instance).startswith("no news")


def test_products_get_their_turn_between_two_runs(
    mesh: MeshFolder,
    instance: dg.DagsterInstance,
    kafka: KafkaServer,
    orders: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stream that always has news would else keep its products waiting for ever."""
    kafka.produce(orders, [order(1)])
    run = launched(instance, mesh, asked(mesh, instance), dg.DagsterRunStatus.STARTED)
    success = dg.DagsterEvent(event_type_value=dg.DagsterEventType.RUN_SUCCESS.value, job_name=run.job_name)
    instance.report_dagster_event(success, run.run_id)
    monkeypatch.setattr("mesh_defs.orchestration.sensor.REST_SECONDS", 3_600.0)
    assert "products have" in skipped(mesh, instance)
    monkeypatch.setattr("mesh_defs.orchestration.sensor.REST_SECONDS", 0.0)
    assert isinstance(asked(mesh, instance), dg.RunRequest)


@pytest.mark.fault(9, 45)
def test_after_a_decision_it_asks_although_nothing_is_new(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Else the checks of a stream that a person put right would stay red until its next record."""
    kafka.delete_topic(orders)
    kafka.topic(name=orders)
    launched(instance, mesh, asked(mesh, instance), dg.DagsterRunStatus.FAILURE)
    project = mesh.open()
    accept_epoch(project, project.domain("shop").stream("orders"), "the test cluster was rebuilt")
    request = asked(mesh, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [key("shop.orders")]
    assert request.tags[asked_tag("orders")].startswith("decided@")
    launched(instance, mesh, request, dg.DagsterRunStatus.SUCCESS)
    assert skipped(mesh, instance).startswith("no news")


def test_a_missing_topic_is_asked_for(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """Only a failed run is loud."""
    kafka.delete_topic(orders)
    request = asked(mesh, instance)
    assert isinstance(request, dg.RunRequest)
    assert request.asset_selection == [key("shop.orders")]
    assert request.tags[asked_tag("orders")] == "!TopicMissingError"


@pytest.mark.fault(45)
def test_a_broker_that_is_down_is_one_sentence(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No exception, no run; both streams wait for the cluster once, together."""
    monkeypatch.setattr("mesh_defs.orchestration.sensor.BROKER_SECONDS", 1.0)
    reason = skipped(mesh_of_two(tmp_path / "mesh"), instance)
    assert "127.0.0.1:1" in reason or "does not answer" in reason
    assert "\n" not in reason


@pytest.mark.fault(45)
def test_the_sensor_itself_asks(
    mesh: MeshFolder, instance: dg.DagsterInstance, kafka: KafkaServer, orders: str
) -> None:
    """As the daemon would evaluate it, through the definitions; a crash after a tick loses no cursor: there is none."""
    kafka.produce(orders, [order(1)])
    defs = definitions(mesh, "shop")
    sensor = defs.resolve_sensor_def("shop__ingest")
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    tick = sensor.evaluate_tick(context)
    assert [r.asset_selection for r in tick.run_requests or []] == [[key("shop.orders")]]
    assert tick.cursor is None


def test_tags_of_the_longest_names_are_dagsters() -> None:
    """Dagster warns of a tag that is too long; two long names must not share one."""
    tags = {attempt_tag("a" * 63), attempt_tag("a" * 62 + "b"), asked_tag("a" * 63), attempt_tag("a")}
    assert len(tags) == 4
    dg.RunRequest(tags=dict.fromkeys(tags, "1"))
    dg.DagsterRun(job_name="any", run_id="any", tags=dict.fromkeys(tags, "1"))
