"""Partitions that an open transaction holds back: where, and since when that is known."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mesh_defs.broker import Brokers, ConnectionKey, connection_key
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.errors import BrokerError
from mesh_defs.store import StoreOffsets

FILE = "held_back.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBack:
    """A partition whose last stable offset is below its end: a transaction is open there.

    Attributes:
        offset: The last stable offset, where the oldest open transaction began.
        since: When an ingester first saw it stand there, RFC 3339, UTC.
    """

    stream: str
    partition: int
    offset: int
    since: str


def look_for_held_back(
    brokers: Brokers, contracts: Sequence[StreamContract], stored: StoreOffsets, known: Sequence[HeldBack]
) -> tuple[HeldBack, ...]:
    """Ask the clusters which partitions of the streams are held back now.

    A cluster that does not answer is passed over: what was to be read from it says so.

    Args:
        brokers: The clusters.
        contracts: The streams.
        stored: What the store answers for: partitions that it does not know are not asked for.
        known: What was found before; a partition that stands where it stood keeps its instant.
    """
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    before = {(h.stream, h.partition, h.offset): h for h in known}
    groups: dict[ConnectionKey, list[StreamContract]] = {}
    for contract in (c for c in contracts if c.name in stored.streams):
        groups.setdefault(connection_key(contract), []).append(contract)
    found: list[HeldBack] = []
    for group in groups.values():
        topics: dict[str, set[int]] = {}
        for contract in group:
            topics.setdefault(contract.topic, set()).update(stored.streams[contract.name].partitions)
        with contextlib.suppress(BrokerError):
            told = brokers.of(group[0]).held_back({topic: sorted(own) for topic, own in topics.items()})
            found += [
                before.get(
                    (c.name, p, offset), HeldBack(stream=c.name, partition=p, offset=offset, since=now)
                )
                for c in group
                for p, offset in told[c.topic].items()
            ]
    return tuple(found)


def read_held_back(folder: Path) -> tuple[HeldBack, ...]:
    """Return what ingesters of the domain in `folder` found last.

    A file that a crash of the machine left empty or torn counts as none: what is held back is found again.
    """
    try:
        return tuple(HeldBack(**entry) for entry in json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def note_held_back(
    folder: Path, brokers: Brokers, contracts: Sequence[StreamContract], stored: StoreOffsets
) -> None:
    """Look for partitions of streams that are held back, and keep since when; other streams' entries stay.

    Args:
        folder: The domain's store.
        brokers: The clusters.
        contracts: The streams.
        stored: What the store answers for.
    """
    known = read_held_back(folder)
    names = {contract.name for contract in contracts}
    kept = tuple(h for h in known if h.stream not in names)
    found = kept + look_for_held_back(brokers, contracts, stored, known)
    if found != known:
        fresh = folder / f"{FILE}.{os.getpid()}.tmp"
        with contextlib.suppress(OSError):  # it is asked for again with the next pass
            fresh.write_text(json.dumps([asdict(h) for h in found], indent=1), encoding="utf-8")
            fresh.replace(folder / FILE)
