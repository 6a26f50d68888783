"""The command line as others script it: results on standard output, one line an error, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from mesh_defs.store import DomainStore
from tests.conftest import KafkaServer
from tests.meshes import ROOT, MeshFolder

BY_CUSTOMER = (
    {"name": "customer", "logicalType": "string", "required": True, "primaryKey": True},
    {"name": "orders", "logicalType": "integer", "required": True},
)


@pytest.fixture
def shop(tmp_path: Path, kafka: KafkaServer) -> tuple[MeshFolder, str]:
    """A stream with two good records and a bad one on partition 0, and a product."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    topic = kafka.topic(partitions=2)
    mesh.stream("shop.orders", topic, partitions=2)
    mesh.product(
        "sales.by_customer", "SELECT customer, count(*) AS orders FROM shop.orders GROUP BY ALL", BY_CUSTOMER
    )
    kafka.produce(topic, [b'{"order_id":1,"customer":"a"}', b"{", b'{"order_id":2,"customer":"a"}'])
    return mesh, topic


def test_the_way_of_an_event_by_commands(shop: tuple[MeshFolder, str]) -> None:
    """Status, ingest, status, build, sql, dead letters and verification, each in JSON."""
    mesh, _ = shop
    before = mesh.cli_json("status")
    assert [(s["partition"], s["next_offset"], s["end_offset"], s["state"]) for s in before] == [
        (0, None, 3, "new"),
        (1, None, 0, "new"),
    ]
    ingested = mesh.cli_json("ingest")
    assert set(ingested[0]) == {
        "domain", "stream", "partition", "epoch", "from_offset", "to_offset",
        "row_count", "dead_letter_count", "gaps", "snapshot",
    }  # fmt: skip
    first = {
        name: ingested[0][name]
        for name in ("from_offset", "to_offset", "row_count", "dead_letter_count", "gaps")
    }
    assert first == {"from_offset": 0, "to_offset": 3, "row_count": 2, "dead_letter_count": 1, "gaps": []}
    after = mesh.cli_json("status")
    assert set(after[0]) == {
        "domain", "stream", "partition", "epoch", "next_offset", "end_offset", "lag", "rows",
            "last_commit_at",
        "state", "error", "holder", "held_back_at", "held_back_since",
    }  # fmt: skip
    assert [(s["next_offset"], s["lag"], s["state"], s["error"]) for s in after] == [
        (3, 0, "current", None),
        (0, 0, "current", None),
    ]
    assert mesh.cli_json("build")[0]["row_count"] == 1
    rows = json.loads(mesh.cli("sql", "FROM sales.by_customer", "--format", "json").stdout)
    assert rows == [{"customer": "a", "orders": 2}]
    (letter,) = mesh.cli_json("dead-letters", "list")
    assert (letter["stream"], letter["partition"], letter["offset"], letter["stage"]) == (
        "orders",
        0,
        1,
        "decode",
    )
    (whole,) = mesh.cli_json("dead-letters", "show", "shop.orders", "0", "1")
    assert whole["value"] == "ew=="
    (verified,) = mesh.cli_json("ledger", "verify")
    assert (verified["offsets"], verified["broker_records"], verified["violations"]) == (3, 3, [])
    assert mesh.cli("store", "maintain").returncode == 0
    assert mesh.cli_json("ledger", "verify")[0]["violations"] == []


def test_only_the_result_is_on_standard_output(shop: tuple[MeshFolder, str]) -> None:
    """JSON parses whole; progress and errors are on standard error."""
    mesh, _ = shop
    done = mesh.cli("ingest", "--json")
    assert isinstance(json.loads(done.stdout), list)
    assert done.stderr == ""


def test_sql_in_every_format(shop: tuple[MeshFolder, str], tmp_path: Path) -> None:
    """CSV and a table for eyes; Arrow is an IPC stream."""
    mesh, _ = shop
    mesh.cli("ingest")
    assert (
        mesh.cli("sql", "SELECT order_id FROM shop.orders ORDER BY 1", "--format", "csv").stdout
        == "order_id\n1\n2\n"
    )
    assert mesh.cli("sql", "SELECT 1 AS x").stdout.splitlines()[-1] == "(1 row)"
    path = tmp_path / "out.arrow"
    with path.open("wb") as out:
        command = [
            sys.executable,
            "-m",
            "mesh_defs.cli",
            "--project",
            str(mesh.root),
            "sql",
            "SELECT 1 AS x",
            "-f",
            "arrow",
        ]
        subprocess.run(command, stdout=out, check=True)
    assert pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist() == [{"x": 1}]


@pytest.mark.parametrize(
    "query",
    ["DELETE FROM shop.orders", "CREATE TABLE shop.x (a INT)", "SELECT 1; SELECT 2", "ATTACH 'x.db'", "SELEC 1",
     "COPY shop.orders TO 'x.csv'", "INSTALL httpfs"],
)  # fmt: skip
def test_sql_only_reads(shop: tuple[MeshFolder, str], query: str) -> None:
    """Anything else is one line and exit code 1."""
    mesh, _ = shop
    mesh.cli("ingest")
    done = mesh.cli("sql", query, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mesh: cannot ")
    assert len(done.stderr.splitlines()) == 1


def test_a_failed_stream_is_exit_code_1_with_the_others_done(
    shop: tuple[MeshFolder, str], kafka: KafkaServer
) -> None:
    """The error is one line on standard error, and `mesh status` repeats it."""
    mesh, _ = shop
    mesh.stream("shop.gone", "no-such-topic")
    done = mesh.cli("ingest", "--json", check=False)
    assert done.returncode == 1
    assert sum(line["row_count"] for line in json.loads(done.stdout)) == 2
    assert [line[:12] for line in done.stderr.splitlines()] == ["mesh: cannot"]
    states = {(s["stream"], s["state"]) for s in mesh.cli_json("status")}
    assert ("gone", "stopped") in states


def test_a_broken_domain_leaves_the_others_working(shop: tuple[MeshFolder, str]) -> None:
    """Its findings are told, the exit code is 1, and the other domains are ingested."""
    mesh, _ = shop
    (mesh.domain("bad") / "streams" / "s.odcs.yaml").write_text("kind: DataContract\nnope: 1\n")
    done = mesh.cli("ingest", "--json", check=False)
    assert done.returncode == 1
    assert "nope" in done.stderr
    assert sum(line["row_count"] for line in json.loads(done.stdout)) == 2
    status = mesh.cli("status", check=False)
    assert status.returncode == 1
    assert any(
        line.split()[:1] == ["bad.*"] and line.split()[-1] == "broken" for line in status.stdout.splitlines()
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ingest", "nowhere"), "no domain of that name"),
        (("ingest", "shop.nothing"), "name one of: shop.orders"),
        (("dead-letters", "show", "shop.orders", "0", "99"), "there is none"),
        (("process", "run", "nothing"), "nothing"),
    ],
)
def test_wrong_names_are_one_clear_line(
    shop: tuple[MeshFolder, str], arguments: tuple[str, ...], words: str
) -> None:
    """What cannot be done, why, and what to do."""
    mesh, _ = shop
    mesh.cli("ingest")
    done = mesh.cli(*arguments, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_verbose_shows_the_traceback(shop: tuple[MeshFolder, str]) -> None:
    """And only then."""
    mesh, _ = shop
    assert "Traceback" not in mesh.cli("ingest", "nowhere", check=False).stderr
    assert "Traceback" in mesh.cli("--verbose", "ingest", "nowhere", check=False).stderr


def test_a_hole_is_named_and_exit_code_1(shop: tuple[MeshFolder, str]) -> None:
    """A row that is gone from the table is a violation with its coordinates."""
    mesh, _ = shop
    mesh.cli("ingest")
    folder = mesh.open().data_folder("shop")
    with DomainStore.open(folder, "shop") as store:
        store.connection.execute("DELETE FROM shop.orders WHERE _offset = 2")
    done = mesh.cli("ledger", "verify", check=False)
    assert done.returncode == 1
    assert "shop.orders" in done.stderr or "orders" in done.stderr
    assert "2" in done.stderr


def test_topics_are_created_and_never_altered(tmp_path: Path, kafka: KafkaServer) -> None:
    """A second apply changes nothing; a difference is told with both values and exit code 1."""
    mesh = MeshFolder(tmp_path / "mesh", kafka.bootstrap)
    path = mesh.stream("shop.orders", f"topic-{tmp_path.name}", partitions=2)
    assert [t["action"] for t in mesh.cli_json("topics", "apply")] == ["create"]
    assert [t["action"] for t in mesh.cli_json("topics", "apply")] == ["ok"]
    path.write_text(path.read_text().replace('"value": 2', '"value": 3'))
    done = mesh.cli("topics", "apply", "--json", check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)[0]["action"] == "differs"


def test_a_store_that_cannot_be_read_leaves_the_others_working(shop: tuple[MeshFolder, str]) -> None:
    """Each command tells of it, does the rest, and ends with code 1."""
    mesh, topic = shop
    mesh.stream("sales.copies", topic)
    mesh.cli("ingest")
    (mesh.root / "data" / "sales" / "catalog.sqlite").write_bytes(b"garbage")
    for path in (mesh.root / "data" / "sales").glob("catalog.sqlite-*"):
        path.unlink()
    done = mesh.cli("status", "--json", check=False)
    assert done.returncode == 1
    states = {(line["domain"], line["stream"]): line for line in json.loads(done.stdout)}
    assert states["sales", "*"]["state"] == "broken"
    assert "not a database" in states["sales", "*"]["error"]
    assert states["shop", "orders"]["state"] == "current"
    for command in (
        ("ledger", "verify"), ("stream", "epochs"), ("store", "maintain"), ("dead-letters", "list"), ("loss", "list"),
    ):  # fmt: skip
        done = mesh.cli(*command, check=False)
        assert done.returncode == 1, command
        assert done.stderr.count("store of domain sales") == 1, command
    assert "holds" in mesh.cli("ledger", "verify", check=False).stdout
    rows = mesh.cli("sql", "SELECT count(*) AS n FROM shop.orders", "--json")
    assert json.loads(rows.stdout) == [{"n": 2}]
    assert "store of domain sales" in rows.stderr


def test_a_record_does_not_talk_to_the_terminal(shop: tuple[MeshFolder, str], kafka: KafkaServer) -> None:
    """Control characters are written out, and words between colons stay words."""
    mesh, topic = shop
    kafka.produce(topic, [{"value": b"\x1b]0;title\x07 :key: {", "key": b"\x1b[2J"}])
    mesh.cli("ingest")
    shown = mesh.cli("dead-letters", "show", "shop.orders", "0", "3").stdout
    assert "\x1b" not in shown
    assert "\\u001b]0;title\\u0007 :key: {" in shown
    assert "\x1b" not in mesh.cli("topics", "peek", topic).stdout
    assert ":x: 10:key:00" in mesh.cli("sql", "SELECT ':x: 10:key:00' AS a").stdout


def test_topics_of_a_broken_domain_are_not_forgotten_silently(shop: tuple[MeshFolder, str]) -> None:
    """The others are compared, and the exit code is 1."""
    mesh, topic = shop
    (mesh.domain("bad") / "streams" / "s.odcs.yaml").write_text("kind: DataContract\nnope: 1\n")
    done = mesh.cli("topics", "apply", "--json", check=False)
    assert done.returncode == 1
    assert [t["topic"] for t in json.loads(done.stdout)] == [topic]


def test_peeking_shows_the_newest_records_of_any_topic(
    shop: tuple[MeshFolder, str], kafka: KafkaServer
) -> None:
    """Over all partitions, by their time; bytes are base64 for programs and text for people; nothing is stored."""
    mesh, _ = shop
    topic = kafka.topic(partitions=2)
    assert mesh.cli_json("topics", "peek", topic) == []
    kafka.produce(topic, [{"value": b"old", "timestamp": 1_000}])
    kafka.produce(
        topic,
        [{"value": b"\xff", "key": b"k", "headers": [("h", b"v"), ("none", None)], "timestamp": 2_000}],
        partition=1,
    )
    kafka.produce(topic, [{"value": None, "timestamp": 3_000}])
    newest = mesh.cli_json("topics", "peek", topic, "--count", "2")
    assert newest == [
        {
            "partition": 1,
            "offset": 0,
            "timestamp": 2_000,
            "key": "aw==",
            "headers": [{"name": "h", "value": "dg=="}, {"name": "none", "value": None}],
            "value": "/w==",
        },
        {"partition": 0, "offset": 1, "timestamp": 3_000, "key": None, "headers": [], "value": None},
    ]
    shown = mesh.cli("topics", "peek", topic, "--count", "2").stdout
    for words in ("1970-01-01T00:00:02.000Z", r"\xff", "h: v", "none: None"):
        assert words in shown
    assert not mesh.open().data_folder("shop").exists()


def test_peeking_at_no_topic_is_one_clear_line(shop: tuple[MeshFolder, str]) -> None:
    """It names the topic."""
    mesh, _ = shop
    done = mesh.cli("topics", "peek", "no-such-topic", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "no-such-topic" in line


def test_a_recreated_topic_goes_on_as_a_new_epoch(shop: tuple[MeshFolder, str], kafka: KafkaServer) -> None:
    """The error names the command; after it the rows of both epochs are there."""
    mesh, topic = shop
    mesh.cli("ingest")
    kafka.delete_topic(topic)
    kafka.topic(partitions=2, name=topic)
    kafka.produce(topic, [b'{"order_id":7}'])
    stopped = mesh.cli("ingest", check=False)
    assert stopped.returncode == 1
    assert "mesh stream accept-epoch shop.orders" in stopped.stderr
    done = mesh.cli_json("stream", "accept-epoch", "shop.orders", "--reason", "test cluster rebuilt", "--yes")
    assert (done["domain"], done["stream"]) == ("shop", "orders")
    assert done["snapshot"] > 0
    mesh.cli("ingest")
    rows = json.loads(
        mesh.cli("sql", "SELECT _epoch, order_id FROM shop.orders ORDER BY ALL", "-f", "json").stdout
    )
    assert rows == [{"_epoch": 0, "order_id": 1}, {"_epoch": 0, "order_id": 2}, {"_epoch": 1, "order_id": 7}]
    first, second = mesh.cli_json("stream", "epochs", "shop.orders")
    assert first["ended"].keys() == {"at", "by", "reason"}
    assert first["ended"]["reason"] == "test cluster rebuilt"
    assert (first["epoch"], second["epoch"], second["ended"]) == (0, 1, None)
    assert first["topic_id"] != second["topic_id"]
    assert "test cluster rebuilt" in mesh.cli("stream", "epochs").stdout
    mesh.cli("ledger", "verify")


def test_a_new_project_works_as_the_example_does(tmp_path: Path, kafka: KafkaServer) -> None:
    """`mesh init`, `mesh domain new`, a contract by hand, records by any client, rows in SQL."""
    mesh = MeshFolder.__new__(MeshFolder)
    mesh.root = tmp_path / "new"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MESH_BOOTSTRAP_SERVERS": kafka.bootstrap}
    run = [sys.executable, "-m", "mesh_defs.cli"]
    subprocess.run([*run, "init", str(mesh.root)], check=True, env=environment)
    subprocess.run([*run, "--project", str(mesh.root), "domain", "new", "shop"], check=True, env=environment)
    topic = kafka.topic()
    mesh._write(
        mesh.root / "domains" / "shop" / "streams",
        "shop.orders",
        {
            "servers": [{"server": "main", "type": "kafka", "host": "localhost:9092", "format": "json"}],
            "schema": [
                {
                    "name": "orders",
                    "physicalName": topic,
                    "physicalType": "topic",
                    "properties": [{"name": "order_id", "logicalType": "integer", "required": True}],
                }
            ],
        },
        {"eventKind": "delta"},
    )
    kafka.produce(topic, [b'{"order_id":1}'])
    mesh.cli("contract", "lint", MESH_BOOTSTRAP_SERVERS=kafka.bootstrap)
    mesh.cli("ingest", MESH_BOOTSTRAP_SERVERS=kafka.bootstrap)
    done = mesh.cli(
        "sql", "SELECT order_id FROM shop.orders", "-f", "csv", MESH_BOOTSTRAP_SERVERS=kafka.bootstrap
    )
    assert done.stdout == "order_id\n1\n"
