"""How long after it was produced an event is visible in an open session, while events keep coming.

A local Kafka, `mesh run`, one producer and one open `mesh_defs.connect()` session that asks for the new rows of every
stream again and again, all on this machine:

    .venv/bin/python bench/freshness.py [--rate N] [--streams N] [--domains N] [--seconds N]

An event's delay is the instant at which the session had its row in hand, minus its `_timestamp` (the producer's clock,
which is the session's too). It prints a histogram, p50, p95, p99 and the longest, and what the processes took.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import duckdb
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from meshes import write_mesh

from mesh_defs import connect
from mesh_defs.broker import LocalKafka

ROOT = Path(__file__).resolve().parent.parent

WARM_UP_SECONDS = 5.0
BUCKET_MS = 100
BAR = 60

PAYLOAD = '{"order_id":%d,"customer":"customer-%06d","amount":%d.25,"note":"leave it at the door, please, and ring"}'


def write_project(root: Path, options: argparse.Namespace) -> list[str]:
    """Write a mesh and return its streams as `domain.name`, dealt out over the domains."""
    names = [(f"bench{number % options.domains}", f"stream{number}") for number in range(options.streams)]
    write_mesh(root, names)
    return [f"{domain}.{name}" for domain, name in names]


def produce(address: str, topics: list[str], rate: int, seconds: float) -> None:
    """Produce at a steady rate, dealt out over the topics, in slices of 10 ms."""
    producer = Producer({"bootstrap.servers": address, "linger.ms": 5, "compression.type": "lz4"})
    began = time.monotonic()
    number = 0
    while (passed := time.monotonic() - began) < seconds:
        while number < passed * rate:
            value = PAYLOAD % (number, number % 9973, number % 1000)
            producer.produce(topics[number % len(topics)], value)
            number += 1
        producer.poll(0)
        time.sleep(0.01)
    producer.flush()


def watch(root: Path, names: list[str], seconds: float) -> list[int]:
    """Return the delays in milliseconds of the events that became visible in the time after the warm-up."""
    delays: list[int] = []
    began = time.monotonic()
    with connect(root) as session:
        seen = {name: newest(session, name) for name in names}
        while (passed := time.monotonic() - began) < WARM_UP_SECONDS + seconds:
            for name in names:
                rows = session.execute(
                    f"SELECT _offset, epoch_ms(_timestamp) FROM {name} WHERE _offset > {seen[name]}"  # noqa: S608
                ).fetchnumpy()
                now = time.time() * 1_000
                offsets, instants = rows.values()
                if len(offsets):
                    seen[name] = int(offsets.max())
                    if passed > WARM_UP_SECONDS:
                        delays.extend(int(now - instant) for instant in instants)
            time.sleep(0.02)
    return delays


def newest(session: duckdb.DuckDBPyConnection, name: str) -> int:
    """Return a table's last offset, -1 where it is empty."""
    row = session.execute(f"SELECT coalesce(max(_offset), -1) FROM {name}").fetchone()  # noqa: S608
    return int(row[0]) if row else -1


def print_histogram(delays: list[int]) -> None:
    """Print how many events took how long."""
    buckets = Counter(delay // BUCKET_MS for delay in delays)
    most = max(buckets.values())
    print(f"{'ms':>12}  events")
    for bucket in range(min(buckets), max(buckets) + 1):
        count = buckets[bucket]
        span = f"{bucket * BUCKET_MS}..{(bucket + 1) * BUCKET_MS}"
        print(f"{span:>12}  {count:>8,} {'#' * math.ceil(count / most * BAR)}")
    ordered = sorted(delays)
    found = {f"p{p}": ordered[min(len(ordered) - 1, len(ordered) * p // 100)] for p in (50, 95, 99)}
    print(
        ", ".join(f"{name} {value:,} ms" for name, value in found.items()),
        f"longest {ordered[-1]:,} ms",
        sep=", ",
    )


def pss_mb(pid: int) -> float:
    """Return what a process takes of the memory, its part of what is shared counted once."""
    return float(psutil.Process(pid).memory_full_info().pss) / (1 << 20)


def wait_for_tables(root: Path, names: list[str]) -> None:
    """Wait until each stream has its table."""
    while True:
        try:
            with connect(root) as session:
                for name in names:
                    newest(session, name)
        except duckdb.Error:
            time.sleep(0.5)
        else:
            return


def measure(options: argparse.Namespace, root: Path, address: str) -> None:
    """Run the mesh, the producer and the session, and print what was found."""
    names = write_project(root, options)
    with AdminClient({"bootstrap.servers": address}) as admin:
        for future in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
            future.result()
    environment = os.environ | {"MESH_BOOTSTRAP_SERVERS": address, "PYTHONPATH": str(ROOT)}
    os.environ["MESH_BOOTSTRAP_SERVERS"] = address
    command = [sys.executable, "-m", "mesh_defs.cli", "--project", str(root), "run"]
    with subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_tables(root, names)
            total = WARM_UP_SECONDS + options.seconds
            producer = threading.Thread(target=produce_apart, args=(address, names, options.rate, total + 2))
            producer.start()
            before = {c.pid: sum(c.cpu_times()[:2]) for c in psutil.Process(process.pid).children()}
            delays = watch(root, names, options.seconds)
            producer.join()
            print_histogram(delays)
            rate = len(delays) / options.seconds
            print(
                f"{rate:,.0f} events/s over {len(names)} streams in {options.domains} domains, {options.seconds} s"
            )
            print(f"mesh run: {pss_mb(process.pid):.0f} MB (PSS)")
            for child in psutil.Process(process.pid).children():
                spent = sum(child.cpu_times()[:2]) - before.get(child.pid, 0.0)
                print(f"  child: {pss_mb(child.pid):.0f} MB (PSS), {spent / total:.2f} of a core")
        finally:
            process.send_signal(signal.SIGTERM)


def produce_apart(address: str, topics: list[str], rate: int, seconds: float) -> None:
    """Produce in a process of its own, so that it and the session do not wait for each other."""
    code = "import sys; sys.path.insert(0, 'bench'); import freshness; freshness.produce(*eval(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, repr((address, topics, rate, seconds))], cwd=ROOT, check=True)


def main() -> None:
    """Start a local Kafka and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=10_000, help="events a second, over all streams")
    parser.add_argument("--streams", type=int, default=6)
    parser.add_argument("--domains", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "mesh"
        root.mkdir()
        kafka = LocalKafka.of_mesh(root / "data")
        address = kafka.start().address
        if address is None:
            sys.exit("the local Kafka did not start")
        try:
            measure(options, root, address)
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
