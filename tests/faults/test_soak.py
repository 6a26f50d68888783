"""The soak in small: `bench/soak.py` with few kills. The long one is run by hand; docs/faults.md has its numbers."""

from __future__ import annotations

import importlib
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from mesh_defs import connect
from mesh_defs.ingest import run_pass
from mesh_defs.store import DomainStore
from tests.conftest import KafkaServer, wait_for
from tests.meshes import ROOT

LONG = 120.0
ENOUGH = 80
"""Records of each stream; some of them are bad, some of aborted transactions."""


class Soaked:
    """A mesh of the soak's streams that has taken in what its producers sent, unharmed.

    Args:
        root: An empty folder.
        address: Of a broker.
    """

    def __init__(self, root: Path, address: str) -> None:
        self.streams, self.producers, self.readers, self.judging = (
            importlib.import_module(f"soaking.{name}")
            for name in ("streams", "producers", "readers", "judge")
        )
        self.root = root
        self.project = self.streams.write_project(root, address)
        with AdminClient({"bootstrap.servers": address}) as admin:
            topics = [NewTopic(s.topic, s.partitions, 1, config=s.config) for s in self.streams.STREAMS]
            for future in admin.create_topics(topics).values():
                future.result()
        self.facts: dict[str, Any] = self._produce(address)
        for domain in self.streams.DOMAINS:
            assert run_pass(self.project, self.project.domain(domain)).failed == ()

    def _produce(self, address: str) -> dict[str, Any]:
        sources = [self.producers.Source(s, address, n) for n, s in enumerate(self.streams.STREAMS)]
        for source in sources:
            source.start()
        for source in sources:
            known = source.facts
            wait_for(lambda known=known: len(known.numbers) > ENOUGH, source.name, LONG)
        for source in sources:
            source.stop()
        for source in sources:
            source.join(LONG)
        return {source.stream.full_name: source.facts for source in sources}

    def verdicts(self, notes: list[Path]) -> dict[str, tuple[int, ...]]:
        """Return the six numbers of each stream."""
        found, _ = self.judging.judge(self.project, self.facts, notes)
        return {verdict.stream: verdict.columns for verdict in found}

    def ask(self, seen: dict[tuple[str, int], int]) -> set[tuple[str, str]]:
        """Let a reader ask once; return what it notes, and of which stream."""
        noted: set[tuple[str, str]] = set()
        with connect(self.root) as session:
            note = lambda kind, stream, _: noted.add((kind, stream))  # noqa: E731 - as short as it is
            self.readers._ask(session, seen, note, random.Random(1))
        return noted

    def harm(self, sql: str) -> None:
        """Change the store of `shop` behind its back."""
        with DomainStore.open(self.project.data_folder("shop"), "shop") as store:
            store.connection.execute(sql)


@pytest.fixture
def soaked(tmp_path: Path, kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Soaked]:
    """A mesh that is judged, and then made wrong."""
    monkeypatch.syspath_prepend(ROOT / "bench")
    yield Soaked(tmp_path / "mesh", kafka.bootstrap)
    for name in [name for name in sys.modules if name.partition(".")[0] == "soaking"]:
        del sys.modules[name]


@pytest.mark.slow
def test_judge_and_readers_would_notice(soaked: Soaked, tmp_path: Path) -> None:
    """Nothing is found in a mesh that is right; each thing that is made wrong is found, and nothing else."""
    nothing = dict.fromkeys(soaked.facts, (0,) * 6)
    assert soaked.verdicts([]) == nothing
    assert soaked.ask({}) == {("asked", "")}
    assert soaked.ask({("lab.states", 0): 10**9}) == {("asked", ""), ("non-monotonic", "lab.states")}

    orders, letters, readings = (soaked.facts[f] for f in ("shop.orders", "lab.letters", "lab.readings"))
    orders.numbers[0, 10**6] = 10**6
    first, second, *_ = letters.numbers
    letters.numbers[first], letters.numbers[second] = letters.numbers[second], letters.numbers[first]
    where, number = next(iter(readings.numbers.items()))
    del readings.numbers[where]
    readings.aborted[where] = number
    notes = tmp_path / "notes"
    kinds = ("torn", "non-monotonic", "reader errors")
    lines = [{"kind": kind, "stream": "lab.states", "text": "", "at": 0, "pid": 1} for kind in kinds]
    notes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert soaked.verdicts([notes]) == nothing | {
        "shop.orders": (1, 0, 0, 0, 0, 0),
        "lab.letters": (0, 0, 0, 0, 2, 0),
        "lab.readings": (0, 0, 0, 0, 1, 0),
        "lab.states": (0, 0, 1, 1, 0, 1),
    }

    soaked.harm("INSERT INTO shop.orders SELECT * FROM shop.orders WHERE _partition = 0 AND _offset = 1")
    soaked.harm("DELETE FROM shop.payments WHERE _offset = (SELECT min(_offset) FROM shop.payments)")
    found = soaked.verdicts([])
    assert found["shop.orders"][:2] == (1, 1), "one is still sought, one is there twice"
    assert found["shop.payments"][0] >= 1
    assert min(found[name][4] for name in ("shop.orders", "shop.payments")) >= 1, "the ledger tells it too"
    assert soaked.ask({}) >= {("torn", "shop.orders"), ("torn", "shop.payments")}


@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.fault(1, 2, 3, 5, 6, 7, 14, 17, 18, 41)
def test_a_short_soak_finds_nothing_and_leaves_nothing_running() -> None:
    """Every column is 0, and the processes are gone."""
    with tempfile.TemporaryDirectory(prefix="soak-") as scratch:
        done = subprocess.run(
            [sys.executable, str(ROOT / "bench" / "soak.py"), "6", "--seed", "3"],
            env=os.environ | {"TMPDIR": scratch},
            capture_output=True,
            text=True,
            check=False,
            timeout=1_700,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        total = next(line for line in done.stdout.splitlines() if line.startswith("| total"))
        assert [int(cell) for cell in total.strip("| ").split("|")[1:]] == [0] * 6
        assert not [p.pid for p in psutil.process_iter() if scratch in " ".join(_words(p))]
        assert list(Path(scratch).iterdir()) == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
