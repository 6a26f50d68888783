"""Readers that ask all the time, each in a process of its own, and note what must never be seen."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from mesh_defs import connect
from mesh_defs.model.errors import MeshError
from mesh_defs.store.layout import parse_row, read_row
from mesh_defs.store.offsets import PartitionOffsets
from soaking.children import GRACE_SECONDS, write_to
from soaking.streams import STREAMS, Stream
from soaking.waiting import pause

PROMISED_SECONDS = GRACE_SECONDS * 0.75
"""Within this time a transaction's files are there; one that was stopped with the whole soak may take longer."""

SESSION_SECONDS = 20.0

TORN, BACKWARDS, ERROR, ASKED, OVERTAKEN = "torn", "non-monotonic", "reader errors", "asked", "overtaken"

Seen = dict[tuple[str, int], int]


def read(root: Path, log: Path, out: Path, seed: int) -> None:
    """Ask until this process is ended; each finding is a line of the file, a line a minute tells how often it asked."""
    write_to(log)
    chance = random.Random(seed)
    seen: Seen = {}
    with out.open("a", encoding="utf-8") as file:
        note = _Notes(file)
        while os.getppid() != 1:
            began = time.time()
            try:
                with connect(root) as session:
                    until = time.monotonic() + SESSION_SECONDS
                    while time.monotonic() < until:
                        began = time.time()
                        _ask(session, seen, note, chance)
                        pause(chance.uniform(0.3, 1.2))
            except (duckdb.Error, MeshError) as error:
                late = time.time() - began > PROMISED_SECONDS
                note(OVERTAKEN if late else ERROR, "", f"{type(error).__name__}: {error}")
                pause(1.0)


class _Notes:
    def __init__(self, file: Any) -> None:
        self._file = file

    def __call__(self, kind: str, stream: str, text: str) -> None:
        line = {"kind": kind, "stream": stream, "text": text, "at": time.time(), "pid": os.getpid()}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _ask(session: duckdb.DuckDBPyConnection, seen: Seen, note: _Notes, chance: random.Random) -> None:
    """Compare tables, ledger and offsets in one transaction; now and then ask it twice, some time apart."""
    session.execute("BEGIN TRANSACTION READ ONLY")
    try:
        first = _look(session, seen, note)
        if chance.random() < 0.1:  # noqa: PLR2004 - one in ten
            pause(chance.uniform(0.5, 4.0))
            for name, found in _look(session, seen, note).items():
                if found != first.get(name):
                    note(TORN, name, f"one transaction saw {first.get(name)}, then {found}")
        note(ASKED, "", "")
    finally:
        session.execute("ROLLBACK")


def _look(session: duckdb.DuckDBPyConnection, seen: Seen, note: _Notes) -> dict[str, Any]:
    answers = {}
    attached = {row[0] for row in session.execute("SELECT database_name FROM duckdb_databases()").fetchall()}
    for stream in STREAMS:
        if stream.domain not in attached:
            continue
        offsets = parse_row(stream.domain, read_row(session, stream.domain)).streams.get(stream.name)
        if offsets is None or not offsets.partitions:
            continue
        answers[stream.full_name] = _compare(session, stream, offsets.partitions, seen, note)
    return answers


def _compare(
    session: duckdb.DuckDBPyConnection,
    stream: Stream,
    partitions: Any,
    seen: Seen,
    note: _Notes,
) -> dict[int, Any]:
    name = stream.full_name
    rows = _by_partition(session, f"SELECT _partition, count(number), max(_offset) FROM {name} GROUP BY 1")  # noqa: S608
    letters = _by_partition(
        session,
        f"SELECT _partition, count(_value), max(_offset) FROM {stream.domain}.dead_letters "  # noqa: S608
        f"WHERE stream = '{stream.name}' GROUP BY 1",
    )
    ledger = _by_partition(
        session,
        "SELECT partition, sum(row_count), sum(dead_letter_count), sum(removed_count), max(to_offset), "  # noqa: S608
        f"sum(content_hash::HUGEINT) FROM {stream.domain}.ledger WHERE stream = '{stream.name}' GROUP BY 1",
    )
    for partition, state in partitions.items():
        for text in _torn(state, rows.get(partition), letters.get(partition), ledger.get(partition)):
            note(TORN, name, f"partition {partition}: {text}")
        before = seen.get((name, partition), 0)
        if state.next_offset < before:
            note(BACKWARDS, name, f"partition {partition}: {before}, then {state.next_offset}")
        seen[name, partition] = max(before, state.next_offset)
    return {p: (rows.get(p), letters.get(p), ledger.get(p)) for p in partitions}


def _torn(
    state: PartitionOffsets,
    rows: tuple[Any, ...] | None,
    letters: tuple[Any, ...] | None,
    ledger: tuple[Any, ...] | None,
) -> Iterator[str]:
    """Yield what of one snapshot does not fit together."""
    if ledger is None:
        if state.next_offset != state.start_offset or rows or letters:
            yield "there are rows or offsets without a ledger entry"
        return
    row_count, dead, removed, end, hashes = ledger
    count, last = rows or (0, -1)
    dead_count, last_dead = letters or (0, -1)
    if (count, dead_count) != (row_count - removed, dead):
        yield f"{count} rows and {dead_count} dead letters; the ledger has {row_count} - {removed} and {dead}"
    told = (state.rows, state.dead_letters, state.removed, state.next_offset, state.content_hash)
    if told != (row_count, dead, removed, end, int(hashes) % 2**64):
        yield f"the offsets say {told}, the ledger {ledger}"
    if max(last, last_dead) >= state.next_offset:
        yield f"offset {max(last, last_dead)} is stored, the next is {state.next_offset}"


def _by_partition(session: duckdb.DuckDBPyConnection, sql: str) -> dict[int, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in session.execute(sql).fetchall()}
