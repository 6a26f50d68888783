"""The content hash."""

from __future__ import annotations

from dataclasses import replace

import xxhash

from mesh_defs.decode import content_hash
from tests.decode.builders import FIRST_OFFSET, batch


def test_the_formula() -> None:
    """The hash of one record is the documented one."""
    seed = xxhash.xxh3_64_intdigest(b"k", seed=(3 << 48) + FIRST_OFFSET)
    assert content_hash(batch("v", keys=[b"k"])) == xxhash.xxh3_64_intdigest(b"v", seed=seed)


def test_it_is_additive() -> None:
    """Batches add up, whatever their keys and values are."""
    values = ["a", None, "", "b"]
    keys = [b"k", None, b"", None]
    whole = batch(*values, keys=keys)
    single = [
        content_hash(replace(batch(value, keys=[key]), offsets=[offset]))
        for value, key, offset in zip(values, keys, whole.offsets, strict=True)
    ]
    assert content_hash(whole) == sum(single) % (1 << 64)
    assert content_hash(batch()) == 0


def test_null_and_empty_differ() -> None:
    """Null and empty, of key and of value, and swapped, are four different records."""
    records = [("", b""), ("", None), (None, b""), (None, None), ("x", b""), ("", b"x")]
    assert len({content_hash(batch(value, keys=[key])) for value, key in records}) == len(records)


def test_coordinates_count() -> None:
    """The same bytes elsewhere, or two records exchanged, are other content."""
    here = batch("a", "b")
    assert content_hash(replace(here, partition=4)) != content_hash(here)
    assert content_hash(batch("b", "a")) != content_hash(here)
