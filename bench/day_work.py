"""The children of `bench/day.py`: the writer, the housekeeper, who tells Dagster, and what Dagster does by the hour."""

from __future__ import annotations

import datetime as dt
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pyarrow as pa
from meshes import write_mesh

from mesh_defs.contract.arrow import DEAD_LETTERS, table_schema
from mesh_defs.contract.contract import Domain, StreamContract
from mesh_defs.contract.project import Project
from mesh_defs.decode import dead_letters_table
from mesh_defs.ingest import PartitionReport, StreamReport
from mesh_defs.ingest.resident import MEMORY_LIMIT_BYTES
from mesh_defs.ingest.resident.lifetime import memory_bytes
from mesh_defs.ingest.resident.reporting import Reporting
from mesh_defs.model.records import (
    Commit,
    DeadLetter,
    Gap,
    PartitionAdvance,
    PartitionStart,
    Stage,
    StagedFile,
    TopicIdentity,
)
from mesh_defs.store import DomainStore, MaintenancePolicy, maintain, verify_store
from mesh_defs.store.engine import first_row, metadata
from mesh_defs.supervisor.resident.children import RENEW
from mesh_defs.supervisor.resident.roles import REPORTER_BYTES

DOMAIN = "day"
STREAMS = 6
OFFSETS = 6
"""Of each stream in one tick: rows, but for a dead letter or a gap now and then."""

FIRST_MS = 1_767_225_600_000
"""2026-01-01T00:00:00Z: the first tick's events."""

EPOCH = 1
HOUSEKEEPING_TICKS = 5
SAMPLE_TICKS = 600
IDENTITY = TopicIdentity(cluster_id="bench-cluster-of-a-day", topic_id="bench-topic-of-a-day")
_VALUE = b'{"order_id":"not a number"}'


def write_project(root: Path) -> None:
    """Write a mesh of one domain."""
    write_mesh(root, [(DOMAIN, f"stream{number}") for number in range(STREAMS)])


def open_mesh(root: Path) -> tuple[Project, Domain]:
    """Return the scratch mesh and its domain."""
    project = Project.open(root)
    return project, project.domain(DOMAIN)


def reached(store: DomainStore) -> int:
    """Return how many ticks the store holds."""
    stored = store.offsets().partition("stream0", 0)
    return 0 if stored is None else stored.next_offset // OFFSETS


def write(root: Path, ticks: int, pipe: Connection, parent: int) -> int:
    """Commit tick after tick, as the resident ingester does, and hand over what each took."""
    project, domain = open_mesh(root)
    reporting = Reporting(_Piped(pipe))
    with DomainStore.open(project.data_folder(DOMAIN), DOMAIN) as store:
        store.connection.execute("SET threads = 1")
        writer = _Writer(store, domain)
        for tick in range(writer.begin(), ticks):
            if wait([parent], 0):  # the parent is gone
                return 1
            reports, timing = writer.tick(tick)
            for report in reports:
                reporting.note(report, float(tick))
            reporting.flush(float(tick))
            pipe.send(("tick", (tick, time.time(), *timing)))
            if (tick + 1) % SAMPLE_TICKS == 0 or tick + 1 == ticks:
                pipe.send(("sample", {"tick": tick + 1, **measure(project, store)}))
            if tick % HOUSEKEEPING_TICKS == 0 and memory_bytes() > MEMORY_LIMIT_BYTES:
                reporting.flush(float(tick), everything=True)
                return RENEW
        reporting.flush(float(ticks), everything=True)
    return 0


class _Piped:
    """The `Reporter` that hands reports to the parent."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def report(self, report: StreamReport) -> None:
        """Hand over one report."""
        self._pipe.send(("report", report))


class _Writer:
    """Stages and commits one tick of all streams."""

    def __init__(self, store: DomainStore, domain: Domain) -> None:
        self._store = store
        self._contracts = [c for c in domain.ingested if isinstance(c, StreamContract)]
        self._schemas = {c.name: table_schema(c) for c in self._contracts}

    def begin(self) -> int:
        """Make the tables and start the partitions, where that was not done; return the next tick."""
        for name, schema in self._schemas.items():
            self._store.ensure_table(name, schema)
        if self._store.offsets().partition("stream0", 0) is None:
            starts = [
                PartitionStart(stream=name, epoch=EPOCH, partition=0, offset=0, identity=IDENTITY)
                for name in self._schemas
            ]
            self._store.commit(Commit(writer="bench", starts=starts))
        return reached(self._store)

    def tick(self, tick: int) -> tuple[list[StreamReport], tuple[float, float, float]]:
        """Commit a tick; return the reports, and the milliseconds of waiting, in the lock and of all of it."""
        began = time.perf_counter()
        files: list[StagedFile] = []
        advances: list[PartitionAdvance] = []
        outcomes: dict[str, bytes] = {}
        for place, contract in enumerate(self._contracts):
            dead = tick % 97 == place
            gap = tick % 60 == place + 10
            files += self._stage(contract, tick, OFFSETS - gap, dead=dead)
            advances.append(_advance(contract.name, tick, dead=dead, gap=gap))
            outcomes[contract.name] = bytes(OFFSETS - gap - dead) + b"\1" * dead
        at: dict[int, float] = {}
        commit = Commit(
            writer="bench",
            advances=advances,
            files=files,
            tables={name: [name] for name in self._schemas},
            outcomes=outcomes,
        )
        done = self._store.commit(
            commit, on_step=lambda step: at.setdefault(step, time.perf_counter()) and None
        )
        ended = time.perf_counter()
        spans = (at[3] - at[2], at[8] - at[3], ended - began)
        waiting, inside, whole = (span * 1_000 for span in spans)
        return [_report(a, done.snapshot) for a in advances], (waiting, inside, whole)

    def _stage(self, contract: StreamContract, tick: int, records: int, *, dead: bool) -> list[StagedFile]:
        """Write a tick's rows of a stream, and its dead letter."""
        first, now = tick * OFFSETS, int(time.time() * 1e6)
        files = []
        with self._store.stage(contract.name, self._schemas[contract.name]) as writer:
            writer.write(_rows(self._schemas[contract.name], first, records - dead, now))
            files.append(writer.close())
        if dead:
            with self._store.stage("dead_letters", DEAD_LETTERS) as writer:
                letter = _letter(first + records - 1, FIRST_MS + tick * 1_000)
                writer.write(dead_letters_table(contract, [letter], EPOCH, now))
                files.append(writer.close())
        return [file for file in files if file is not None]


def _rows(schema: pa.Schema, first: int, count: int, now: int) -> pa.Table:
    offsets = list(range(first, first + count))
    event_time = (FIRST_MS + first // OFFSETS * 1_000) * 1_000
    columns: dict[str, list[Any]] = {
        "order_id": offsets,
        "customer": [f"customer-{n % 9973:06}" for n in offsets],
        "amount": [n % 1_000 + 0.25 for n in offsets],
        "_partition": [0] * count,
        "_offset": offsets,
        "_timestamp": [event_time] * count,
        "_event_id": [f"bench-0-{n}" for n in offsets],
        "_event_time": [event_time] * count,
        "_epoch": [EPOCH] * count,
        "_ingested_at": [now] * count,
        "_tombstone": [False] * count,
    }
    arrays = [
        pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(count, f.type) for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _letter(offset: int, timestamp: int) -> DeadLetter:
    return DeadLetter(
        index=0,
        partition=0,
        offset=offset,
        timestamp=timestamp,
        stage=Stage.DECODE,
        rule="type",
        path="$.order_id",
        message="is a string where the contract has an integer",
        key=None,
        value=_VALUE,
        headers=None,
    )


def _advance(stream: str, tick: int, *, dead: bool, gap: bool) -> PartitionAdvance:
    first, end = tick * OFFSETS, (tick + 1) * OFFSETS
    return PartitionAdvance(
        stream=stream,
        epoch=EPOCH,
        partition=0,
        from_offset=first,
        to_offset=end,
        row_count=OFFSETS - dead - gap,
        dead_letter_count=int(dead),
        gaps=(Gap(kind="skipped", from_offset=end - 1, to_offset=end),) if gap else (),
        content_hash=first * 2_654_435_761,
        contract_version="1.0.0",
    )


def _report(advance: PartitionAdvance, snapshot: int) -> StreamReport:
    part = PartitionReport(
        partition=0,
        epoch=EPOCH,
        from_offset=advance.from_offset,
        to_offset=advance.from_offset,
        end_offset=advance.to_offset,
    ).plus(advance, snapshot)
    tables = ((advance.stream, advance.row_count),)
    return StreamReport(domain=DOMAIN, stream=advance.stream, partitions=(part,), tables=tables)


def measure(project: Project, store: DomainStore) -> dict[str, Any]:
    """Return what the store and Dagster's storage have become."""
    catalog = metadata(DOMAIN)
    files, snapshots = f"{catalog}.ducklake_data_file", f"{catalog}.ducklake_snapshot"
    counted = f"SELECT table_name, count(*) FROM {files} f JOIN {catalog}.ducklake_table t USING (table_id) "  # noqa: S608
    live = dict(
        store.connection.execute(
            f"{counted} WHERE f.end_snapshot IS NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    )
    row = first_row(store.connection, f"SELECT count(*) FROM {snapshots}")  # noqa: S608
    sizes = [path.stat().st_size for path in _files(store.data_folder)]
    wal = store.folder / "catalog.sqlite-wal"
    return {
        "live_files": live,
        "snapshots": row[0] if row else 0,
        "files": len(sizes),
        "data_bytes": sum(sizes),
        "catalog_bytes": (store.folder / "catalog.sqlite").stat().st_size,
        "wal_bytes": wal.stat().st_size if wal.exists() else 0,
        "dagster_bytes": sum(path.stat().st_size for path in _files(project.config.data / "dagster")),
        "writer_bytes": memory_bytes(),
    }


def _files(folder: Path) -> list[Path]:
    """Return the files below a folder; others come and go meanwhile."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in found if path.exists()]


def keep_house(root: Path, ages: tuple[float, float, float], pipe: Connection, parent: int) -> int:
    """Maintain the store once, with the times of a policy as they are on the clock of the ticks."""
    keep, grace, orphan_age = (dt.timedelta(seconds=age) for age in ages)
    policy = MaintenancePolicy(keep=keep, grace=grace, orphan_age=orphan_age)
    project, _ = open_mesh(root)
    with DomainStore.open(project.data_folder(DOMAIN), DOMAIN) as store:
        began = time.perf_counter()
        steps = maintain(store, policy).steps
    seconds = time.perf_counter() - began
    if not wait([parent], 0):
        pipe.send(("round", (seconds, [f"{s.name} {s.summary}" for s in steps])))
    return 0


def tell(root: Path, pipe: Connection, parent: int) -> int:
    """Tell Dagster each report that comes, as the mesh does, on the clock of the ticks."""
    from mesh_defs.orchestration.resident import DagsterReporter  # noqa: PLC0415 - Dagster is imported only here

    clock = _Clock()
    with DagsterReporter(Project.open(root), clock=clock) as reporter:
        while pipe in wait([pipe, parent]):
            try:
                clock.tick, report = pipe.recv()
            except EOFError:
                break
            began = time.perf_counter()
            reporter.report(report)
            took = (time.perf_counter() - began) * 1_000
            while reporter.left() == 0.0:
                reporter.catch_up()
            held = memory_bytes()
            pipe.send(("told", {"report_ms": took, "teller_bytes": held}))
            if held > REPORTER_BYTES:
                return RENEW
    return 0


class _Clock:
    """One second a tick."""

    tick = 0.0

    def __call__(self) -> float:
        """Return the tick."""
        return self.tick


def by_the_hour(root: Path, _pipe: Connection, _parent: int) -> int:
    """Run the jobs that Dagster runs every hour: the domain's maintenance, and the pruning of Dagster's storage."""
    import dagster as dg  # noqa: PLC0415 - only here

    from mesh_defs.orchestration.home import dagster_home  # noqa: PLC0415
    from mesh_defs.orchestration.platform import prune_schedule  # noqa: PLC0415
    from mesh_defs.orchestration.upkeep import maintenance_job  # noqa: PLC0415

    project, domain = open_mesh(root)
    with dg.DagsterInstance.from_config(str(dagster_home(project).absolute())) as instance:
        prune_job = prune_schedule().job
        jobs = (maintenance_job(project, domain), prune_job)
        quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
        ends = [job.execute_in_process(instance=instance, run_config=quiet) for job in jobs]
        return 0 if all(end.success for end in ends) else 1


def lay_out(root: Path, _pipe: Connection, _parent: int) -> int:
    """Prepare Dagster's home, as `mesh up` does first."""
    from mesh_defs.orchestration.home import prepare_home  # noqa: PLC0415 - Dagster is imported only here

    prepare_home(open_mesh(root)[0])
    return 0


def verify(root: Path, pipe: Connection, _parent: int) -> int:
    """Say how many ticks the store holds, and what of it does not hold."""
    project, _ = open_mesh(root)
    with DomainStore.open(project.data_folder(DOMAIN), DOMAIN, read_only=True) as store:
        pipe.send(("verified", (reached(store), [v.message for v in verify_store(store, deep=True)])))
    return 0
