"""The content hash: what a range of a partition held, in one number that survives splits and merges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Final

import xxhash

from mesh_defs.model.records import RawBatch

_MODULUS: Final = 1 << 64
_OFFSET_BITS: Final = 48
_NULL_KEY: Final = 0x9E3779B97F4A7C15
_NULL_VALUE: Final = 0xC2B2AE3D27D4EB4F
"""Odd constants that tell null from empty; any would do, these have well-mixed bits."""

_hash: Callable[..., int] = xxhash.xxh3_64_intdigest


def content_hash(batch: RawBatch) -> int:
    """Return the additive hash of a batch: the sum over its records, modulo 2**64.

    A record's hash is `xxh3_64(value, seed=xxh3_64(key, seed=coordinates))`, its coordinates being partition
    and offset. A null key hands its seed on, changed; a null value is an empty one under a changed seed.
    """
    base = batch.partition << _OFFSET_BITS
    seeds = _seeds(batch.keys, [(base + offset) % _MODULUS for offset in batch.offsets])
    if None in batch.values:
        return sum(map(_value_hash, batch.values, seeds)) % _MODULUS
    return sum(map(_hash, batch.values, seeds)) % _MODULUS


def _seeds(keys: list[bytes | None], coordinates: list[int]) -> Iterable[int]:
    if None not in keys:
        return map(_hash, keys, coordinates)
    if keys.count(None) == len(keys):
        return map(int.__xor__, coordinates, repeat(_NULL_KEY))
    return [c ^ _NULL_KEY if k is None else _hash(k, c) for k, c in zip(keys, coordinates, strict=True)]


def _value_hash(value: bytes | None, seed: int) -> int:
    return _hash(b"", seed ^ _NULL_VALUE) if value is None else _hash(value, seed)
