"""The mesh that is soaked: its broker, its ingesters and its maintenance, all processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka.admin import AdminClient, NewTopic

from mesh_defs.broker import LocalKafka, free_port
from mesh_defs.ingest.lease import lease_holder
from mesh_defs.model.errors import ProcessError
from soaking.children import Fuse, bounded, command, housekeeping, resident
from soaking.streams import DOMAINS, STREAMS, write_project
from soaking.waiting import becomes, pause, stopped_seconds, wait_for

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
CLEANER = {"log.cleaner.backoff.ms": "500"}
STARTS = 5
LONG_STOP = 5.0
"""Seconds after which a command that was stopped may have taken its broker for dead."""

CALM = (0, None, -signal.SIGKILL, -signal.SIGTERM)


class SoakedMesh:
    """A scratch project on a Kafka of its own.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "mesh"
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.troubles: list[str] = []
        self._kafka = LocalKafka(
            folder / "kafka", log_file=self.logs / "kafka.log", port=free_port(), properties=CLEANER
        )
        self.address = str(self._kafka.start().address)
        self.project = write_project(self.root, self.address)
        self._tally = folder / "maintenance"
        self._runs: list[ForkServerProcess] = []
        self._housekeeping: ForkServerProcess | None = None
        self._children: list[ForkServerProcess] = []
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", bounded.__module__])
        with AdminClient({"bootstrap.servers": self.address}) as admin:
            topics = [NewTopic(s.topic, s.partitions, 1, config=s.config) for s in STREAMS]
            for future in admin.create_topics(topics).values():
                future.result()

    def runs(self) -> list[int]:
        """Return the processes of `mesh run` that live."""
        for run in [run for run in self._runs if not run.is_alive()]:
            self._runs.remove(run)
            self.note_end(run)
        return [run.pid for run in self._runs if run.pid is not None]

    def start_run(self) -> None:
        """Start `mesh run`."""
        # A daemon, in the words of multiprocessing, may have no children.
        self._runs.append(self._child(command, self.root, self.logs / "run.log", "run", daemon=False))

    def stop_run(self, pid: int) -> None:
        """Ask a `mesh run` to end, and wait until it has."""
        psutil.Process(pid).terminate()
        wait_for(lambda: pid not in self.runs(), "the end of `mesh run` after SIGTERM")

    def start_ingest(self) -> ForkServerProcess:
        """Start `mesh ingest`; it may fail where the broker is away."""
        return self._child(command, self.root, self.logs / "ingest.log", "ingest")

    def resident(self, domain: str, fuse: Fuse) -> ForkServerProcess:
        """Start a resident ingester of a domain beside what runs."""
        return self._child(resident, self.root, self.logs / "resident.log", domain, fuse)

    def bounded(self, domain: str, fuse: Fuse) -> ForkServerProcess:
        """Start a pass over a domain."""
        return self._child(bounded, self.root, self.logs / "passes.log", domain, fuse)

    def note_end(self, child: ForkServerProcess) -> None:
        """Note a child that ended otherwise than by its end or by a kill."""
        if child.exitcode not in CALM:
            self.troubles.append(f"{child.name} ended with code {child.exitcode}")

    def tend_housekeeping(self, fuse: Callable[[], Fuse]) -> bool:
        """Start maintenance where none runs; say whether one has ended itself since."""
        child = self._housekeeping
        if child is not None and child.is_alive():
            return False
        if child is not None:
            self.note_end(child)
        log = self.logs / "maintenance.log"
        self._housekeeping = self._child(housekeeping, self.root, log, self._tally, fuse())
        return child is not None and child.exitcode == -signal.SIGKILL

    def housekeeping_pid(self) -> int | None:
        """Return the process that maintains."""
        return self._housekeeping.pid if self._housekeeping else None

    def forget_housekeeping(self) -> None:
        """Take leave of a process that was killed."""
        if self._housekeeping is not None:
            self._housekeeping.join()
        self._housekeeping = None

    def maintained(self) -> Counter[str]:
        """Return how many rounds of maintenance came to their end, and what they did."""
        found: Counter[str] = Counter()
        if self._tally.exists():
            for line in self._tally.read_text(encoding="utf-8").splitlines():
                for word in line.split():
                    name, _, count = word.partition("=")
                    found[name] += int(count or 1)
        return found

    def holder(self, domain: str) -> int | None:
        """Return the process that ingests a domain now, if there is one that is not stopped."""
        found = lease_holder(self.project.data_folder(domain))
        return found.pid if found else None

    def is_own(self, pid: int) -> bool:
        """Say whether a process descends from this one."""
        try:
            return any(parent.pid == os.getpid() for parent in psutil.Process(pid).parents())
        except psutil.NoSuchProcess:
            return False

    def ensure_broker(self) -> None:
        """Start the broker where it does not run."""
        self._kafka.start(adopt=True, timeout=180)

    def restart_broker(self, *, kill: bool, away: float) -> None:
        """End the broker, leave it away for so many seconds, and start it again."""
        pid = self._kafka.status().pid
        if kill and pid is not None:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not self._kafka.status().running, "the end of the broker")
        else:
            self._kafka.stop(timeout=120)
        pause(away)
        for attempt in range(STARTS):
            try:
                self._kafka.start(timeout=180)
            except ProcessError:
                if attempt == STARTS - 1:
                    raise
            else:
                return

    def verify(self) -> None:
        """Run `mesh ledger verify` while everything goes on."""
        self.run_to_its_end("ledger", "verify")

    def run_to_its_end(self, *arguments: str) -> None:
        """Run a command of the mesh that must succeed, once more where it was stopped together with the soak."""
        log = f"{'-'.join(arguments)}"
        before = stopped_seconds()
        process = self._command(log, *arguments)
        wait_for(lambda: process.poll() is not None, f"the end of `mesh {' '.join(arguments)}`", 900)
        if process.returncode and stopped_seconds() > before + LONG_STOP:
            self.run_to_its_end(*arguments)
        elif process.returncode:
            said = (self.logs / f"{log}.log").read_text(encoding="utf-8").strip().splitlines()[-3:]
            self.troubles.append(
                f"`mesh {' '.join(arguments)}`: code {process.returncode}: {' / '.join(said)}"
            )

    def start_reader(self, work: Any, out: Path, seed: int) -> ForkServerProcess:
        """Start a reader."""
        reader = self._child(work, self.root, self.logs / "readers.log", out, seed)
        self._children.remove(reader)
        return reader

    def end(self) -> None:
        """End every process but the broker."""
        for run in self._runs:
            run.terminate()
        if not becomes(lambda: not self.runs(), 60):
            self.troubles.append("`mesh run` did not end in 60 s after SIGTERM")
        self._runs.clear()
        for child in self._children:
            child.kill()
            child.join()
        self._housekeeping = None
        for domain in DOMAINS:  # children of a killed `mesh run` end by themselves
            wait_for(lambda domain=domain: self.holder(domain) is None, f"the end of who ingests {domain}")

    def stop_broker(self) -> None:
        """End the broker."""
        self._kafka.stop()

    def crashes(self) -> list[str]:
        """Return the last line of each traceback in the logs."""
        found = []
        for log in sorted(self.logs.glob("*.log")):
            if log.name == "kafka.log":
                continue
            text = log.read_text(encoding="utf-8", errors="replace")
            parts = text.split("Traceback (most recent call last)")[1:]
            found += [f"{log.name}: {_last_line(part)}" for part in parts]
        return found

    def _command(self, log: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.logs / f"{log}.log").open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "mesh_defs.cli", "--project", str(self.root), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def _child(self, work: Any, *arguments: Any, daemon: bool = True) -> ForkServerProcess:
        child = self._context.Process(target=work, args=arguments, daemon=daemon, name=work.__name__)
        child.start()
        self._children = [*(known for known in self._children if known.is_alive()), child]
        return child


def _last_line(trace: str) -> str:
    """Return the error's line of a traceback: the first that is not indented."""
    lines = trace.splitlines()[1:]
    return next((line for line in lines if line and not line.startswith((" ", "\t"))), "")
