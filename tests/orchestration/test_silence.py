"""Locations that stand still."""

from __future__ import annotations

from mesh_defs.orchestration import silence


def test_a_location_counts_as_silent_after_six_looks_at_the_same_tick() -> None:
    """Not before, and what is noted survives being written down."""
    noted = {"shop": (5.0, silence.SILENT_LOOKS - 1), "sales": (7.0, silence.SILENT_LOOKS)}
    assert silence.silent(silence.from_json(silence.to_json(noted))) == {"sales"}
    assert silence.from_json(None) == {}
