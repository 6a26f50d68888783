"""A mesh under everything at once, for as long as it takes to kill N of its processes.

Producers of acknowledged, numbered records on five streams of two domains (transactions, some of them aborted or long
open; compaction; bad records; rows that the contract keeps for a short time); ingesters that are killed, stopped and
doubled at random; broker restarts; eager maintenance that is killed too; readers that ask all the time:

    .venv/bin/python bench/soak.py N [--seed N] [--keep]

At the end, after one unharmed pass, every acknowledged record is looked for. It prints what was lost, duplicated, torn,
non-monotonic, unexplained, and the readers' errors; the exit code is 1 where a number is not 0. Ctrl-C judges what was
done so far. It may be stopped and continued as a process group: its bounds do not count that time.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ROOT = Path(__file__).resolve().parent.parent
# Children are started by a server of their own, which must find the same modules.
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "bench")])
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from soaking import readers  # noqa: E402 - the path comes first
from soaking.judge import judge  # noqa: E402
from soaking.mesh import SoakedMesh  # noqa: E402
from soaking.nemesis import Nemesis  # noqa: E402
from soaking.producers import Source  # noqa: E402
from soaking.report import Report  # noqa: E402
from soaking.streams import DOMAINS, STREAMS  # noqa: E402
from soaking.waiting import wait_for  # noqa: E402

from mesh_defs.store import DomainStore  # noqa: E402

READERS = 2
LINE_EVERY = 20
CONSOLE = Console(stderr=True)


class Soak:
    """One soak.

    Args:
        folder: Scratch.
        kills: How many processes are killed.
        seed: Decides everything that the soak does by chance.
    """

    def __init__(self, folder: Path, kills: int, seed: int) -> None:
        self._kills = kills
        self._seed = seed
        self._began, self._clock = dt.datetime.now(dt.UTC), time.monotonic()
        self._notes = [folder / f"reader{number}" for number in range(READERS)]
        self._mesh = SoakedMesh(folder)
        self._nemesis = Nemesis(self._mesh, random.Random(seed))
        self._sources = [Source(s, self._mesh.address, seed + n) for n, s in enumerate(STREAMS)]
        self._readers: list[object] = []

    def run(self) -> None:
        """Strike until enough were killed, or until Ctrl-C."""
        for source in self._sources:
            source.start()
        self._mesh.start_run()
        try:
            for domain in DOMAINS:
                folder = self._mesh.project.data_folder(domain)
                wait_for(lambda folder=folder: DomainStore.exists(folder), f"the store of {domain}")
            self._readers = [
                self._mesh.start_reader(readers.read, out, self._seed + n)
                for n, out in enumerate(self._notes)
            ]
            self._strike()
        except KeyboardInterrupt:
            CONSOLE.print("interrupted: judging what was done so far")
            self._mesh.ensure_broker()

    def judge(self) -> Report:
        """End all harm, let one pass bring everything in, and judge."""
        for source in self._sources:
            source.stop()
        for source in self._sources:
            wait_for(lambda source=source: not source.is_alive(), f"the end of the {source.name}", 600)
        self._mesh.end()
        self._mesh.run_to_its_end("ingest")
        self._mesh.run_to_its_end("store", "maintain")
        self.end_readers()
        self._mesh.run_to_its_end("ledger", "verify", "--full")
        facts = {source.stream.full_name: source.facts for source in self._sources}
        for path in self._notes:
            path.touch()
        verdicts, asked = judge(self._mesh.project, facts, self._notes)
        return Report(
            command=" ".join([".venv/bin/python", "bench/soak.py", *sys.argv[1:]]),
            seed=self._seed,
            kills=self._nemesis.kills,
            began=self._began,
            seconds=time.monotonic() - self._clock,
            verdicts=verdicts,
            struck=self._nemesis.struck,
            asked=asked,
            maintained=self._mesh.maintained(),
            unknown=sum(len(known.unknown) for known in facts.values()),
            troubles=[*self._mesh.troubles, *self._mesh.crashes()],
        )

    def end_readers(self) -> None:
        """End the readers."""
        for reader in self._readers:
            reader.kill()  # type: ignore[attr-defined]
            reader.join()  # type: ignore[attr-defined]
        self._readers = []

    def close(self) -> None:
        """Leave nothing running, whatever happened."""
        try:
            for source in self._sources:
                source.stop()
            self.end_readers()
            self._mesh.end()
        finally:
            self._mesh.stop_broker()

    def _strike(self) -> None:
        columns = (
            TextColumn("kills"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
        )
        told = 0
        with Progress(*columns, console=CONSOLE, disable=not CONSOLE.is_terminal) as bar:
            task = bar.add_task("", total=self._kills)
            while (kills := self._nemesis.kills) < self._kills:
                self._nemesis.strike()
                records = sum(len(source.facts.numbers) for source in self._sources)
                text = f"{records:,} records acknowledged, {len(self._mesh.troubles)} troubles"
                bar.update(task, completed=self._nemesis.kills, description=text)
                if not CONSOLE.is_terminal and kills >= told + LINE_EVERY:
                    told = kills
                    CONSOLE.print(f"{dt.datetime.now(dt.UTC):%H:%M:%S} {kills} kills, {text}", soft_wrap=True)


def main() -> None:
    """Soak, judge, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kills", type=int, metavar="N", help="how many processes of the mesh are killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the scratch folder on disk")
    options = parser.parse_args()
    for name in [name for name in os.environ if name.startswith("MESH_") and name != "MESH_MAVEN_MIRROR"]:
        del os.environ[name]  # the overrides are for other meshes
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="soak-")).resolve()
    CONSOLE.print(f"seed {options.seed}, in {folder}", soft_wrap=True)
    soak = Soak(folder, options.kills, options.seed)
    try:
        soak.run()
        report = soak.judge()
    finally:
        soak.close()
    print(report.page())
    if options.keep or not report.holds:
        CONSOLE.print(f"kept: {folder}", soft_wrap=True)
    else:
        shutil.rmtree(folder)
    sys.exit(0 if report.holds else 1)


if __name__ == "__main__":
    main()
