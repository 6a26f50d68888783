"""The resident ingester: one process that ingests all streams of a domain, commit after commit."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Final

from mesh_defs.broker import Brokers
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.ingest.failures import Failure, write_failures
from mesh_defs.ingest.held_back import note_held_back
from mesh_defs.ingest.lease import RESIDENT, is_stopped, lease_of, nudges
from mesh_defs.ingest.report import StreamReport, Trouble, reason_of
from mesh_defs.ingest.resident.holds import Hold, Holds, Place
from mesh_defs.ingest.resident.knocks import Knocks
from mesh_defs.ingest.resident.lifetime import changed, memory_bytes, signature
from mesh_defs.ingest.resident.looks import Look, look
from mesh_defs.ingest.resident.pace import Pace
from mesh_defs.ingest.resident.reporting import Reporter, Reporting
from mesh_defs.ingest.resident.stop import Stop
from mesh_defs.ingest.work import DomainWork
from mesh_defs.model.errors import MeshError
from mesh_defs.query import refresh_script
from mesh_defs.store import DomainStore, FileLock

QUESTION_SECONDS: Final = 10.0
"""How long a cluster may take to answer; its streams wait for the next attempt then, and others go on."""

MEMORY_LIMIT_BYTES: Final = 400 * 1024 * 1024
"""A process that holds more makes room for a new one: each commit leaves a little behind in the engine."""

_HOUSEKEEPING_SECONDS: Final = 5.0
_STANDBY_SECONDS: Final = 0.5
_COLLECT_SECONDS: Final = 30.0


class Ending(StrEnum):
    """Why a resident ingester ended."""

    STOPPED = "stopped"
    RENEWED = "renewed"


class Resident:
    """Ingests a domain until it is told to stop.

    It commits at the pace that the contracts promise, all streams that have news at once. A stream or a partition that
    cannot go on is tried again ever later, and the others go on. Progress is in the store alone: whatever ends the
    process, the next one resumes there.

    Args:
        project: The mesh.
        domain: Its contracts.
        reporter: Is told what was committed.
        stop: The wish to stop.
        say: Takes one line for people.
        memory_limit: In bytes; a process that holds more ends, to be started anew.
    """

    def __init__(
        self,
        project: Project,
        domain: Domain,
        *,
        reporter: Reporter,
        stop: Stop,
        say: Callable[[str], None],
        memory_limit: int = MEMORY_LIMIT_BYTES,
    ) -> None:
        self._project = project
        self._domain = domain
        self._folder = project.data_folder(domain.name)
        self._contracts = {contract.name: contract for contract in domain.live.streams}
        self._stop = stop
        self._say = say
        self._memory_limit = memory_limit
        self._holds = Holds()
        self._pace = Pace(domain.live.streams)
        self._reporting = Reporting(reporter)
        self._files = signature(project, domain.name)
        self._failures: tuple[Failure, ...] | None = None
        self._nudges = nudges(self._folder)
        self._looked_closely = -_HOUSEKEEPING_SECONDS
        self._collected = time.monotonic()

    def run(self) -> Ending:
        """Ingest until told to stop, or until it is time for a new process.

        Raises:
            StoreError: The domain's store cannot be opened.
        """
        lease = lease_of(self._folder, RESIDENT)
        try:
            while self._await_turn(lease):
                # Who ingested before may have gone because of contracts that this process has not read.
                ending = self._look_at_files() or self._ingest(lease)
                if ending is not None:
                    return ending
        finally:
            lease.release()
        return Ending.STOPPED

    def _await_turn(self, lease: FileLock) -> bool:
        """Wait until nobody else ingests the domain; say once who does. False when told to stop."""
        told = ""
        while not self._stop.asked():
            if lease.held or lease.try_acquire():
                return True
            holder = lease.holder()
            if is_stopped(holder):
                return True
            if str(holder) != told:
                told = str(holder)
                self._say(f"{holder} ingests the domain; this one waits for its end")
            self._stop.wait(_STANDBY_SECONDS)
        return False

    def _ingest(self, lease: FileLock) -> Ending | None:
        """Tick until told to stop; None where somebody else's turn has come."""
        with (
            DomainStore.open(self._folder, self._domain.name) as store,
            Brokers(self._project.config, timeout=QUESTION_SECONDS) as brokers,
            DomainWork(
                project=self._project,
                store=store,
                brokers=brokers,
                limits=self._pace.limits,
                tail=True,
                stopping=self._stop.asked,
            ) as work,
            _collector_off(),
        ):
            # A commit is some seventy tiny questions to the catalog: handing them to threads costs more than they do.
            store.connection.execute("SET threads = 1")
            if store.restored is not None:
                self._say(store.restored)
            knocks = Knocks(brokers)
            self._say(f"ingests {', '.join(self._contracts)} every {self._pace.latency:g} s")
            try:
                while not self._stop.asked():
                    if not lease.held and not lease.try_acquire() and not is_stopped(lease.holder()):
                        return None
                    began = time.monotonic()
                    behind = self._tick(work, brokers, knocks, began)
                    ending = self._keep_house(work, brokers, began)
                    if ending is not None:
                        return ending
                    if not behind:
                        self._stop.wait(began + self._pace.look - time.monotonic())
                return Ending.STOPPED
            finally:
                # The group's offsets are for lag tools only, and a broker that is silent takes its time.
                self._reporting.flush(time.monotonic(), everything=True)
                self._mirror(work)

    def _tick(self, work: DomainWork, brokers: Brokers, knocks: Knocks, now: float) -> bool:
        """Commit what is due; say whether more is there already."""
        if nudges(self._folder) != self._nudges:
            self._nudges = nudges(self._folder)
            self._holds.release(now)
            self._reporting.forget()
            work.forget()
        turns = [c for name, c in self._contracts.items() if not self._holds.is_held(name, now)]
        held = {c.name: self._holds.partitions(c.name, now) for c in turns}
        ready, silent = knocks.sort(turns, self._holds.silent())
        try:
            found = look(brokers, ready, work.stored, held)
        except MeshError as unreadable:
            found = Look(errors={contract.name: unreadable for contract in ready})
        found.errors |= silent
        chosen = self._chosen(found, ready, work, now)
        work.begin([self._contracts[name] for name in chosen], held)
        work.round()
        reports = {report.stream: report for report in work.reports()}
        for name, error in found.errors.items():
            work.let_go(name)
            trouble = (Trouble(error=error),)
            reports[name] = StreamReport(domain=self._domain.name, stream=name, troubles=trouble)
        self._take(reports, held, time.monotonic())
        return any(not r.troubles and any(p.lag for p in r.partitions) for r in reports.values())

    def _chosen(self, found: Look, ready: list[StreamContract], work: DomainWork, now: float) -> list[str]:
        """Return the streams that this tick takes."""
        answering = [c.name for c in ready if c.name not in found.errors]
        tried_again = {name for name in answering if self._holds.is_due(name, now)}
        if tried_again:
            work.forget()
        if now - self._looked_closely >= _HOUSEKEEPING_SECONDS:
            # New partitions, a recreated topic, a lost range: nothing of it shows in the last stable offsets.
            self._looked_closely = now
            return answering
        due = found.lags if self._pace.is_due(found.lags.values(), now) else {}
        return [name for name in answering if name in due or name in tried_again]

    def _take(
        self, reports: Mapping[str, StreamReport], held: Mapping[str, frozenset[int]], now: float
    ) -> None:
        """Note what became of the streams of a tick, and tell it."""
        before = self._holds.places
        for name, report in reports.items():
            self._holds.note(report, held[name], now)
        self._say_changes(before)
        self._write_failures(now)
        stopped = self._holds.places
        for name, report in reports.items():
            troubles = tuple(
                Trouble(error=hold.error, partition=p) for (s, p), hold in stopped.items() if s == name
            )
            self._reporting.note(replace(report, troubles=troubles), now)
        self._reporting.flush(now)

    def _say_changes(self, before: Mapping[Place, Hold]) -> None:
        """Tell people what stopped, also where it is for another reason than before, and what goes on."""
        now = self._holds.places
        for place, hold in now.items():
            known = before.get(place)
            if known is None or reason_of(known.error) != reason_of(hold.error):
                self._say(f"{hold.error}; it is tried again by itself")
        for stream, partition in before.keys() - now.keys():
            where = stream if partition is None else f"{stream} partition {partition}"
            self._say(f"{where} goes on")

    def _write_failures(self, now: float) -> None:
        """Keep what is stopped where `mesh status` finds it."""
        clock = dt.datetime.now(dt.UTC)
        known = {(f.stream, f.partition, f.attempts, f.message): f for f in self._failures or ()}
        failures = []
        for (stream, partition), hold in self._holds.places.items():
            fresh = Failure(
                stream=stream,
                partition=partition,
                error=type(hold.error).__name__,
                message=str(hold.error),
                at=clock.isoformat(timespec="milliseconds"),
                attempts=hold.attempts,
                retry_at=(clock + dt.timedelta(seconds=hold.until - now)).isoformat(timespec="milliseconds"),
            )
            failures.append(known.get((stream, partition, hold.attempts, fresh.message), fresh))
        if self._failures is None or tuple(failures) != self._failures:
            self._failures = tuple(failures)
            write_failures(self._folder, set(self._contracts), failures)

    def _keep_house(self, work: DomainWork, brokers: Brokers, now: float) -> Ending | None:
        """Do what need not be done at every tick; say whether it is time for a new process."""
        if now - self._collected >= _COLLECT_SECONDS:
            self._collected = now
            gc.collect()
        if self._looked_closely != now:
            return None
        self._mirror(work)
        ready = [c for name, c in self._contracts.items() if (name, None) not in self._holds.places]
        note_held_back(self._folder, brokers, ready, work.stored)
        refresh_script(self._project)
        held = memory_bytes()
        if held > self._memory_limit:
            self._say(
                f"holds {held >> 20} MB, more than {self._memory_limit >> 20}: a new process takes over"
            )
            return Ending.RENEWED
        return self._look_at_files()

    def _mirror(self, work: DomainWork) -> None:
        for warnings in work.mirror(silent=self._holds.silent()).values():
            for warning in warnings:
                self._say(warning)

    def _look_at_files(self) -> Ending | None:
        """Make room for a new process where the contracts have changed and can be read."""
        files = signature(self._project, self._domain.name)
        if files == self._files:
            return None
        self._files = files
        try:
            changed(self._project, self._domain.name)
        except MeshError as error:
            self._say(f"goes on under the contracts as they were: {error}")
            return None
        self._say("the contracts have changed: a new process takes over")
        return Ending.RENEWED


@contextlib.contextmanager
def _collector_off() -> Iterator[None]:
    """Keep the cyclic collector from walking live messages: it is called between ticks instead."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
