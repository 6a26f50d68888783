"""Bytes and timestamps for eyes."""

from __future__ import annotations

import pytest

from mesh_defs.cli.payload import encoded, instant, readable


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
        (-1, None),
        (1 << 62, f"{1 << 62} ms"),
    ],
)
def test_instants(milliseconds: int, shown: str | None) -> None:
    """Minus one means no timestamp; what no calendar holds stays a number."""
    assert instant(milliseconds) == shown


def test_values() -> None:
    """Bytes, headers, and what is neither."""
    headers = [{"name": "h", "value": b"\xc3\xa9"}, {"name": "i", "value": None}]
    assert readable(headers) == "h: \u00e9\ni: None"
    assert encoded(headers) == [{"name": "h", "value": "w6k="}, {"name": "i", "value": None}]
    assert (readable(None), readable([]), readable(7)) == (None, None, "7")
