"""Texts as a terminal is shown them."""

from __future__ import annotations

import pytest

from mesh_defs.model.text import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï ❌", "plain ünï ❌"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J", "\\u001b[2J"),
        ("\x1b]0;title\x07", "\\u001b]0;title\\u0007"),
        ("a\rb\x00\x7f\x9b", "a\\u000db\\u0000\\u007f\\u009b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    """A record must not talk to the terminal that shows it."""
    assert visible(text) == shown
