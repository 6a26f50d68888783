"""The command line of the replay: `mesh process run replay -- --months 1 --speed max`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from domains.replay.avro import Avro
from domains.replay.delivery import Delivery, Pace
from domains.replay.files import place_files
from domains.replay.material import Material
from domains.replay.progress import Produced, alone, marks
from domains.replay.record import START
from domains.replay.source import Source
from domains.replay.timeline import GENERATORS, timeline
from mesh_defs.broker import Broker, connection_for
from mesh_defs.broker.registry import registry_for
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project, find_project
from mesh_defs.model.errors import ConfigError, MeshError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is replayed.

    Attributes:
        months: First and last, of the source's column `month`.
        seed: Decides ids, delays and everything invented.
        speed: How many times as fast as the clock; None does not wait.
    """

    months: tuple[int, int]
    seed: int
    speed: float | None

    @property
    def parts(self) -> tuple[int, ...]:
        """The parts of the year: what stands before it, then the months."""
        return (START, *range(self.months[0], self.months[1] + 1))


def replay(wish: Wish) -> None:
    """Place the files at rest, and produce the records that are not in their topics yet.

    Streams that no contract declares, or whose domain is broken, are left out: the others go on.

    Raises:
        MeshError: The broker does not answer, or no stream of the replay is declared.
    """
    project = Project.open(find_project(Path.cwd()))
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    domains = _domains(project)
    place_files(project.root, domains)
    contracts = _declared(domains)
    one = next(iter(contracts.values()))
    connection = connection_for(project.config, one.server, host=one.server_host)
    with alone(project.config.data / "run"), Broker(connection) as broker, Source() as source:
        avro = Avro(lambda: registry_for(project.config))
        material = Material(source=source, avro=avro, seed=wish.seed)
        sent = _produce(broker, contracts, material, wish, stop)
    first, last = wish.months
    months = f"month {first}" if first == last else f"months {first} to {last}"
    state = " before it was stopped" if stop.is_set() else ""
    sys.stderr.write(f"replay of {months}, seed {wish.seed}: {sent:,} records produced{state}\n")


def _domains(project: Project) -> Collection[Domain]:
    domains, broken = project.load_domains()
    for name in broken:
        sys.stderr.write(f"replay: the domain {name} is broken and left out; see `mesh contract lint`\n")
    return domains.values()


def _declared(domains: Iterable[Domain]) -> Mapping[str, StreamContract]:
    """Return the contracts of the streams by full name."""
    streams = (stream for domain in domains for stream in domain.streams)
    found = {stream.full_name: stream for stream in streams if stream.full_name in GENERATORS}
    if not found:
        raise ConfigError(
            cannot="replay the year",
            why="none of its streams is declared",
            do="restore the contracts in domains/",
        )
    return found


def _produce(
    broker: Broker,
    contracts: Mapping[str, StreamContract],
    material: Material,
    wish: Wish,
    stop: threading.Event,
) -> int:
    produced = {name: Produced(broker, c.topic, wish.seed) for name, c in contracts.items()}
    pace, delivery = Pace(wish.speed, stop), Delivery(broker)
    sent = 0
    with _bar() as progress:
        bar = progress.add_task("replay", total=None)
        for numbered in timeline(material, wish.parts, contracts):
            if stop.is_set():
                break
            record = numbered.record
            before = produced[record.stream]
            partition = zlib.crc32(record.key) % before.partitions
            if before.holds(numbered, partition):
                continue
            pace.wait(record.published)
            delivery.send(contracts[record.stream].topic, partition, record, marks(numbered, wish.seed))
            sent += 1
            progress.update(bar, completed=sent)
        delivery.finish()
    return sent


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
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
    parser = argparse.ArgumentParser(
        prog="replay", description="Replays 2013 as events, and places the files at rest."
    )
    parser.add_argument(
        "--months", type=_months, default=(1, 12), help="month N, or months A-B, of the source's `month`"
    )
    parser.add_argument(
        "--speed", type=_speed, default=None, help="`max`, or how many times faster than the clock"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides ids, delays and what is invented")
    options = parser.parse_args()
    try:
        replay(Wish(months=options.months, seed=options.seed, speed=options.speed))
    except MeshError as error:
        sys.stderr.write(f"replay: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
