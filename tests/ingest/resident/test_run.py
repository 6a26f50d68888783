"""`mesh run` on a real Kafka and real stores."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from collections.abc import Callable

import psutil
import pytest

from mesh_defs.ingest import read_failures
from mesh_defs.ingest.lease import RESIDENT, files_holder, lease_holder
from mesh_defs.store.engine import CATALOG_FILE
from tests.conftest import KafkaServer
from tests.ingest.resident.conftest import LONG, Resident, order, wait_for


def test_commits_appear_by_themselves(resident: Resident) -> None:
    """Without a pass and without a run; again and again, through the same open readers."""
    topic = resident.kafka.topic(partitions=2)
    resident.mesh.stream("shop.orders", topic, partitions=2)
    run = resident.start()
    produced = 0
    for _ in range(4):
        for partition in (0, 1):
            resident.kafka.produce(topic, [order(produced + n) for n in range(50)], partition=partition)
            produced += 50
        resident.until(produced)
    assert resident.mesh.rows("SELECT count(DISTINCT order_id), max(order_id) FROM shop.orders") == [
        (produced, produced - 1)
    ]
    assert run.stop() == 0
    resident.holds()


def test_catalogs_are_kept_open(resident: Resident) -> None:
    """Between two transactions too: nobody can get SQLite's pending byte, and the log stays until the end."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    resident.start()
    catalog = resident.folder() / CATALOG_FILE

    def is_kept() -> bool:
        if not catalog.exists():
            return False
        with catalog.open("r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0x40000000)
            except BlockingIOError:
                return True
        return False

    wait_for(is_kept, "the keeper has the catalog")
    resident.kafka.produce(topic, [order(n) for n in range(10)])
    resident.until(10)
    assert catalog.with_name(f"{CATALOG_FILE}-wal").exists()
    resident.holds()


def test_all_streams_with_news_are_one_commit(resident: Resident) -> None:
    """Two streams that have news at the same time share a snapshot."""
    topics = [resident.kafka.topic() for _ in range(2)]
    for name, topic in zip(("orders", "returns"), topics, strict=True):
        resident.mesh.stream(f"shop.{name}", topic)
        resident.kafka.produce(topic, [order(n) for n in range(10)])
    resident.start()
    resident.until(10)
    resident.until(10, "shop.returns")
    moments = resident.mesh.rows("SELECT DISTINCT committed_at, writer FROM shop.ledger")
    assert len(moments) == 1


def test_sigterm_commits_what_was_read_and_says_who_ingested(resident: Resident) -> None:
    """It stops in the middle of a backlog with exit code 0; what it committed is whole, and the rest comes later."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    resident.kafka.produce(topic, [order(n) for n in range(60_000)])
    run = resident.start()
    pid = resident.holder()
    (line,) = resident.status()
    assert line["holder"].startswith(f"process {pid} ({RESIDENT}) since 20")
    assert f"shop: ingested by process {pid} ({RESIDENT}) since 20" in resident.mesh.cli("status").stdout
    assert run.stop() == 0
    assert not psutil.pid_exists(pid)
    assert lease_holder(resident.folder()) is None
    resident.holds()
    resident.mesh.ingest("shop")
    assert resident.count() == 60_000


@pytest.mark.fault(2)
def test_kill_of_a_domains_process_loses_and_doubles_nothing(resident: Resident) -> None:
    """Again and again while records come; its successor resumes from the store."""
    topic = resident.kafka.topic(partitions=2)
    resident.mesh.stream("shop.orders", topic, partitions=2)
    resident.start()
    killed: set[int] = set()
    produced = 0
    for _ in range(4):
        for partition in (0, 1):
            resident.kafka.produce(topic, [order(produced + n) for n in range(300)], partition=partition)
            produced += 300
        wait_for(lambda: resident.holder() not in killed, "a new process ingests")
        pid = resident.holder()
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
    resident.until(produced)
    assert resident.mesh.rows("SELECT count(DISTINCT order_id) FROM shop.orders") == [(produced,)]
    resident.holds()


@pytest.mark.slow
def test_kill_of_mesh_run_ends_its_children(resident: Resident) -> None:
    """Nobody is left who holds a lease; the next one resumes."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    run = resident.start()
    resident.kafka.produce(topic, [order(n) for n in range(100)])
    resident.until(100)
    children = run.children()
    run.process.kill()
    run.process.wait(LONG)
    gone, left = psutil.wait_procs(children, LONG)
    assert (len(gone) > 0, left) == (True, [])
    resident.kafka.produce(topic, [order(n) for n in range(100, 200)])
    resident.start()
    resident.until(200)
    resident.holds()


def test_a_stuck_stream_and_a_stuck_partition_stop_nobody_else(resident: Resident) -> None:
    """A refused record stops its partition, a recreated topic its stream: both red, tried ever later; others go on."""
    poisoned, gone, fine = resident.kafka.topic(partitions=2), resident.kafka.topic(), resident.kafka.topic()
    resident.mesh.stream("shop.poisoned", poisoned, partitions=2, onError="fail")
    resident.mesh.stream("shop.gone", gone)
    resident.mesh.stream("shop.orders", fine)
    resident.kafka.produce(gone, [order(1)])
    run = resident.start()
    resident.until(1, "shop.gone")
    resident.kafka.delete_topic(gone)
    resident.kafka.topic(name=gone)
    resident.kafka.produce(poisoned, [order(1), b"{", order(2)], partition=0)
    for batch in range(3):
        resident.kafka.produce(poisoned, [order(n) for n in range(10)], partition=1)
        resident.kafka.produce(fine, [order(n) for n in range(10)])
        resident.until(10 * (batch + 1))
        resident.until(1 + 10 * (batch + 1), "shop.poisoned")
    run.until_said("was recreated")
    run.until_said("breaks the contract")
    states = {(s["stream"], s["partition"]): s["state"] for s in resident.status()}
    assert states == {
        ("poisoned", 0): "stopped",
        ("poisoned", 1): "current",
        ("gone", 0): "stopped",
        ("orders", 0): "current",
    }
    wait_for(lambda: min(f.attempts for f in read_failures(resident.folder())) > 2, "it is tried ever later")
    assert run.said().count("was recreated") == 1


@pytest.mark.fault(18)
def test_a_partition_that_a_transaction_holds_back_is_told(resident: Resident) -> None:
    """The resident ingester sees since when, and commits the other partition meanwhile."""
    topic = resident.kafka.topic(partitions=2)
    resident.mesh.stream("shop.orders", topic, partitions=2)
    resident.start()
    with resident.kafka.open_transaction(topic, [order(1)]):
        resident.kafka.produce(topic, [order(2)], partition=1)
        resident.until(1)
        wait_for(lambda: resident.status()[0]["held_back_since"], "the status says since when")
        assert resident.status()[0]["held_back_at"] == 0


def test_what_was_mended_goes_on(resident: Resident) -> None:
    """New contracts are taken up by themselves; the refused record is a dead letter under them."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic, onError="fail")
    resident.kafka.produce(topic, [order(1), b"{", order(2)])
    run = resident.start()
    run.until_said("breaks the contract")
    resident.mesh.stream("shop.orders", topic, onError="dead_letter", maxDeadLetterRatio=1)
    resident.until(2)
    assert "the contracts have changed" in run.said()
    wait_for(lambda: [s["state"] for s in resident.status()] == ["current"], "nothing is stopped any more")


def test_broken_contracts_leave_those_as_they_were(resident: Resident) -> None:
    """A file that cannot be read stops nothing that runs."""
    topic = resident.kafka.topic()
    path = resident.mesh.stream("shop.orders", topic)
    run = resident.start()
    resident.kafka.produce(topic, [order(1)])
    resident.until(1)
    path.write_text("kind: nonsense\n")
    run.until_said("goes on under the contracts as they were")
    resident.kafka.produce(topic, [order(2)])
    resident.until(2)


@pytest.mark.fault(7)
def test_a_second_one_waits_and_takes_over(resident: Resident) -> None:
    """It says in one line for whom it waits; nobody does anything twice."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    first = resident.start()
    pid = resident.holder()
    second = resident.start()
    second.until_said(f"process {pid} ({RESIDENT})")
    resident.kafka.produce(topic, [order(n) for n in range(10)])
    resident.until(10)
    assert first.stop() == 0
    wait_for(lambda: resident.holder() != pid, "the second one takes over")
    resident.kafka.produce(topic, [order(n) for n in range(10, 20)])
    resident.until(20)
    assert len(re.findall("waits for its end", second.said())) == 1
    resident.holds()


@pytest.mark.fault(5, 7)
def test_a_stopped_one_is_passed_over_and_fenced_when_it_comes_back(resident: Resident) -> None:
    """SIGSTOP: the next pass does the work; SIGCONT: the batch that it held is dropped, and it goes on."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    resident.start()
    pid = resident.holder()
    resident.kafka.produce(topic, [order(n) for n in range(100)])
    resident.until(100)
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED, "it is stopped")
    assert lease_holder(resident.folder()) is None
    resident.kafka.produce(topic, [order(n) for n in range(100, 200)])
    assert resident.mesh.ingest("shop").row_count == 100
    os.kill(pid, signal.SIGCONT)
    resident.kafka.produce(topic, [order(n) for n in range(200, 300)])
    resident.until(300)
    assert resident.mesh.rows("SELECT count(DISTINCT order_id) FROM shop.orders") == [(300,)]
    assert resident.holder() == pid
    resident.holds()


def test_a_pass_beside_it_reports_what_it_does(resident: Resident) -> None:
    """What was on the broker when the pass began is stored when it ends, by whoever did it."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic, onError="fail")
    resident.start()
    pid = resident.holder()
    resident.kafka.produce(topic, [order(n) for n in range(500)])
    report = resident.mesh.ingest("shop")
    (stream,) = report.streams
    assert (stream.errors, stream.partitions[0].to_offset) == ((), 500)
    assert resident.count() == 500
    resident.kafka.produce(topic, [b"{"])
    (stopped,) = resident.mesh.ingest("shop").failed
    assert f"process {pid}" in str(stopped.error)
    assert "breaks the contract" in str(stopped.error)
    assert resident.holder() == pid


@pytest.mark.slow
@pytest.mark.fault(41)
def test_it_lives_through_a_restart_of_the_broker(
    own_kafka: Callable[..., KafkaServer], resident_on: Callable[[KafkaServer], Resident]
) -> None:
    """Down it is red, back it goes on by itself; nothing is lost or doubled."""
    kafka = own_kafka()
    resident = resident_on(kafka)
    topic = kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    run = resident.start()
    kafka.produce(topic, [order(n) for n in range(50)])
    resident.until(50)
    kafka.stop()
    run.until_said("cannot")
    kafka.start()
    kafka.produce(topic, [order(n) for n in range(50, 100)])
    resident.until(100)
    run.until_said("orders goes on")
    resident.holds()
    assert run.stop() == 0


def test_one_that_has_grown_makes_room_for_a_new_one(resident: Resident) -> None:
    """Its successor goes on where it was; 100 MB is less than any of them holds."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    run = resident.start("--memory-limit", "100")
    first = resident.holder()
    run.until_said("a new process takes over")
    wait_for(lambda: resident.holder() != first, "a new process ingests")
    resident.kafka.produce(topic, [order(1)])
    resident.until(1)
    assert "ended" not in run.said()


@pytest.mark.slow
def test_changed_files_are_loaded_by_themselves(resident: Resident) -> None:
    """Data at rest beside a stream of the same domain; a file that breaks is red and stops nothing."""
    topic = resident.kafka.topic()
    resident.mesh.stream("shop.orders", topic)
    resident.mesh.rest("shop.prices", "rest/prices.csv", load="snapshot")
    resident.mesh.file("rest/prices.csv", "order_id,customer\n1,a\n2,b\n")
    run = resident.start()
    resident.until(2, "shop.prices")
    wait_for(lambda: files_holder(resident.folder()), "somebody looks at the files")
    resident.mesh.file("rest/prices.csv", "order_id,customer\n1,a\n2,b\n3,c\n")
    resident.until(3, "shop.prices")
    (resident.mesh.root / "rest/prices.csv").unlink()
    run.until_said("shop: cannot load shop.prices")
    resident.kafka.produce(topic, [order(1)])
    resident.until(1)
    resident.mesh.file("rest/prices.csv", "order_id,customer\n1,a\n2,b\n3,c\n4,d\n")
    resident.until(4, "shop.prices")
    run.until_said("prices goes on")
    resident.holds()
