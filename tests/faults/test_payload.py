"""No payload outside the tables: a canary in records, keys and headers is sung nowhere else."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.canary import CANARY, nowhere, sung
from tests.conftest import KafkaServer
from tests.dagsters import dagster_on_disk
from tests.meshes import ORDERS, MeshFolder
from tests.orchestration.mesh_of_two import execute


def records(*, bad: bool) -> list[dict[str, object]]:
    """Return records with the canary everywhere in them, good ones, or bad ones of several kinds."""
    number = {"order_id": 1, "customer": CANARY}
    values = [
        json.dumps(number | {"note": CANARY}).encode(),
        json.dumps(number).encode(),
        None,
    ]
    broken = [
        CANARY.encode(),
        b"\xff" + CANARY.encode(),
        json.dumps({"order_id": CANARY}).encode(),
        json.dumps({"customer": CANARY}).encode(),
        json.dumps({"order_id": 1, "customer": [CANARY]}).encode(),
        json.dumps({"order_id": 1, "customer": {CANARY: CANARY}}).encode(),
        json.dumps({"order_id": 1.5, "customer": CANARY}).encode(),
    ]
    key, headers = CANARY.encode(), [("trace", CANARY.encode())]
    return [{"value": value, "key": key, "headers": headers} for value in (broken if bad else values)]


@pytest.fixture
def mesh(tmp_path: Path, kafka: KafkaServer) -> MeshFolder:
    """A mesh with three streams of canaries: dead letters are kept, stop the stream, or are too many."""
    folder = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    kinds = {
        "kept": {"maxDeadLetterRatio": 1},
        "strict": {"onError": "fail"},
        "flooded": {"onUnknownField": "dead_letter"},
    }
    for name, custom in kinds.items():
        topic = kafka.topic()
        folder.stream(f"shop.{name}", topic, ORDERS, **custom)
        kafka.produce(topic, records(bad=False) + records(bad=True) * (40 if name == "flooded" else 1))
    return folder


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster with files, so that a test sees what it leaves on the disk."""
    with dagster_on_disk(tmp_path / "home") as opened:
        yield opened


def in_the_tables(mesh: MeshFolder) -> None:
    """Assert that the canary is where it belongs, so that it could have been sung elsewhere."""
    assert mesh.rows("SELECT count(*) > 0 FROM shop.kept WHERE customer = ?".replace("?", f"'{CANARY}'")) == [
        (True,)
    ]
    assert mesh.rows("SELECT count(*) FROM shop.dead_letters WHERE stream = 'kept'") == [(7,)]


def test_a_pass_says_nothing_of_what_records_say(mesh: MeshFolder) -> None:
    """Neither its results nor its errors, logs, status or failures; not even with tracebacks and every logger on."""
    said = [mesh.cli("--verbose", "ingest", check=False)]
    said += [
        mesh.cli(*words, check=False)
        for words in (("ingest", "--json"), ("status",), ("status", "--json"), ("ledger", "verify"))
    ]
    assert said[0].returncode == 1
    assert [done.args for done in said if sung((done.stdout + done.stderr).encode())] == []
    in_the_tables(mesh)
    nowhere(mesh.root)


def test_a_dagster_run_says_nothing_of_what_records_say(
    mesh: MeshFolder, instance: dg.DagsterInstance, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither events, metadata and checks, nor compute logs and storage, nor the logs of any library."""
    caplog.set_level(logging.DEBUG)
    result = execute(mesh, "shop", ["kept", "strict", "flooded"], instance)
    assert not result.success
    events = [str(event) for event in result.all_events]
    entries = [str(entry) for entry in instance.all_logs(result.run_id)]
    assert events
    assert entries
    assert [text for text in (*events, *entries, caplog.text) if sung(text.encode())] == []
    in_the_tables(mesh)
    nowhere(tmp_path / "home")
    nowhere(mesh.root)


@pytest.mark.parametrize(
    "expression",
    [
        "customer::INT",
        pytest.param("strptime(customer, '%Y')", marks=pytest.mark.slow),
        pytest.param("(customer::JSON->>'$.a')::INT", marks=pytest.mark.slow),
        pytest.param("error(customer)", marks=pytest.mark.slow),
    ],
)
def test_a_product_says_nothing_of_what_records_say(
    mesh: MeshFolder, instance: dg.DagsterInstance, tmp_path: Path, expression: str
) -> None:
    """DuckDB's words on a row that it cannot compute hold the row's value; on SQL alone they are repeated."""
    mesh.cli("ingest", check=False)
    columns = ({"name": "n", "logicalType": "string"},)
    mesh.product("sales.bad", f"SELECT ({expression})::VARCHAR AS n FROM shop.kept", columns)  # noqa: S608
    done = mesh.cli("--verbose", "build", "sales.bad", check=False)
    assert done.returncode == 1
    assert "in the rows of its inputs" in done.stderr
    result = execute(mesh, "sales", ["bad"], instance)
    assert not result.success
    entries = [str(entry) for entry in instance.all_logs(result.run_id)]
    assert [text for text in (done.stdout, done.stderr, *entries) if sung(text.encode())] == []
    nowhere(tmp_path / "home")
    mesh.product("sales.bad", "SELECT nothing AS n FROM shop.kept", columns)
    assert '"nothing" not found' in mesh.cli("build", "sales.bad", check=False).stderr
