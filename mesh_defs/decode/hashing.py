"""The content hash: what a range of a partition held, in one number that survives splits and merges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import xxhash

from mesh_defs.model.records import RawBatch

_MODULUS: Final = 1 << 64
_OFFSET_BITS: Final = 48
_NULL_KEY: Final = 1 << 63
"""Added to the coordinates of a null key: partitions are 31 bits, so no coordinates are as large."""
_NULL_VALUE: Final = 0xC2B2AE3D27D4EB4F
"""Tells a null value from an empty one; any odd number would do, this one has well-mixed bits."""

_hash: Callable[..., int] = xxhash.xxh3_64_intdigest


def content_hash(batch: RawBatch) -> int:
    """Return the additive hash of a batch: the sum over its records, modulo 2**64.

    A record's hash is `xxh3_64(value, seed=xxh3_64(key, seed=coordinates))`, its coordinates being partition
    and offset. A null key hands its seed on, changed; a null value is an empty one under a changed seed.
    """
    if not batch.offsets:
        return 0
    seeds = _seeds(batch.keys, batch.partition << _OFFSET_BITS, batch.offsets)
    if None in batch.values:
        return sum(map(_value_hash, batch.values, seeds)) % _MODULUS
    return sum(map(_hash, batch.values, seeds)) % _MODULUS


def _seeds(keys: list[bytes | None], base: int, offsets: Sequence[int]) -> Iterable[int]:
    if keys.count(None) == len(keys):
        return _shifted(offsets, (base + _NULL_KEY) % _MODULUS)
    coordinates = _shifted(offsets, base % _MODULUS)
    if None not in keys:
        return map(_hash, keys, coordinates)
    return [
        (c + _NULL_KEY) % _MODULUS if k is None else _hash(k, c)
        for k, c in zip(keys, coordinates, strict=True)
    ]


def _shifted(offsets: Sequence[int], base: int) -> Iterable[int]:
    """Return the offsets plus a base; without holes they are a range, which costs nothing a record."""
    if offsets[-1] - offsets[0] + 1 == len(offsets) and base + offsets[-1] < _MODULUS:
        return range(base + offsets[0], base + offsets[-1] + 1)
    return [(base + offset) % _MODULUS for offset in offsets]


def _value_hash(value: bytes | None, seed: int) -> int:
    return _hash(b"", seed ^ _NULL_VALUE) if value is None else _hash(value, seed)
