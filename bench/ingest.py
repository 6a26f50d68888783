"""How fast a topic becomes committed tables, as a share of the limit.

The limit is a bare `consume()` loop over the same topic with the same client settings that only counts. Both sides
are whole processes, run in turn in one go, on a local Kafka that the script starts and stops. Streams of JSON and of
Avro (behind Confluent's frames), of one partition and of four:

    .venv/bin/python bench/ingest.py [--records N] [--rounds N] [--formats json avro] [--partitions 1 4]

It prints rows a second, CPU seconds a million rows, peak memory at a backlog of N/10 and of N, and the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from streams import Stream

from mesh_defs.broker import LocalKafka
from mesh_defs.broker.properties import consumer_properties

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One child process: what it did and what it took."""

    side: str
    rows: int
    seconds: float
    cpu: float
    peak_mb: float


def bare(address: str, topic: str, records: int, partitions: int) -> None:
    """Count a topic's records, and nothing else."""
    consumer = Consumer(consumer_properties({"bootstrap.servers": address}, lambda _: None))
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    seen = 0
    while seen < records:
        seen += sum(1 for m in consumer.consume(10_000, 1.0) if m.error() is None)
    consumer.close()


def measure(side: str, rows: int, command: list[str], environment: dict[str, str]) -> Run:
    """Run one side as a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status != 0:
        sys.exit(f"{side} failed with status {status}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(side=side, rows=rows, seconds=seconds, cpu=cpu, peak_mb=usage.ru_maxrss / 1024)


def run(stream: Stream, options: argparse.Namespace, folder: Path, address: str) -> list[Run]:
    """Run both sides in turn, on both backlogs."""
    environment = os.environ | {"MESH_BOOTSTRAP_SERVERS": address, "PYTHONPATH": str(ROOT)}
    sizes = {"small": options.records // 10, "large": options.records}
    for size, records in sizes.items():
        admin = AdminClient({"bootstrap.servers": address})
        for future in admin.create_topics([NewTopic(stream.topic(size), stream.partitions, 1)]).values():
            future.result()
        stream.fill(address, stream.topic(size), records)
    runs = []
    for number in range(options.rounds):
        for size, records in sizes.items():
            topic = stream.topic(size)
            arguments = ["--side", "bare", "--address", address, "--topic", topic]
            arguments += ["--records", str(records), "--partitions", str(stream.partitions)]
            runs.append(measure(f"bare {size}", records, [sys.executable, __file__, *arguments], environment))
            mesh = stream.project(folder / f"{topic}-{number}", address, topic)
            command = [sys.executable, "-m", "mesh_defs.cli", "--project", str(mesh), "ingest", "--json"]
            runs.append(measure(f"ingest {size}", records, command, environment))
            print(f"{runs[-2]}\n{runs[-1]}", file=sys.stderr, flush=True)
    return runs


def show(stream: Stream, runs: list[Run]) -> None:
    """Print medians with their spread, and the ratios."""
    print(f"\n{stream.format}, partitions: {stream.partitions}")
    sides = list(dict.fromkeys(r.side for r in runs))
    median: dict[str, Run] = {}
    print(f"{'side':14} {'rows':>10} {'rows/s (min..max)':>34} {'CPU s/M rows':>13} {'peak MB':>8}")
    for side in sides:
        own = [r for r in runs if r.side == side]
        rates = sorted(r.rows / r.seconds for r in own)
        cpu = statistics.median(r.cpu / r.rows * 1e6 for r in own)
        peak = max(r.peak_mb for r in own)
        rate = statistics.median(rates)
        median[side] = Run(side, own[0].rows, own[0].rows / rate, cpu, peak)
        spread = f"{rate:,.0f} ({rates[0]:,.0f}..{rates[-1]:,.0f})"
        print(f"{side:14} {own[0].rows:>10,} {spread:>34} {cpu:>13.2f} {peak:>8.0f}")
    pairs = [(a, b) for a, b in zip(runs[::2], runs[1::2], strict=True) if b.side == "ingest large"]
    ratios = sorted(a.seconds / b.seconds for a, b in pairs)
    print(
        f"ingest / bare, whole processes: {statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})"
    )
    steady = (median["bare large"].seconds - median["bare small"].seconds) / (
        median["ingest large"].seconds - median["ingest small"].seconds
    )
    print(f"ingest / bare, steady (large minus small): {steady:.2f}")
    growth = median["ingest large"].peak_mb / median["ingest small"].peak_mb
    print(f"peak memory, ten times the backlog: {growth:.2f} times")
    print(json.dumps([asdict(r) for r in runs]), file=sys.stderr)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--records", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--formats", nargs="+", choices=["json", "avro"], default=["json", "avro"])
    parser.add_argument("--partitions", nargs="+", type=int, default=[1, 4])
    parser.add_argument("--side", choices=["bare"], help=argparse.SUPPRESS)
    parser.add_argument("--address", help=argparse.SUPPRESS)
    parser.add_argument("--topic", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side == "bare":
        bare(options.address, options.topic, options.records, options.partitions[0])
        return
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as name:
        folder = Path(name)
        kafka = LocalKafka(folder / "kafka")
        address = kafka.start().address
        if address is None:
            sys.exit("the local Kafka did not start")
        try:
            for format_ in options.formats:
                for partitions in options.partitions:
                    stream = Stream(format_, partitions)
                    show(stream, run(stream, options, folder, address))
        finally:
            kafka.stop()


if __name__ == "__main__":
    main()
