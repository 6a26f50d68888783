"""Brokers that do not answer: nothing fails then, the streams just stand still."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from mesh_defs.broker import Broker, connection_for
from mesh_defs.contract.contract import StreamContract
from mesh_defs.model.config import MAIN, MeshConfig
from mesh_defs.model.errors import BrokerUnavailableError, MeshError

GRACE_LOOKS = 4
"""After so many looks in vain, 30 s apart, a broker counts as unreachable: a restart takes less. Looks are counted, not
seconds: a machine that slept raises no alarm."""

_SECONDS = 5.0
_AT_ONCE = 8

Unreachable = Mapping[str, int]
"""For each connection, how many looks in a row were in vain."""


def look(
    config: MeshConfig, streams: Iterable[StreamContract], before: Unreachable, *, all_known: bool = True
) -> dict[str, int]:
    """Ask each connection that streams use once, side by side.

    Args:
        config: The mesh's configuration.
        streams: The streams of all domains that load.
        before: What the last look returned.
        all_known: Whether these are all streams there are; otherwise what is noted of other connections stays.
    """
    asked = {_name(config, stream): stream for stream in streams}
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as threads:
        answers = dict(zip(asked, threads.map(lambda s: _answers(config, s), asked.values()), strict=True))
    kept = {} if all_known else {name: looks for name, looks in before.items() if name not in asked}
    return kept | {name: 0 if answer else before.get(name, 0) + 1 for name, answer in answers.items()}


def down(unreachable: Unreachable) -> frozenset[str]:
    """Return the connections that did not answer for too long."""
    return frozenset(name for name, looks in unreachable.items() if looks >= GRACE_LOOKS)


def to_json(unreachable: Unreachable) -> str:
    """Return the text that `from_json` reads."""
    return json.dumps(unreachable)


def from_json(text: str | None) -> Unreachable:
    """Return what `to_json` wrote; nothing where there is no text."""
    return {str(name): int(looks) for name, looks in json.loads(text or "{}").items()}


def _name(config: MeshConfig, stream: StreamContract) -> str:
    described = stream.server == MAIN or stream.server in config.kafka
    return stream.server if described else f"{stream.server} ({stream.server_host})"


def _answers(config: MeshConfig, stream: StreamContract) -> bool:
    """Return whether a stream's cluster answers at all; a refusal is an answer, and the next pass tells of it."""
    try:
        with Broker(
            connection_for(config, stream.server, host=stream.server_host), timeout=_SECONDS
        ) as broker:
            broker.partitions(stream.topic)
    except BrokerUnavailableError:
        return False
    except MeshError:
        return True
    return True
