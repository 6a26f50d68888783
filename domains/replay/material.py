"""What the streams' generators work with."""

from __future__ import annotations

from dataclasses import dataclass

from domains.replay.avro import Avro
from domains.replay.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What the records of a replay are made from.

    Attributes:
        seed: Decides ids, delays and everything invented.
    """

    source: Source
    avro: Avro
    seed: int
