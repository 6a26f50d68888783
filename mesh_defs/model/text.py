"""Texts that somebody wrote: what is wrong in one, and how one is shown on a terminal."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of what follows."""


def visible(text: str) -> str:
    """Return a text with control characters written out: a record must not talk to the terminal that shows it."""
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class TextError(Exception):
    """What is wrong in a text, and where; the caller knows whose text it is.

    Args:
        message: A clause, without what the text says.
        line: Where, from 1; 0 where it is no matter of a line.
    """

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message, line)
        self.message = message
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}" if self.line else self.message
