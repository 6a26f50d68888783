"""What is wrong in a text that somebody wrote."""

from __future__ import annotations


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
