"""The local Kafka: locked, durable, found again by the next starter, stopped by anybody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mesh_defs.broker import LocalKafka, free_port, who_holds
from mesh_defs.model.errors import ProcessError

STARTER = """
import sys, threading
from pathlib import Path
from mesh_defs.broker import LocalKafka
status = LocalKafka(Path(sys.argv[1]), port=int(sys.argv[2])).start()
print(status.pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalKafka]:
    """A local Kafka that was not started yet; stopped at the end."""
    kafka = LocalKafka(tmp_path / "kafka", port=free_port())
    yield kafka
    kafka.stop()
    assert not kafka.status().running


def test_start_status_and_stop(local: LocalKafka) -> None:
    """It starts, says where it is, and stops; stopping again is no error."""
    before = local.status()
    assert (before.running, before.pid, before.address, before.since) == (False, None, None, None)

    started = local.start()

    assert started.running
    assert started.address == f"127.0.0.1:{started.port}"
    assert started.since is not None
    assert started.log_file.exists()
    assert local.status() == started
    assert local.stop()
    assert not local.status().running
    assert not local.stop()
    assert who_holds(started.port or 0) is None


def test_it_listens_on_the_loopback_address_only(local: LocalKafka) -> None:
    """No other machine reaches clients' or controller's port."""
    pid = local.start().pid
    listening = [
        c.laddr.ip for c in psutil.Process(pid).net_connections(kind="tcp") if c.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_a_second_start_on_the_folder_is_refused(local: LocalKafka, tmp_path: Path) -> None:
    """Another handle, or another process, is told which process runs there; the first one is unharmed."""
    started = local.start()
    with pytest.raises(ProcessError, match=f"process {started.pid}"):
        LocalKafka(tmp_path / "kafka", port=free_port()).start()
    assert local.status() == started


def test_starts_at_once_give_one_broker(tmp_path: Path) -> None:
    """Two that start the same folder in the same moment end up with the same broker."""
    handles = [LocalKafka(tmp_path / "kafka") for _ in range(2)]
    pids: list[int | None] = []

    def start(handle: LocalKafka) -> None:
        pids.append(handle.start(adopt=True).pid)

    threads = [threading.Thread(target=start, args=[handle]) for handle in handles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(pids) == 2
        assert len(set(pids)) == 1
    finally:
        assert handles[0].stop()
    assert not handles[1].status().running


def test_a_taken_port_is_named_with_its_holder(tmp_path: Path) -> None:
    """Who asked for a port that somebody holds is told who; nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        local = LocalKafka(tmp_path / "kafka", port=port)
        with pytest.raises(ProcessError, match=rf"port {port}: .*process {os.getpid()}"):
            local.start()
    assert not local.status().running


@pytest.mark.slow
def test_a_port_that_was_not_asked_for_gives_way(local: LocalKafka, tmp_path: Path) -> None:
    """The port of the last time is taken again; where somebody else holds it now, another one is."""
    first = local.start().port
    local.stop()
    again = LocalKafka(tmp_path / "kafka")
    assert again.start().port == first
    again.stop()
    with socket.create_server(("127.0.0.1", first or 0)):
        assert again.start().port != first
    again.stop()


@pytest.mark.slow
def test_kill_9_of_the_broker_loses_nothing(own_kafka: Callable[..., Any], drain: Any) -> None:
    """What was acknowledged before a kill is there after it, under the same identity and offsets."""
    kafka = own_kafka()
    topic = kafka.topic()
    kafka.produce(topic, [b"%d" % i for i in range(1_000)])
    kafka.transaction(topic, [b"t1", b"t2"])
    with kafka.broker() as broker:
        identity = broker.identity(topic)
        kafka.kill()
        kafka.start()
        assert broker.identity(topic) == identity
        (batch,) = drain(broker, topic)
    assert batch.values == [b"%d" % i for i in range(1_000)] + [b"t1", b"t2"]


@pytest.mark.slow
@pytest.mark.fault(41)
def test_a_read_goes_on_over_a_restart(own_kafka: Callable[..., Any]) -> None:
    """A broker that dies in the middle of a read and comes back within the bound costs nothing."""
    kafka = own_kafka()
    topic = kafka.topic()
    kafka.produce(topic, [b"x" * 1_000 for _ in range(60_000)])
    with kafka.broker(timeout=60) as broker, broker.reader(topic, {0: (0, 60_000)}) as reader:
        offsets = [o for batch in reader.read(100) for o in batch.offsets]
        kafka.kill()
        kafka.start()
        while not reader.done:
            offsets += [o for batch in reader.read() for o in batch.offsets]
    assert offsets == list(range(60_000))


def test_kill_9_of_the_starter_leaves_a_broker_to_adopt(tmp_path: Path) -> None:
    """The broker outlives its starter; the next one takes it over, and can stop it."""
    folder = tmp_path / "kafka"
    command = [sys.executable, "-c", STARTER, str(folder), str(free_port())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        starter.send_signal(signal.SIGKILL)
    local = LocalKafka(folder)
    try:
        assert local.status().pid == pid
        with pytest.raises(ProcessError):
            local.start()
        assert local.start(adopt=True).pid == pid
    finally:
        assert local.stop()
    assert not psutil.pid_exists(pid)


def test_a_starter_that_died_too_early_is_no_riddle(local: LocalKafka) -> None:
    """A broker whose process id was never written down is found all the same."""
    started = local.start()
    record = started.folder / "broker.json"
    record.write_text(record.read_text().replace(str(started.pid), "null"))
    assert local.status().pid == started.pid


def test_a_formatter_that_died_leaves_nothing(local: LocalKafka) -> None:
    """Half-formatted data is thrown away by the next start."""
    scratch = local.status().folder / "formatting"
    scratch.mkdir(parents=True)
    (scratch / "meta.properties").write_text("cluster.id=half")
    assert local.start().running


def test_a_broker_that_cannot_start_says_where_to_look(tmp_path: Path) -> None:
    """Java's end is reported with its log files, at once."""
    local = LocalKafka(tmp_path / "kafka", port=free_port(), properties={"num.io.threads": "none"})
    with pytest.raises(ProcessError, match=r"kafka\.log") as raised:
        local.start()
    assert local.status().running is False
    assert "code 1" in str(raised.value)


def test_a_new_cluster_id_never_looks_like_an_option(
    local: LocalKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id drawn with a dash in front is drawn again: the storage tool would take it for an option."""
    drawn = [uuid.UUID(bytes=bytes([first]) + bytes(range(15))) for first in (0xF8, 0xFB, 0x00)]
    monkeypatch.setattr("mesh_defs.broker.local.formatting.uuid.uuid4", lambda: drawn.pop(0))
    assert local.start().running
    assert drawn == []
